//! Opening, appending, and what happens when an append fails.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::directory::{self, directory_of};
use super::owner::{Owner, open_or_make};
use super::rotation::{self, Rotation};
use super::tail;

const PRIVATE_FILE: u32 = 0o600;

/// Where an append needs no more than the operating system, asking it each time which file stands at
/// the path would cost as much as the write. A file that somebody else renames is left this late.
const LOOK_AT_THE_PATH_EVERY: Duration = Duration::from_millis(100);

/// How a [`LineFile`] is opened and kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineFileOptions {
    /// What an append that returned `Ok` has survived.
    pub durability: Durability,
    /// Only the owner may read the file, and the directories made for it.
    pub private: bool,
    /// When the file is put aside; `None` lets it grow.
    pub rotation: Option<Rotation>,
    /// Whom the file, and the directories above it, belong to if they have to be made, as far as this process may
    /// give them away. A file that takes the place of another belongs to whom that one did.
    pub owner: Option<Owner>,
}

/// What an append that returned `Ok` survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of this process: the operating system has the bytes.
    #[default]
    Process,
    /// The end of the machine: the disk has the bytes, and the directory the file's name.
    Machine,
}

/// A file of whole lines, open for appending. All methods block; see the module's documentation.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    options: LineFileOptions,
    file: File,
    identity: Identity,
    /// The file system of the directory when the file was opened: only there are lines to go.
    device: u64,
    looked_at_the_path: Option<Instant>,
    /// Length of the file after our own last append; another length means another writer, or a
    /// failed append that could not be cut back.
    known_length: u64,
    /// A rotation that failed is not tried again below this length.
    rotate_above: u64,
    locking: Locking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// Whether the file system knows advisory locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locking {
    Used,
    NotSupported,
}

impl LineFile {
    /// Opens the file, or makes it and the directories above it, and repairs its end.
    ///
    /// # Errors
    /// What the system said about the directory, the file, or its end.
    pub fn open(path: impl Into<PathBuf>, options: LineFileOptions) -> io::Result<Self> {
        let path = path.into();
        directory::create(directory_of(&path), options)?;
        let device = directory::device_of(directory_of(&path))?;
        let file = open_for_appending(&path, options)?;
        let identity = Identity::of(&file.metadata()?);
        // A length no file has makes the first lock look at the file's end.
        let known_length = u64::MAX;
        let mut opened = Self {
            path,
            options,
            file,
            identity,
            device,
            looked_at_the_path: None,
            known_length,
            rotate_above: 0,
            locking: Locking::Used,
        };
        opened.locked(|_| Ok(()))?;
        Ok(opened)
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length above which the file is put aside, if it ever is.
    pub(super) fn rotates_after_bytes(&self) -> Option<u64> {
        self.options.rotation.map(|rotation| rotation.after_bytes.get())
    }

    /// Appends `lines`, which end with a line feed, in one write. After an error none of it is left
    /// in the file, and the same lines may be appended again.
    ///
    /// # Errors
    /// What the system said: no space, no directory any more, an error of the disk.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        debug_assert!(lines.ends_with(b"\n"), "whole lines only");
        loop {
            let rotated = self.locked(|this| {
                if this.rotation_is_due(lines.len() as u64) && this.rotate() {
                    return Ok(true);
                }
                this.write(lines).map(|()| false)
            })?;
            if !rotated {
                return Ok(());
            }
        }
    }

