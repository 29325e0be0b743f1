//! `__DATAHUB_TO_FILE_key: content`: the content goes into a private file, whose path is `key`.
//!
//! For what has to be a file and is at hand as text, such as a certificate in a variable. DataHub's
//! ingestion has the directive; its actions framework does not, so recipes that use it come from there.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};
use crate::yaml::{Content, Entry, Node, TO_FILE};

/// How the names of their directories begin.
const PREFIX: &str = "datahub-relay-private-";

/// Where this process has private files. Whoever makes, fills or removes such a directory holds the lock.
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The files that the recipes of one run asked for, in one directory that only this user can enter.
/// The directory goes when the last clone is dropped.
#[derive(Debug, Clone, Default)]
pub struct PrivateFiles(Option<Arc<Directory>>);

/// Ends the process at once with this exit code, and removes all private files, which nobody is left to drop.
pub fn exit_without_private_files(code: i32) -> ! {
    // Locked to the end: another thread may be about to write one more.
    let directories = directories();
    directories.iter().for_each(|path| remove(path));
    std::process::exit(code)
}

impl PrivateFiles {
    /// Carries out every directive from `node` down. A directive whose variables could not be filled in
    /// is passed over: that error is noted already.
    pub(super) fn fill(
        &mut self,
        node: &mut Node,
        at: &KeyPath,
        environment: &Environment,
        findings: &mut Findings,
    ) {
        match &mut node.content {
            Content::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.fill(item, &at.index(index), environment, findings);
                }
            }
            Content::Map(entries) => {
                let keys: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
                entries.retain_mut(|entry| {
                    let here = at.key(&entry.key);
                    match entry.key.strip_prefix(TO_FILE).map(str::to_owned) {
                        None => self.fill(&mut entry.value, &here, environment, findings),
                        Some(key) if keys.contains(&key) => {
                            findings.error(&here, format!("{key} is given too; remove one of the two"));
                            return false;
                        }
                        Some(key) => self.carry_out(entry, key, &here, (environment, findings)),
                    }
                    true
                });
            }
            _ => {}
        }
    }

    fn carry_out(
        &mut self,
        entry: &mut Entry,
        key: String,
        at: &KeyPath,
        (environment, findings): (&Environment, &mut Findings),
    ) {
        let content = match &entry.value.content {
            Content::Null | Content::Unresolved => Ok(None),
            Content::Text(content) => Ok(Some(content)),
            _ => Err("expected text, which is written into a file".to_owned()),
        };
        let path = content.and_then(|content| match content {
            None => Ok(None),
            Some(content) => {
                findings.secret(content);
                self.write(content, environment).map(Some).map_err(|error| {
                    format!("no private file can be written: {error}; TMPDIR names the directory for it")
                })
            }
        });
        match path {
            Ok(None) => {}
            Ok(Some(path)) => {
                // Not a secret, unlike what stood here.
                entry.value = Node::written(entry.value.mark, Content::Text(path.display().to_string()));
            }
            Err(text) => {
                findings.error(at, text);
                entry.value.content = Content::Unresolved;
            }
        }
        entry.key = key;
    }

    fn write(&mut self, content: &str, environment: &Environment) -> io::Result<PathBuf> {
        let mut directories = directories();
        let directory = match &self.0 {
            Some(directory) => directory,
            None => {
                let parent = Path::new(environment.get("TMPDIR").unwrap_or("/tmp"));
                remove_left_behind(parent);
                self.0.insert(Arc::new(Directory::below(parent, &mut directories)?))
            }
        };
        let number = std::fs::read_dir(&directory.path)?.count();
        let path = directory.path.join(number.to_string());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content.as_bytes())?;
        Ok(path)
    }
}

/// A directory that goes when it is dropped.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    /// The lock on it, which ends with the process. `None` where the file system knows no such locks.
    _lock: Option<File>,
}

impl Directory {
    fn below(parent: &Path, directories: &mut Vec<PathBuf>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).permissions(Permissions::from_mode(0o700));
        let path = builder.tempdir_in(parent)?.keep();
        directories.push(path.clone());
        // Before there is anything in it: see `remove_left_behind`.
        let _lock = locked(&path)?;
        Ok(Self { path, _lock })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let mut directories = directories();
        remove(&self.path);
        directories.retain(|path| *path != self.path);
    }
}

fn directories() -> MutexGuard<'static, Vec<PathBuf>> {
    // After a panic they have to go all the same.
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what processes left behind that were killed.
fn remove_left_behind(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        // One that is empty may have been made this moment, and be locked the next.
        let is_one = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some());
        if is_one && matches!(locked(&path), Ok(Some(_))) {
            remove(&path);
        }
    }
}

/// The directory, if it could be locked: no living process has it then. `None` if one has, or if the file system
/// knows no such locks.
fn locked(directory: &Path) -> io::Result<Option<File>> {
    let directory = File::open(directory)?;
    Ok(directory.try_lock().is_ok().then_some(directory))
}

fn remove(directory: &Path) {
    // Nobody is left to be told, and the system clears its temporary files by itself.
    let _ = std::fs::remove_dir_all(directory);
}
