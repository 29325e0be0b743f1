//! A directory of recipes to load.

use std::path::{Path, PathBuf};

use datahub_relay::environment::Environment;
use datahub_relay::recipe::{self, Loaded, Problem, Recipe};

/// A directory that goes when it is dropped.
pub(crate) struct Directory(tempfile::TempDir);

impl Directory {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn load(&self, environment: &Environment) -> Loaded {
        recipe::load(&[self.path().to_owned()], environment)
    }

    /// Problems as a user reads them, without the directory's own path.
    pub(crate) fn lines(&self, problems: &[Problem]) -> Vec<String> {
        let prefix = format!("{}/", self.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
    }
}

/// The errors of one recipe, `recipe.yml`.
pub(crate) fn errors(text: &str) -> Vec<String> {
    errors_with(text, &Environment::default())
}

pub(crate) fn errors_with(text: &str, environment: &Environment) -> Vec<String> {
    let directory = Directory::with(&[("recipe.yml", text)]);
    let loaded = directory.load(environment);
    assert_eq!(loaded.recipes.is_empty(), !loaded.problems.is_empty(), "a recipe starts whole or not at all");
    directory.lines(&loaded.problems)
}

/// The warnings of one recipe that is right otherwise.
pub(crate) fn warnings(text: &str) -> Vec<String> {
    let directory = Directory::with(&[("recipe.yml", text)]);
    let loaded = directory.load(&Environment::default());
    assert_eq!(directory.lines(&loaded.problems), Vec::<String>::new());
    directory.lines(&loaded.warnings)
}

/// The one recipe, which is right.
pub(crate) fn recipe(text: &str, environment: &Environment) -> Recipe {
    let directory = Directory::with(&[("recipe.yml", text)]);
    let mut loaded = directory.load(environment);
    assert_eq!(directory.lines(&loaded.problems), Vec::<String>::new());
    loaded.recipes.pop().expect("the recipe is enabled")
}

/// A recipe that is right, with `more` at its end.
pub(crate) fn minimal(more: &str) -> String {
    format!("name: p\nsource:\n  type: kafka\naction:\n  type: noop\n{more}")
}

/// A recipe that is right, with `config` (indented by four) as its source's.
pub(crate) fn with_source(config: &str) -> String {
    format!("name: p\naction: {{type: noop}}\nsource:\n  type: kafka\n  config:\n{config}")
}
