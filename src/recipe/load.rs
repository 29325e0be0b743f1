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

/// A recipe that is on, whether it can run or not.
struct Candidate {
    file: PathBuf,
    /// What it says of itself, even where something else in it is wrong: so that a clash is found in the
    /// same go, and the other recipe does not run as if it were alone.
    name: Option<Said>,
    group: Option<Said>,
    /// `None` if there is an error in it.
    recipe: Option<Recipe>,
}

/// A text of a recipe, and the key that it was given by.
struct Said {
    text: String,
    at: KeyPath,
    place: Mark,
}

/// Loads the recipes at `paths`: files, or directories, of which every `*.yml` and `*.yaml` but no
/// `*_test.yml` is taken; where there are none, those of the directories in which DataHub's image keeps
/// recipes (`DATAHUB_ACTIONS_SYSTEM_CONFIGS_PATH`, `DATAHUB_ACTIONS_USER_CONFIGS_PATH`). Reads nothing
/// but files: the network is not touched.
pub fn load(paths: &[PathBuf], environment: &Environment) -> Loaded {
    let mut loaded = Loaded::default();
    let mut candidates = Vec::new();
    let files = match paths {
        [] => configured_files(environment, &mut loaded.problems),
        paths => recipe_files(paths, &mut loaded.problems),
    };
    for file in files {
        candidates.extend(load_file(&file, environment, &mut loaded));
    }
    refuse_clashes(&mut candidates, &mut loaded.problems);
    loaded.recipes = candidates.into_iter().filter_map(|candidate| candidate.recipe).collect();
    loaded
}

/// What the file says, and the recipe if there is no error in it.
fn load_file(file: &Path, environment: &Environment, loaded: &mut Loaded) -> Option<Candidate> {
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
    // A value that could not be read counts as not there, which a recipe may take.
    let recipe = recipe.filter(|_| problems.is_empty());
    loaded.problems.extend(problems);
    loaded.warnings.extend(warnings);
    let name = Said::at(&["name"], &document.root);
    let group = Said::at(&GROUP, &document.root).or_else(|| Said::at(&["name"], &document.root));
    // The environment may name the group, too.
    let group = group.map(|said| match &recipe {
        Some(recipe) => Said { text: recipe.consumer.group_id.clone(), ..said },
        None => said,
    });
    Some(Candidate { file: file.to_owned(), name, group, recipe })
}

/// Where a recipe names its consumer group.
const GROUP: [&str; 5] = ["source", "config", "connection", "consumer_config", "group.id"];

impl Said {
    /// What stands at `path`, if that is text that says something.
    fn at(path: &[&str], root: &Node) -> Option<Self> {
        let node = path.iter().try_fold(root, |node, key| node.get(key))?;
        let text = node.text().filter(|text| !text.trim().is_empty())?.to_owned();
        let at = path.iter().fold(KeyPath::root(), |at, key| at.key(key));
        Some(Self { text, place: root.place_of(&at), at })
    }
}

/// Neither of two recipes that clash runs: which of them was meant, only the user knows.
fn refuse_clashes(candidates: &mut [Candidate], problems: &mut Vec<Problem>) {
    let clashes: Vec<Option<Problem>> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| {
            let mut others = candidates.iter().enumerate().filter(|(other, _)| *other != index);
            others.find_map(|(_, other)| clash(candidate, other))
        })
        .collect();
    for (candidate, clash) in candidates.iter_mut().zip(clashes) {
        if let Some(problem) = clash {
            problems.push(problem);
            candidate.recipe = None;
        }
    }
}

fn clash(candidate: &Candidate, other: &Candidate) -> Option<Problem> {
    let there = |said: &Said| format!("{}:{}", other.file.display(), said.place.line);
    let problem = |said: &Said, text| {
        let (file, key) = (candidate.file.clone(), said.at.clone());
        Some(Problem { file, place: Some(said.place), key, text })
    };
    let (name, others_name) = (candidate.name.as_ref()?, other.name.as_ref()?);
    if name.text == others_name.text {
        let there = there(others_name);
        return problem(name, format!("{there} has the same name; give each recipe its own"));
    }
    let (group, others_group) = (candidate.group.as_ref()?, other.group.as_ref()?);
    if group.text == others_group.text {
        let there = there(others_group);
        return problem(
            group,
            format!(
                "reads as the same consumer group as {there}, so each would see only a part of the events; give each its own group.id"
            ),
        );
    }
    let dead_letters = |candidate: &Candidate| {
        let recipe = candidate.recipe.as_ref()?;
        Some(recipe.delivery.failed_events_file(&recipe.name))
    };
    if dead_letters(candidate)? != dead_letters(other)? {
        return None;
    }
    let there = there(others_name);
    problem(
        name,
        format!(
            "leads to the same dead-letter file as the name in {there}; rename one, or give it its own options.failed_events_dir"
        ),
    )
}
