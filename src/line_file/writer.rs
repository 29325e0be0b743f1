//! A thread that writes for many tasks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::sync::oneshot;

use super::append::LineFile;

/// What one append may hold: bounds the copy that a batch makes of its lines.
const BATCH_BYTES: u64 = 1024 * 1024;

/// Appends lines for any number of tasks without blocking them, however long the file's lock, or the
/// disk, lets it wait.
///
/// Lines that arrive while an append is under way share the next one, and its sync where the file has
/// any; those of one task stay in their order. Dropping the writer ends its thread once everything
/// handed in is written.
#[derive(Debug)]
pub struct LineWriter {
    path: PathBuf,
    requests: Sender<Request>,
}

/// What the thread is asked, and who waits for it.
struct Request {
    work: Work,
    done: oneshot::Sender<io::Result<()>>,
}

enum Work {
    Append(Vec<u8>),
    Sync,
}

impl LineWriter {
    /// Starts the thread, under the given name.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(file: LineFile, name: &str) -> io::Result<Self> {
        let path = file.path().to_owned();
        let (requests, queue) = channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || serve(file, &queue))?;
        Ok(Self { path, requests })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line, which ends with a line feed, as [`LineFile::append`] does: returns once it is
    /// as durable as the file's options say. If the future is dropped, the line may still be written.
    ///
    /// # Errors
    /// As [`LineFile::append`]; also if the lines that shared the append were what did not fit.
    pub async fn append(&self, line: Vec<u8>) -> io::Result<()> {
        self.ask(Work::Append(line)).await
    }

    /// Hands everything written so far to the disk.
    ///
    /// # Errors
    /// What the system said.
    pub async fn sync(&self) -> io::Result<()> {
        self.ask(Work::Sync).await
    }

    async fn ask(&self, work: Work) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        let ended = || io::Error::other("the thread that writes the file has ended");
        self.requests.send(Request { work, done }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn serve(mut file: LineFile, queue: &Receiver<Request>) {
    // A batch longer than a file may become would make one that is too long.
    let most_bytes = file.rotates_after_bytes().map_or(BATCH_BYTES, |bytes| bytes.min(BATCH_BYTES));
    let mut next = queue.recv().ok();
    while let Some(Request { work, done }) = next.take() {
        let mut waiting = vec![done];
        let outcome = match work {
            Work::Sync => file.sync(),
            Work::Append(mut lines) => {
                next = gather(&mut lines, &mut waiting, most_bytes, queue);
                file.append(&lines)
            }
        };
        for done in waiting {
            // Nobody listens any more if the caller was cancelled.
            let _ = done.send(match &outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
        next = next.or_else(|| queue.recv().ok());
    }
}

/// Adds the lines that are waiting already. Returns the request that has to wait for the next turn.
fn gather(
    lines: &mut Vec<u8>,
    waiting: &mut Vec<oneshot::Sender<io::Result<()>>>,
    most_bytes: u64,
    queue: &Receiver<Request>,
) -> Option<Request> {
    while let Ok(request) = queue.try_recv() {
        match &request.work {
            Work::Append(line) if (lines.len() + line.len()) as u64 <= most_bytes => {
                lines.extend_from_slice(line);
            }
            Work::Append(_) | Work::Sync => return Some(request),
        }
        waiting.push(request.done);
    }
    None
}
