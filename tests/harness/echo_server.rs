//! The worst neighbour that a secret can have: a server that answers whatever it is asked with all that it was
//! sent.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::observer::locked;

/// Who is silent for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// An HTTP server on loopback that quotes each request, head and body, in the body of its answer. Its thread
/// ends with the process.
pub(crate) struct EchoServer {
    address: SocketAddr,
    heard: Arc<Mutex<String>>,
}

impl EchoServer {
    /// Starts a server that answers with this status.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound address");
        let heard = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&shared);
                // A client may break off whenever it likes.
                std::thread::spawn(move || drop(answer(stream, status, &heard)));
            }
        });
        Self { address, heard }
    }

    /// `127.0.0.1:port`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// All that was sent to it.
    pub(crate) fn heard(&self) -> String {
        locked(&self.heard).clone()
    }
}

fn answer(mut stream: TcpStream, status: u16, heard: &Mutex<String>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut piece = [0; 4096];
        match stream.read(&mut piece)? {
            0 => break,
            count => request.extend_from_slice(&piece[..count]),
        }
    }
    let request = String::from_utf8_lossy(&request);
    locked(heard).push_str(&request);
    write!(
        stream,
        "HTTP/1.1 {status} Quoted\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{request}",
        request.len()
    )
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}
