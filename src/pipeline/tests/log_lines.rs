//! The log of the test's own thread.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

/// What was logged since it was made.
pub(super) struct LogLines {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

/// Keeps what this thread logs from here on.
pub(super) fn keep() -> LogLines {
    let text = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&text);
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || Writer(Arc::clone(&writer)))
        .finish();
    LogLines { text, _guard: tracing::subscriber::set_default(subscriber) }
}

impl LogLines {
    /// The lines that contain `words`.
    pub(super) fn containing(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned();
        text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