    /// Hands everything written so far to the disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Runs `work` while this writer alone may touch the file that stands at the path.
    fn locked<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let result = self
            .lock_what_stands_at_the_path()
            .and_then(|length| self.repair_what_others_left(length))
            .and_then(|()| work(self));
        if self.locking == Locking::Used {
            // Cannot matter: the lock also ends with the file handle, and the next append takes it
            // again through the same handle.
            let _ = self.file.unlock();
        }
        result
    }

    /// Returns the file's length.
    fn lock_what_stands_at_the_path(&mut self) -> io::Result<u64> {
        self.lock()?;
        while self.must_look_at_the_path() && !self.stands_at_the_path()? {
            // Renamed or removed while we were not looking, perhaps with its directory.
            let directory = directory_of(&self.path);
            directory::create_again(directory, self.device, self.options)?;
            let owner = Some(Owner::of_metadata(&self.file.metadata()?));
            self.file = open_for_appending(&self.path, LineFileOptions { owner, ..self.options })?;
            self.identity = Identity::of(&self.file.metadata()?);
            self.known_length = u64::MAX;
            self.rotate_above = 0;
            self.lock()?;
        }
        // Cheaper than asking for all metadata; where appends go does not depend on the position.
        self.file.seek(SeekFrom::End(0))
    }

    fn must_look_at_the_path(&self) -> bool {
        // Writers that rotate a file must not write into what another one has just put aside: it
        // would exceed its limit, or be removed with what was written to it.
        let always = self.options.durability == Durability::Machine || self.options.rotation.is_some();
        always || self.looked_at_the_path.is_none_or(|last| last.elapsed() >= LOOK_AT_THE_PATH_EVERY)
    }

    fn stands_at_the_path(&mut self) -> io::Result<bool> {
        let found = match std::fs::metadata(&self.path) {
            Ok(metadata) => Some(Identity::of(&metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let same = found == Some(self.identity);
        self.looked_at_the_path = same.then(Instant::now);
        Ok(same)
    }

    fn lock(&mut self) -> io::Result<()> {
        while self.locking == Locking::Used {
            match self.file.lock() {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    tracing::warn!(
                        path = %self.path.display(),
                        "the file system has no locks: let only one process write to this file"
                    );
                    self.locking = Locking::NotSupported;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn repair_what_others_left(&mut self, length: u64) -> io::Result<()> {
        if length != self.known_length {
            self.known_length = tail::repair(&self.file, &self.path, length)?;
        }
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let start = self.known_length;
        let written = self.file.write_all(lines).and_then(|()| match self.options.durability {
            Durability::Process => Ok(()),
            Durability::Machine => sync_lines(&self.file),
        });
        match written {
            Ok(()) => {
                self.known_length = start + lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Also after a failed sync: the system may have dropped the pages and call them
                // clean, so a later sync would say nothing of them. They are written anew.
                if let Err(cut_error) = self.file.set_len(start) {
                    // The length then differs from the known one, and the next append repairs it.
                    tracing::warn!(path = %self.path.display(), error = %cut_error, "cannot cut back a failed write");
                }
                Err(error)
            }
        }
    }

    fn rotation_is_due(&self, more_bytes: u64) -> bool {
        self.options.rotation.is_some_and(|rotation| {
            // A single line longer than the limit still has to go somewhere: into a file of its own.
            let longer_than_allowed =
                self.known_length.saturating_add(more_bytes) > rotation.after_bytes.get();
            longer_than_allowed && self.known_length > 0 && self.known_length >= self.rotate_above
        })
    }

    /// Puts the file aside. A rotation that fails must not keep lines from being stored: they go on
    /// into the file that is too long.
    fn rotate(&mut self) -> bool {
        let Some(rotation) = self.options.rotation else { return false };
        let put_aside = rotation::put_aside(&self.path, rotation.keep).and_then(|()| self.sync_directory());
        if let Err(error) = &put_aside {
            tracing::warn!(path = %self.path.display(), %error, "cannot rotate the file, it grows on");
            self.rotate_above = self.known_length.saturating_add(rotation.after_bytes.get());
        }
        put_aside.is_ok()
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.options.durability {
            Durability::Process => Ok(()),
            Durability::Machine => File::open(directory_of(&self.path))?.sync_all(),
        }
    }
}

/// Hands what was appended to the disk.
fn sync_lines(file: &File) -> io::Result<()> {
    #[cfg(test)]
    super::tests::about_to_sync()?;
    file.sync_data()
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

fn open_for_appending(path: &Path, options: LineFileOptions) -> io::Result<File> {
    let mut opening = OpenOptions::new();
    opening.read(true).append(true);
    if options.private {
        opening.mode(PRIVATE_FILE);
    }
    let file = open_or_make(&opening, path, options.owner)?;
    if options.private && file.metadata()?.permissions().mode() & 0o777 != PRIVATE_FILE {
        // The Python framework leaves the file readable for everybody.
        if let Err(error) = file.set_permissions(Permissions::from_mode(PRIVATE_FILE)) {
            tracing::warn!(path = %path.display(), %error, "cannot make the file private to its owner");
        }
    }
    if options.durability == Durability::Machine {
        File::open(directory_of(path))?.sync_all()?;
    }
    Ok(file)
}
