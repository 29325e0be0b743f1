//! Putting a full file aside.

use std::ffi::OsStr;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::directory::directory_of;

/// When a file is put aside, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The length in bytes that a file does not exceed, unless a single line does.
    pub after_bytes: NonZeroU64,
    /// How many files that were put aside are kept; `None` keeps them all.
    pub keep: Option<u32>,
}

/// Renames the file to the next free number, one above the highest, and removes the oldest ones.
/// The caller holds the file's lock, so that two writers cannot take the same number.
pub(super) fn put_aside(path: &Path, keep: Option<u32>) -> io::Result<()> {
    let mut numbers = numbers_in_use(path)?;
    let next = numbers.last().map_or(1, |newest| newest + 1);
    std::fs::rename(path, numbered(path, next))?;
    numbers.push(next);

    let kept = keep.map_or(numbers.len(), |keep| numbers.len().min(keep as usize));
    for &number in &numbers[..numbers.len() - kept] {
        let oldest = numbered(path, number);
        // The rotation itself has succeeded; the next one tries again to remove this file.
        if let Err(error) = std::fs::remove_file(&oldest) {
            tracing::warn!(path = %oldest.display(), %error, "cannot remove an old file");
        }
    }
    Ok(())
}

/// Numbers of the files that were put aside, the oldest first.
fn numbers_in_use(path: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory_of(path))? {
        let name = entry?.file_name();
        numbers.extend(path.file_name().and_then(|base| number_of(base, &name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn number_of(base: &OsStr, name: &OsStr) -> Option<u64> {
    let digits = name.as_bytes().strip_prefix(base.as_bytes())?.strip_prefix(b".")?;
    // `+1` and `01` parse as numbers too, but no such name is ours.
    let canonical = digits.first().is_some_and(|first| (b'1'..=b'9').contains(first));
    canonical.then(|| std::str::from_utf8(digits).ok()?.parse::<u32>().ok()).flatten().map(u64::from)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}
