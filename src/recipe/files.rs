//! Which files `-c` names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::yaml::Problem;

/// The files behind `paths`, each once, in the order given; those of a directory by name. What is
/// wrong with a path goes to `problems`.
pub fn recipe_files(paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
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
    without_doubles(files)
}

/// A file that is named by itself and through its directory is one recipe, not two of one name.
fn without_doubles(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    files
}

/// Where DataHub's image keeps recipes: the variable that names the directory, and its default.
const CONFIG_DIRECTORIES: [(&str, &str); 2] = [
    ("DATAHUB_ACTIONS_SYSTEM_CONFIGS_PATH", "/etc/datahub/actions/system/conf"),
    ("DATAHUB_ACTIONS_USER_CONFIGS_PATH", "/etc/datahub/actions/conf"),
];

/// The recipes of the directories in which DataHub's image keeps them, those of the system first. Either
/// may be missing or empty, but not both.
pub(super) fn configured_files(environment: &Environment, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut places = Vec::new();
    let before = problems.len();
    for (variable, default) in CONFIG_DIRECTORIES {
        let directory = PathBuf::from(environment.get(variable).unwrap_or(default));
        match of_directory(&directory) {
            Ok(found) => {
                files.extend(found);
                places.push((directory, variable, "holds no recipes (*.yml, *.yaml); put some there"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = "does not exist; make it and put recipes there (*.yml, *.yaml)";
                places.push((directory, variable, text));
            }
            Err(error) => problems.push(Problem::of_file(&directory, format!("cannot be listed: {error}"))),
        }
    }
    if files.is_empty() && problems.len() == before {
        for (directory, variable, what) in places {
            let text = format!("{what}, name another directory in {variable}, or name recipes with -c");
            problems.push(Problem::of_file(directory, text));
        }
    }
    without_doubles(files)
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

/// `*_test.yml` holds cases for a recipe and is none itself; a hidden file is an editor's copy or the like.
fn is_recipe(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    matches!(extension, Some("yml" | "yaml")) && !stem.ends_with("_test") && !stem.starts_with('.')
}
