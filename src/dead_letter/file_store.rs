//! Dead letters in a file, `failed_events.log`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::line::line_of;
use super::{DeadLetter, DeadLetterStore, StoreError, StorePlace};
use crate::line_file::{Durability, LineFile, LineFileOptions, LineWriter, Owner, Rotation};

/// A file is put aside before it grows beyond this many bytes: 64 MiB.
const ROTATE_AFTER_BYTES: NonZeroU64 = NonZeroU64::new(64 * 1024 * 1024).expect("64 MiB is not zero");

/// Keeps dead letters in a file, one JSON object a line, readable by the owner alone.
///
/// A letter is stored when the disk has it. Letters that arrive while the disk is busy share the
/// next write and the next sync, so a burst of failures costs a few syncs and not one each.
///
/// **Rotation.** A file that would grow beyond 64 MiB is renamed to `failed_events.log.1`, the next
/// one to `.2`, and so on: the higher the number, the newer. Nothing is ever removed.
///
/// **A directory that is removed** while the pipeline runs is made again, with the rights that it is made with at
/// the start, unless its volume is gone.
///
/// **Made by root** where the directory is another user's, as by a replay, it belongs to that user, and so do the
/// directories made for it.
///
/// **Several writers.** Replicas of a pipeline may share the file on a volume that has locks.
///
/// Dropping the store ends its thread once the letters handed in are stored.
#[derive(Debug)]
pub struct FileStore {
    writer: LineWriter,
}

impl FileStore {
    /// Opens the file, making it and its directories where they do not exist, mends its end where a
    /// killed process left half a line, and proves that the disk takes what is written: creates,
    /// writes, syncs and removes a file beside it, and syncs the directory. Blocks meanwhile.
    ///
    /// # Errors
    /// [`StoreError::File`]: the pipeline must not start, since it could lose what it fails at.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        let owner = Owner::of_directory(&path);
        let rotation = Some(Rotation { after_bytes: ROTATE_AFTER_BYTES, keep: None });
        let options = LineFileOptions { durability: Durability::Machine, private: true, rotation, owner };
        let writer = LineFile::open(&path, options)
            .and_then(|file| {
                file.sync()?;
                probe(&path)?;
                LineWriter::start(file, "dead-letters")
            })
            .map_err(|source| StoreError::File { path, source })?;
        Ok(Self { writer })
    }

    /// The file that letters are written to.
    pub fn path(&self) -> &Path {
        self.writer.path()
    }
}

#[async_trait]
impl DeadLetterStore for FileStore {
    fn place(&self) -> StorePlace {
        StorePlace::File(self.path().to_owned())
    }

    async fn store(&self, letter: &DeadLetter<'_>) -> Result<(), StoreError> {
        let stored = match line_of(letter) {
            Ok(line) => self.writer.append(line).await,
            Err(error) => Err(error.into()),
        };
        stored.map_err(|source| StoreError::File { path: self.path().to_owned(), source })
    }
}

fn probe(path: &Path) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".probe-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write_and_sync(&beside);
    // Removed whatever came of it; what the write said is the better explanation.
    let removed = fs::remove_file(&beside);
    written.and(removed)?;
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn write_and_sync(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(b"{}\n")?;
    file.sync_all()
}
