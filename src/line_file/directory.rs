//! The directory in which a file stands: making it, and making it again.

use std::fs::{File, metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use super::append::{Durability, LineFileOptions};
use super::owner::Owner;

const PRIVATE_DIRECTORY: Mode = Mode::RWXU;

/// The process's umask takes from it.
const SHARED_DIRECTORY: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);

/// The directory in which a file stands; `.` for a bare name.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The file system on which a directory stands.
pub(super) fn device_of(directory: &Path) -> io::Result<u64> {
    metadata(directory).map(|found| found.dev())
}

/// Makes the directory, and those above it, where they are missing.
pub(super) fn create(directory: &Path, options: LineFileOptions) -> io::Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    let mode = if options.private { PRIVATE_DIRECTORY } else { SHARED_DIRECTORY };
    for directory in missing.iter().rev().filter(|missing| !missing.as_os_str().is_empty()) {
        make(directory, mode, options.owner)?;
    }
    if options.durability == Durability::Machine {
        // A directory outlives a crash only once the one above it has been synced.
        for created in missing.iter().filter(|created| !created.as_os_str().is_empty()) {
            File::open(directory_of(created))?.sync_all()?;
        }
    }
    Ok(())
}

/// Makes one directory. It belongs to `owner`, as far as this process may give it away.
fn make(directory: &Path, mode: Mode, owner: Option<Owner>) -> io::Result<()> {
    // `..` of one that has just been made.
    let Some(name) = directory.file_name() else { return Ok(()) };
    // All by what is open, so that whoever may write above it can't have another directory given away.
    let only_found = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = rustix::fs::open(directory_of(directory), only_found, Mode::empty())?;
    match rustix::fs::mkdirat(&above, name, mode) {
        // Another process was faster.
        Err(Errno::EXIST) if directory.is_dir() => return Ok(()),
        made => made?,
    }
    let Some(owner) = owner else { return Ok(()) };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&above, name, flags, Mode::empty())?;
    let is_empty = Dir::read_from(&made)?
        .all(|entry| entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b"..")));
    // One with something in it was put in the place of ours.
    if is_empty { owner.give(&made.into(), directory) } else { Ok(()) }
}

/// Makes a directory again that was removed, or moved away, while a file in it was written to. Not where it, or what
/// is left above it, is on another file system than `device`, on which it stood: then the volume is gone, and the lines
/// must not go to what lies below it. Nor to a volume that took its place: whether it is meant, only a start can tell.
pub(super) fn create_again(directory: &Path, device: u64, options: LineFileOptions) -> io::Result<()> {
    let shown = directory.display();
    if directory.exists() {
        if device_of(directory)? == device {
            return Ok(());
        }
        let text = format!(
            "its directory {shown} is on another file system than before: is the volume mounted? If another one is meant to be there, restart"
        );
        return Err(io::Error::new(ErrorKind::NotFound, text));
    }
    let above = directory.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("."));
    if device_of(above)? != device {
        let text = format!(
            "its directory {shown} is gone, and {} is on another file system: is the volume mounted?",
            above.display()
        );
        return Err(io::Error::new(ErrorKind::NotFound, text));
    }
    create(directory, options).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("its directory {shown} is gone and cannot be made again: {error}"),
        )
    })?;
    tracing::warn!(directory = %shown, "the directory was removed with what was in it, and is made again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_not_made_again_where_its_volume_is_gone() {
        let volume = tempfile::tempdir().unwrap();
        let directory = volume.path().join("a/b");
        let device = device_of(volume.path()).unwrap();
        let error = create_again(&directory, device + 1, LineFileOptions::default()).unwrap_err();
        assert!(error.to_string().contains("is the volume mounted?"), "{error}");
        assert!(!volume.path().join("a").exists());
        create_again(&directory, device, LineFileOptions::default()).unwrap();
        assert!(directory.is_dir());
    }

    #[test]
    fn the_empty_directory_below_a_volume_that_is_gone_is_not_taken_for_it() {
        let mount_point = tempfile::tempdir().unwrap();
        let device = device_of(mount_point.path()).unwrap();
        let error = create_again(mount_point.path(), device + 1, LineFileOptions::default()).unwrap_err();
        assert!(error.to_string().contains("is the volume mounted?"), "{error}");
        create_again(mount_point.path(), device, LineFileOptions::default()).unwrap();
    }

    #[test]
    fn what_stands_in_the_way_of_a_directory_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let in_the_way = parent.path().join("a");
        std::fs::write(&in_the_way, "").unwrap();
        let device = device_of(parent.path()).unwrap();
        let error = create_again(&in_the_way.join("b"), device, LineFileOptions::default()).unwrap_err();
        let text =
            format!("its directory {} is gone and cannot be made again: ", in_the_way.join("b").display());
        assert!(error.to_string().starts_with(&text), "{error}");
    }
}
