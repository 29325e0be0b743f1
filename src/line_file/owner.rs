//! Whom a file belongs to that is made beside others.
//!
//! A command that root runs must not leave files behind that the pipeline's own user can neither read nor write.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use super::directory::directory_of;

/// The owner and the group of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Those of what stands at a path; `None` if nothing does, or it may not be looked at.
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::of_metadata(&metadata))
    }

    /// Those of the directory in which `path` stands, or is to stand, where this process is root and they are
    /// another user's: what root makes there would be of no use to whom the directory is made for.
    pub fn of_directory(path: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let owner = directory_of(path)
            .ancestors()
            .find_map(|above| Self::of(if above.as_os_str().is_empty() { Path::new(".") } else { above }))?;
        (owner.user != 0).then_some(owner)
    }

    pub(super) fn of_metadata(metadata: &Metadata) -> Self {
        Self { user: metadata.uid(), group: metadata.gid() }
    }

    /// Gives a file or a directory to them, where this process may: root may give any, another user hardly one.
    pub(super) fn give(self, file: &File, path: &Path) -> io::Result<()> {
        if Self::of_metadata(&file.metadata()?) == self {
            return Ok(());
        }
        if let Err(error) = fchown(file, Some(self.user), Some(self.group)) {
            tracing::debug!(path = %path.display(), %error, "cannot give the file to the owner of those beside it");
        }
        Ok(())
    }
}

/// Opens the file as `opening` says or, where there is none, makes it. One that is made belongs to `owner`, as far
/// as this process may give files away.
///
/// # Errors
/// What the system said.
pub fn open_or_make(opening: &OpenOptions, path: &Path, owner: Option<Owner>) -> io::Result<File> {
    match opening.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened,
    }
    match opening.clone().create_new(true).open(path) {
        Ok(file) => {
            // The open file, not the path: nobody can put another one in its place meanwhile.
            if let Some(owner) = owner {
                owner.give(&file, path)?;
            }
            Ok(file)
        }
        // Another process was faster; or it is a link to where no file is yet.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => opening.clone().create(true).open(path),
        Err(error) => Err(error),
    }
}
