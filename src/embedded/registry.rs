//! The embedded schema registry.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::oneshot;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// How the registry presents itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// What stands before `/schemas`, such as DataHub's `/schema-registry/api`; empty for none.
    pub path_prefix: String,
    /// The answer to an id that it does not know.
    pub unknown_id: UnknownId,
    /// The port on 127.0.0.1; 0 takes a free one. For a registry that comes back where it was.
    pub port: u16,
}

/// What a registry answers for an id that it does not know; the status is 404 in both cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownId {
    /// A body with `error_code` 40403, as Confluent's registry.
    #[default]
    ErrorCode,
    /// No body, as DataHub's own registry.
    EmptyBody,
}

/// How the registry answers, until told otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    #[default]
    Answer,
    /// With this HTTP status, whatever it is asked.
    Fail(u16),
    /// Not at all: it accepts the request and is silent.
    Hang,
    /// With status 200 and a body that is not what was asked for.
    Garbage,
}

/// A schema registry on 127.0.0.1 that serves `GET {prefix}/schemas/ids/{id}` with ids of our
/// choice, 0 included, as DataHub has them. It has a thread of its own, so that it can be used with
/// and without an asynchronous runtime, and ends when it is dropped.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    address: SocketAddr,
    path_prefix: String,
    shelf: Arc<Shelf>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the handler knows.
#[derive(Debug)]
struct Shelf {
    schemas_path: String,
    unknown_id: UnknownId,
    schemas: Mutex<HashMap<u32, String>>,
    behaviour: Mutex<Behaviour>,
    requests: AtomicU64,
}

impl EmbeddedRegistry {
    /// Starts a registry without schemas.
    ///
    /// # Errors
    /// If it cannot listen on the port, or its thread cannot be started.
    pub fn start(options: RegistryOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shelf = Arc::new(Shelf {
            schemas_path: format!("{}/schemas/ids/", options.path_prefix),
            unknown_id: options.unknown_id,
            schemas: Mutex::default(),
            behaviour: Mutex::default(),
            requests: AtomicU64::new(0),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shelf));
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("embedded-registry".to_owned()).spawn(move || {
            runtime.block_on(async {
                // Not a graceful stop: a request that hangs on purpose would hold it up. Whatever is
                // open is closed with the runtime.
                tokio::select! {
                    result = serve(listener, router) => if let Err(error) = result {
                        tracing::error!(%error, "the embedded registry has stopped");
                    },
                    _ = stopped => {}
                }
            });
        })?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { address, path_prefix: options.path_prefix, shelf, stop, thread })
    }

    /// The registry's URL with its path prefix, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path_prefix)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Serves `schema`, the text of an Avro schema, under `id` from now on.
    pub fn put(&self, id: u32, schema: impl Into<String>) {
        locked(&self.shelf.schemas).insert(id, schema.into());
    }

    /// Answers in this way from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.shelf.behaviour) = behaviour;
    }

    /// How many requests have come, whatever they were answered.
    pub fn requests(&self) -> u64 {
        self.shelf.requests.load(Ordering::Relaxed)
    }
}

impl Drop for EmbeddedRegistry {
    fn drop(&mut self) {
        // Errors mean that the thread has ended already.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn answer(State(shelf): State<Arc<Shelf>>, request: Request<Body>) -> Response {
    shelf.requests.fetch_add(1, Ordering::Relaxed);
    let behaviour = *locked(&shelf.behaviour);
    match behaviour {
        Behaviour::Answer => shelf.look_up(request.uri().path()),
        Behaviour::Fail(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "told to fail").into_response()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Garbage => "<html>not what was asked for</html>".into_response(),
    }
}

impl Shelf {
    fn look_up(&self, path: &str) -> Response {
        let Some(id) = path.strip_prefix(&self.schemas_path).and_then(|id| id.parse().ok()) else {
            let body = json!({"error_code": 404, "message": "HTTP 404 Not Found"});
            return json_answer(StatusCode::NOT_FOUND, &body);
        };
        match (locked(&self.schemas).get(&id), self.unknown_id) {
            (Some(schema), _) => json_answer(StatusCode::OK, &json!({ "schema": schema })),
            (None, UnknownId::ErrorCode) => {
                let message = format!("Schema {id} not found");
                json_answer(StatusCode::NOT_FOUND, &json!({"error_code": 40403, "message": message}))
            }
            (None, UnknownId::EmptyBody) => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body.to_string()).into_response()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    fn start(path_prefix: &str, unknown_id: UnknownId) -> EmbeddedRegistry {
        let options = RegistryOptions { path_prefix: path_prefix.to_owned(), unknown_id, port: 0 };
        EmbeddedRegistry::start(options).unwrap()
    }

    fn request(registry: &EmbeddedRegistry, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(registry.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        stream
    }

    fn get(registry: &EmbeddedRegistry, path: &str) -> String {
        let mut answer = String::new();
        request(registry, path).read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn ids_are_served_under_the_prefix_and_zero_is_one_of_them() {
        let registry = start("/schema-registry/api", UnknownId::EmptyBody);
        registry.put(0, r#"{"type":"string"}"#);
        assert!(registry.url().ends_with("/schema-registry/api"));
        let answer = get(&registry, "/schema-registry/api/schemas/ids/0?fetchMaxId=false");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"schema":"{\"type\":\"string\"}"}"#)
        );
        assert!(get(&registry, "/schemas/ids/0").contains(r#""error_code":404,"#), "a wrong path");
        assert_eq!(registry.requests(), 2);
    }

    #[test]
    fn an_unknown_id_is_answered_as_each_kind_of_registry_does() {
        let confluent = get(&start("", UnknownId::ErrorCode), "/schemas/ids/7");
        assert!(confluent.starts_with("HTTP/1.1 404") && confluent.contains(r#""error_code":40403"#));
        let datahub = get(&start("", UnknownId::EmptyBody), "/schemas/ids/7");
        assert!(datahub.starts_with("HTTP/1.1 404") && datahub.ends_with("\r\n\r\n"), "{datahub}");
    }

    #[test]
    fn it_fails_and_recovers_when_told_to() {
        let registry = start("", UnknownId::ErrorCode);
        registry.put(1, "\"string\"");
        registry.behave(Behaviour::Fail(503));
        assert!(get(&registry, "/schemas/ids/1").starts_with("HTTP/1.1 503"));
        registry.behave(Behaviour::Garbage);
        assert!(get(&registry, "/schemas/ids/1").contains("<html>"));
        registry.behave(Behaviour::Answer);
        assert!(get(&registry, "/schemas/ids/1").contains(r#""schema""#));
    }

    #[test]
    fn a_request_that_hangs_does_not_keep_it_from_ending_nor_from_coming_back() {
        let registry = start("", UnknownId::ErrorCode);
        registry.behave(Behaviour::Hang);
        let mut hanging = request(&registry, "/schemas/ids/1");
        while registry.requests() == 0 {
            std::thread::yield_now();
        }
        let port = registry.port();
        drop(registry);
        hanging.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(hanging.read(&mut [0]).unwrap_or(0), 0, "the connection was closed unanswered");

        let back = EmbeddedRegistry::start(RegistryOptions { port, ..RegistryOptions::default() }).unwrap();
        back.put(1, "\"string\"");
        assert!(get(&back, "/schemas/ids/1").contains(r#""schema""#));
    }
}
