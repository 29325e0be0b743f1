//! Whether a file could be written, without leaving anything behind.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What was found about a file that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// It is there, and was left as it is.
    Exists,
    /// It is not there yet, and can be made.
    CanBeMade,
}

/// Whether lines could be appended to the file at `path`. Where there is none, a file is written, synced
/// and removed in the nearest directory above it that exists. Blocks meanwhile.
///
/// # Errors
/// What the system said against it.
pub fn check_writable(path: &Path) -> io::Result<Writable> {
    if path.exists() {
        OpenOptions::new().append(true).open(path)?;
        return Ok(Writable::Exists);
    }
    let existing = path.ancestors().skip(1).find(|above| above.exists());
    let directory = existing.map_or_else(|| PathBuf::from("."), Path::to_owned);
    if !directory.is_dir() {
        let text = format!("{} is a file, and no directory can be made below it", directory.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
    }
    let probe = directory.join(format!(".datahub-relay-{}.probe", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&probe)
        .and_then(|file| file.sync_all().map(|()| file));
    match written {
        Ok(_) => fs::remove_file(&probe).map(|()| Writable::CanBeMade),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Writable::CanBeMade),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/lines");
        assert_eq!(check_writable(&path).unwrap(), Writable::CanBeMade);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a line\n").unwrap();
        assert_eq!(check_writable(&path).unwrap(), Writable::Exists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a line\n");
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(check_writable(directory.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let below = check_writable(&file.join("a/lines")).unwrap_err();
        assert_eq!(below.kind(), io::ErrorKind::NotADirectory);
        assert!(below.to_string().contains(file.to_str().unwrap()), "{below}");
        // Root may write anywhere, but nobody can make a file in the kernel's own.
        assert!(check_writable(Path::new("/proc/nowhere/lines")).is_err());
    }
}
