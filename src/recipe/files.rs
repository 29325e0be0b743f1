//! Which files `-c` names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::yaml::Problem;

/// The files behind `paths`, each once, in the order given; those of a directory by name. What is
/// wrong with a path goes to `problems`.
pub(super) fn recipe_files(paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match of_directory(path) {
            Ok(found) if found.is_empty() => {
                problems.push(Problem::of_file(path, "holds no recipes; their names end in .yml or .yaml"));
            }
            Ok(found) => files.extend(found),
            Err(error) => problems.push(Problem::of_file(path, format!("cannot be listed: {error}"))),
        }
    }
    // A file that is named by itself and through its directory is one recipe, not two of one name.
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    files
}

fn of_directory(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // Follows links: a ConfigMap's files are links.
        if is_recipe(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `*_test.yml` holds cases for a recipe and is none itself.
fn is_recipe(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    matches!(extension, Some("yml" | "yaml")) && !stem.ends_with("_test")
}
