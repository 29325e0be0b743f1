//! A schema registry that is served from the test, and that can be made to fail.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// DataHub serves its registry below this path.
const PREFIX: &str = "/schema-registry/api";
/// A client that connects and says nothing is not waited for longer than this.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);

/// A registry on loopback, until it is dropped.
pub(crate) struct SchemaRegistry {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    schemas: BTreeMap<u32, String>,
    outage: AtomicBool,
    requests: AtomicU32,
    ended: AtomicBool,
}

impl SchemaRegistry {
    /// Serves `schemas` (by id), beginning at once, on a free port.
    pub(crate) fn serve(schemas: impl IntoIterator<Item = (u32, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let state = Arc::new(State { schemas: schemas.into_iter().collect(), ..State::default() });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ended.load(Ordering::Acquire) {
                    return;
                }
                // A connection that breaks is the client's business: it asks again.
                let _ = serving.answer(&stream);
            }
        });
        Self { address, state }
    }

    /// The URL for `schema_registry_url`, with DataHub's path and trailing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{PREFIX}/", self.address)
    }

    /// From now on every request is answered with 503.
    pub(crate) fn go_down(&self) {
        self.state.outage.store(true, Ordering::Release);
    }

    /// Ends an outage.
    pub(crate) fn come_back(&self) {
        self.state.outage.store(false, Ordering::Release);
    }

    /// How many requests came, answered or refused.
    pub(crate) fn requests(&self) -> u32 {
        self.state.requests.load(Ordering::Acquire)
    }
}

impl Drop for SchemaRegistry {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        // The listening thread looks at the flag when somebody connects.
        let _ = TcpStream::connect_timeout(&self.address, CLIENT_TIMEOUT);
    }
}

impl State {
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        for line in lines {
            if line?.is_empty() {
                break;
            }
        }
        self.requests.fetch_add(1, Ordering::AcqRel);
        let (status, body) = self.reply(request.split(' ').nth(1).unwrap_or_default());
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn reply(&self, target: &str) -> (&'static str, String) {
        if self.outage.load(Ordering::Acquire) {
            return ("503 Service Unavailable", "down for a test".to_owned());
        }
        let path = target.split('?').next().unwrap_or_default();
        let id = path.strip_prefix(PREFIX).and_then(|path| path.strip_prefix("/schemas/ids/"));
        let Some(id) = id.and_then(|id| id.parse::<u32>().ok()) else {
            return ("404 Not Found", r#"{"error_code":404,"message":"no such path"}"#.to_owned());
        };
        match self.schemas.get(&id) {
            Some(schema) => ("200 OK", serde_json::json!({ "schema": schema }).to_string()),
            None => ("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned()),
        }
    }
}
