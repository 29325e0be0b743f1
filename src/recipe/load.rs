//! All recipes of a run.

use std::path::{Path, PathBuf};

use super::Recipe;
use super::files::{configured_files, recipe_files};
use super::private_files::PrivateFiles;
use super::read::{is_off, read};
use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};
use crate::yaml::{Document, Mark, Node, Problem};

/// What became of the files that were named.
#[derive(Clone, Default)]
pub struct Loaded {
    /// Recipes that can run.
    pub recipes: Vec<Recipe>,
    /// Every error of every file; a file with one has no recipe in `recipes`.
    pub problems: Vec<Problem>,
    /// What a user should know and can run with.
    pub warnings: Vec<Problem>,
    /// Recipes that say they are off.
    pub disabled: Vec<Disabled>,
    /// Files that recipes asked for. They have to stay for as long as the recipes run.
    pub private_files: PrivateFiles,
}

/// A recipe that says it is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    /// The file.
    pub file: PathBuf,
    /// The pipeline's name as it is written, if it has one.
    pub name: Option<String>,
}

/// Loads the recipes at `paths`: files, or directories, of which every `*.yml` and `*.yaml` but no
/// `*_test.yml` is taken; where there are none, those of the directories in which DataHub's image keeps
/// recipes (`DATAHUB_ACTIONS_SYSTEM_CONFIGS_PATH`, `DATAHUB_ACTIONS_USER_CONFIGS_PATH`). Reads nothing
/// but files: the network is not touched.
pub fn load(paths: &[PathBuf], environment: &Environment) -> Loaded {
    let mut loaded = Loaded::default();
    let mut read = Vec::new();
    let files = match paths {
        [] => configured_files(environment, &mut loaded.problems),
        paths => recipe_files(paths, &mut loaded.problems),
    };
    for file in files {
        read.extend(load_file(&file, environment, &mut loaded));
    }
    refuse_clashes(&mut read, &mut loaded.problems);
    loaded.recipes = read.into_iter().map(|(recipe, _)| recipe).collect();
    loaded
}

/// The recipe, and where its name stands.
fn load_file(file: &Path, environment: &Environment, loaded: &mut Loaded) -> Option<(Recipe, Mark)> {
    let mut document = match Document::read(file) {
        Ok(document) => document,
        Err(problem) => {
            loaded.problems.push(problem);
            return None;
        }
    };
    if is_off(&document.root, environment) {
        let name = document.root.get("name").and_then(Node::text).map(str::to_owned);
        loaded.disabled.push(Disabled { file: file.to_owned(), name });
        return None;
    }
    let mut findings = Findings::default();
    let recipe = read(file, &mut document.root, (environment, &mut loaded.private_files), &mut findings);
    let (problems, warnings) = document.report(findings);
    loaded.problems.extend(problems);
    loaded.warnings.extend(warnings);
    let place = document.root.place_of(&KeyPath::root().key("name"));
    recipe.map(|recipe| (recipe, place))
}

/// Neither of two recipes that clash runs: which of them was meant, only the user knows.
fn refuse_clashes(read: &mut Vec<(Recipe, Mark)>, problems: &mut Vec<Problem>) {
    let clashes: Vec<Option<String>> = read
        .iter()
        .enumerate()
        .map(|(index, (recipe, _))| {
            let mut others = read.iter().enumerate().filter(|(other, _)| *other != index);
            others.find_map(|(_, (other, place))| clash(recipe, other, *place))
        })
        .collect();
    let mut clashes = clashes.into_iter();
    read.retain(|(recipe, place)| {
        let Some(text) = clashes.next().flatten() else { return true };
        problems.push(Problem {
            file: recipe.file.clone(),
            place: Some(*place),
            key: KeyPath::root().key("name"),
            text,
        });
        false
    });
}

fn clash(recipe: &Recipe, other: &Recipe, place: Mark) -> Option<String> {
    let there = format!("{}:{}", other.file.display(), place.line);
    if recipe.name == other.name {
        return Some(format!("{there} has the same name; give each recipe its own"));
    }
    if recipe.consumer.group_id == other.consumer.group_id {
        return Some(format!(
            "reads as the same consumer group as {there}, so each would see only a part of the events; give each its own group.id"
        ));
    }
    let dead_letters = recipe.delivery.failed_events_file(&recipe.name);
    (dead_letters == other.delivery.failed_events_file(&other.name)).then(|| {
        format!("leads to the same dead-letter file as the name in {there}; rename one, or give it its own options.failed_events_dir")
    })
}
