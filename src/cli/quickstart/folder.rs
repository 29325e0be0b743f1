//! A directory of the quickstart's own, which stays behind for a look.

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// Makes a directory that did not exist before, for this user alone, where temporary files go.
///
/// # Errors
/// The directory that could not be made, and why.
pub(super) fn create(environment: &Environment) -> Result<PathBuf, (PathBuf, io::Error)> {
    let parent = Path::new(environment.get("TMPDIR").unwrap_or("/tmp"));
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    let mut attempt = 0_u32;
    loop {
        // The process's number alone may have been another quickstart's before.
        let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        let path = parent.join(format!("datahub-relay-quickstart-{}{suffix}", std::process::id()));
        match builder.create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => return Err((path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directory_is_a_new_one() {
        let parent = tempfile::tempdir().unwrap();
        let environment = Environment::from([("TMPDIR", parent.path().to_str().unwrap())]);
        let (first, second) = (create(&environment).unwrap(), create(&environment).unwrap());
        assert_ne!(first, second);
        assert!(first.is_dir() && second.is_dir());
    }

    #[test]
    fn a_place_that_takes_no_directories_is_named() {
        let environment = Environment::from([("TMPDIR", "/dev/null/nowhere")]);
        let (path, _) = create(&environment).unwrap_err();
        assert!(path.starts_with("/dev/null/nowhere"));
    }
}
