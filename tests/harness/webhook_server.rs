//! The other end of the `webhook` action: answers by a plan, and remembers what it has confirmed.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::action_log::{Acted, Place};
use super::observer::{Delivered, Deliveries, locked};

/// No request of a test is longer.
const LONGEST: usize = 16 << 20;

/// After which a plan is asked again that has no answer yet.
const MOMENT: Duration = Duration::from_millis(20);

/// What a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200.
    Confirm,
    /// 200, after this time.
    ConfirmAfter(Duration),
    /// This status.
    Fail(u16),
    /// Nothing: the connection stays open and silent.
    Hang,
    /// Nothing for now: the plan is asked again in a moment.
    NotYet,
    /// The connection is reset.
    Reset,
}

/// What to answer to the given attempt (the first is 0) at the event of a place.
pub(crate) type Plan = dyn Fn(&Place, u32) -> Answer + Send + Sync;

/// An HTTP server on loopback. It ends when it is dropped.
pub(crate) struct WebhookServer {
    address: SocketAddr,
    memory: Arc<Memory>,
    /// Its threads end with it.
    _runtime: Runtime,
}

/// What the server remembers.
#[derive(Default)]
struct Memory {
    /// At events that are not confirmed yet.
    attempts: Mutex<HashMap<Place, u32>>,
    requests: AtomicUsize,
    /// Confirmed, and not yet taken by the observer.
    confirmed: Mutex<Vec<Delivered>>,
}

impl WebhookServer {
    /// Starts a server that answers by `plan`.
    pub(crate) fn start(plan: impl Fn(&Place, u32) -> Answer + Send + Sync + 'static) -> Self {
        let plan: Arc<Plan> = Arc::new(plan);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread for the server");
        let listener =
            runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound address");
        let memory = Arc::new(Memory::default());
        let shared = Arc::clone(&memory);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (plan, memory) = (Arc::clone(&plan), Arc::clone(&shared));
                // A client may break off whenever it likes.
                tokio::spawn(async move { drop(serve(stream, &*plan, &memory).await) });
            }
        });
        Self { address, memory, _runtime: runtime }
    }

    /// Where events are posted to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.memory.requests.load(Ordering::Relaxed)
    }

    /// What it confirms, for the observer.
    pub(crate) fn deliveries(&self) -> Box<dyn Deliveries> {
        Box::new(Confirmed(Arc::clone(&self.memory)))
    }
}

struct Confirmed(Arc<Memory>);

impl Deliveries for Confirmed {
    fn take_new(&mut self) -> Vec<Delivered> {
        std::mem::take(&mut locked(&self.0.confirmed))
    }
}

/// Answers the requests of one connection, one after the other.
async fn serve(mut stream: TcpStream, plan: &Plan, memory: &Memory) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while let Some(body) = read_request(&mut stream, &mut bytes).await? {
        let event: Acted = serde_json::from_slice(&body)?;
        memory.requests.fetch_add(1, Ordering::Relaxed);
        let attempt = {
            let mut attempts = locked(&memory.attempts);
            let attempt = attempts.entry(event.place().clone()).or_default();
            *attempt += 1;
            *attempt - 1
        };
        let mut answer = plan(event.place(), attempt);
        while answer == Answer::NotYet {
            tokio::time::sleep(MOMENT).await;
            answer = plan(event.place(), attempt);
        }
        let status = match answer {
            Answer::Confirm => 200,
            Answer::ConfirmAfter(delay) => {
                tokio::time::sleep(delay).await;
                200
            }
            Answer::Fail(status) => status,
            Answer::Hang | Answer::NotYet => std::future::pending().await,
            Answer::Reset => {
                stream.set_zero_linger()?;
                return Ok(());
            }
        };
        if status == 200 {
            // Before the answer: who commits it may be looked at as soon as the answer is there.
            let entity = event.is_what_was_fed().then(|| event.entity().to_owned());
            // Should it come again, it is a first attempt again; and a run of hours must not remember all.
            locked(&memory.attempts).remove(event.place());
            locked(&memory.confirmed).push(Delivered { place: event.place().clone(), entity });
        }
        stream.write_all(format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// The body of the next request; `bytes` holds what was read beyond it. `None` at the connection's end.
async fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let (begin, length): (usize, usize) = (end + 4, length.unwrap_or(0));
            if bytes.len() >= begin + length {
                let rest = bytes.split_off(begin + length);
                let body = std::mem::replace(bytes, rest).split_off(begin);
                return Ok(Some(body));
            }
        }
        assert!(bytes.len() < LONGEST, "a request of {} bytes", bytes.len());
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}
