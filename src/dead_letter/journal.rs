//! What has been replayed already, so that a replay that was interrupted goes on where it was.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::letter::LetterKey;
use crate::line_file::{Durability, LineFile, LineFileOptions, Owner, open_or_make};

/// Why a replay cannot keep its journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process is replaying these letters.
    #[error("another replay of these letters is under way ({lock} is locked); wait for its end")]
    Locked {
        /// The file that is locked.
        lock: PathBuf,
    },
    /// The journal cannot be read or written.
    #[error("cannot keep the journal of the replay in {path}: {source}")]
    File {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How a letter's replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replayed {
    /// The action took it.
    Acted,
    /// A filter dropped it, or there was nothing to act on.
    Dropped,
    /// It was sent to its source topic.
    Sent,
    /// It failed, and is a dead letter of the next round.
    FailedAgain,
}

/// The letters that were replayed, one JSON line each, synced one by one. Only one process at a time
/// has it.
pub struct Journal {
    done: HashMap<LetterKey, Replayed>,
    file: LineFile,
    /// Locked until it is dropped. Not the journal itself: that is locked for each line.
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: String,
    round: u32,
    first_failure: String,
    replayed: Replayed,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl Replayed {
    /// As the journal and a receipt have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acted => "acted",
            Self::Dropped => "dropped",
            Self::Sent => "sent",
            Self::FailedAgain => "failed_again",
        }
    }

    /// What a receipt means by this text; `None` where a later version may have written it.
    pub fn of(text: &str) -> Option<Self> {
        let all = [Self::Acted, Self::Dropped, Self::Sent, Self::FailedAgain];
        all.into_iter().find(|replayed| replayed.as_str() == text)
    }
}

impl Journal {
    /// The journal beside a dead-letter file.
    pub fn beside(letters: &Path) -> PathBuf {
        let mut name = letters.as_os_str().to_owned();
        name.push(".replayed");
        PathBuf::from(name)
    }

    /// Opens the journal of a replay of `letters`, makes it where there is none, and locks it. Blocks. What is made
    /// belongs to whom the letters belong, as far as this process may give it away: whoever runs the pipeline has
    /// to be able to go on with a replay that root began.
    ///
    /// # Errors
    /// If another process has it, or it cannot be read or written.
    pub fn open(path: &Path, letters: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::File { path: path.to_owned(), source };
        let owner = Owner::of(letters);
        let options =
            LineFileOptions { durability: Durability::Machine, private: true, rotation: None, owner };
        let file = LineFile::open(path, options).map_err(failed)?;
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let lock = open_or_make(OpenOptions::new().append(true).mode(0o600), &lock_path, owner);
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { lock: lock_path }),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(path = %lock_path.display(), "the file system has no locks: run one replay at a time");
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let done = Self::read(path).map_err(failed)?;
        Ok(Self { done, file, _lock: lock })
    }

    /// What a journal says was replayed; nothing where there is none. A half line, of a replay that was
    /// killed, counts as not written.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> io::Result<HashMap<LetterKey, Replayed>> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
            Err(error) => return Err(error),
        };
        let mut done = HashMap::new();
        for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
            match serde_json::from_slice::<Entry>(&line?) {
                Ok(Entry { id, round, first_failure, replayed, .. }) => {
                    done.insert(LetterKey { id, round, first_failure }, replayed);
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), line = index + 1, %error, "a line of the journal cannot be read");
                }
            }
        }
        Ok(done)
    }

    /// How the replay of this letter ended; `None` if it was not replayed yet.
    pub fn outcome_of(&self, key: &LetterKey) -> Option<Replayed> {
        self.done.get(key).copied()
    }

    /// Notes that a letter was replayed; returns once the disk has it. Blocks.
    ///
    /// # Errors
    /// If the journal cannot be written: the replay must stop, since it could repeat what it did.
    pub fn note(&mut self, key: LetterKey, replayed: Replayed) -> Result<(), JournalError> {
        let entry = Entry {
            id: key.id.clone(),
            round: key.round,
            first_failure: key.first_failure.clone(),
            replayed,
            at: super::rfc3339(std::time::SystemTime::now()),
        };
        let written = serde_json::to_vec(&entry).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.append(&line)
        });
        written.map_err(|source| JournalError::File { path: self.file.path().to_owned(), source })?;
        self.done.insert(key, replayed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn key(round: u32) -> LetterKey {
        LetterKey { id: "g/t/0/1".to_owned(), round, first_failure: "2026-01-01T00:00:00.000Z".to_owned() }
    }

    #[test]
    fn what_was_noted_is_known_to_the_next_replay_and_half_a_line_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let letters = directory.path().join("failed_events.log");
        let path = Journal::beside(&letters);
        let mut journal = Journal::open(&path, &letters).unwrap();
        journal.note(key(1), Replayed::FailedAgain).unwrap();
        drop(journal);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{}", &whole[..20])).unwrap();
        let journal = Journal::open(&path, &letters).unwrap();
        assert_eq!(journal.outcome_of(&key(1)), Some(Replayed::FailedAgain));
        assert_eq!(journal.outcome_of(&key(2)), None, "the next round is another letter");
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }

    #[test]
    fn two_replays_at_once_are_one_too_many() {
        let directory = tempfile::tempdir().unwrap();
        let letters = directory.path().join("failed_events.log");
        let path = Journal::beside(&letters);
        let first = Journal::open(&path, &letters).unwrap();
        let second = Journal::open(&path, &letters).err().unwrap();
        assert!(second.to_string().contains("another replay"), "{second}");
        drop(first);
        assert!(Journal::open(&path, &letters).is_ok());
    }

    #[test]
    fn a_journal_belongs_to_whom_the_letters_belong_also_where_root_replays() {
        if !rustix::process::geteuid().is_root() {
            println!("only root may give files away: not tested");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let letters = directory.path().join("failed_events.log");
        fs::write(&letters, "").unwrap();
        std::os::unix::fs::chown(&letters, Some(12_345), Some(23_456)).unwrap();
        let path = Journal::beside(&letters);
        let owner = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.uid(), found.gid(), found.mode() & 0o777)
        };
        drop(Journal::open(&path, &letters).unwrap());
        assert_eq!(owner(&path), (12_345, 23_456, 0o600));
        assert_eq!(owner(&directory.path().join("failed_events.log.replayed.lock")), (12_345, 23_456, 0o600));

        // What is there already, and what stands beside no letters, stays whose it is.
        std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
        drop(Journal::open(&path, &letters).unwrap());
        assert_eq!(owner(&path), (0, 0, 0o600));
        let elsewhere = directory.path().join("elsewhere.replayed");
        drop(Journal::open(&elsewhere, &directory.path().join("no-letters")).unwrap());
        assert_eq!(owner(&elsewhere), (0, 0, 0o600));
    }
}
