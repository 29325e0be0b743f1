//! The recipes in `config/recipes/`, which a user copies.

use std::path::{Path, PathBuf};

use datahub_relay::action::ActionConfig;
use datahub_relay::delivery::{CommitMode, Ordering};
use datahub_relay::environment::Environment;
use datahub_relay::event::{FieldSet, Route};
use datahub_relay::filter::ScanVerdict;
use datahub_relay::recipe::{self, Recipe};

fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/recipes");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn example(name: &str) -> Recipe {
    let loaded = recipe::load(&examples(), &Environment::default());
    loaded.recipes.into_iter().find(|recipe| recipe.name == name).expect("an example of this name")
}

#[test]
fn every_example_runs_as_it_is_and_warns_of_nothing() {
    let loaded = recipe::load(&examples(), &Environment::default());
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.recipes.len(), examples().len());
    for recipe in loaded.recipes {
        let stem = recipe.file.file_stem().unwrap().to_str().unwrap();
        assert_eq!(recipe.name, stem, "an example is called as its file");
    }
}

#[test]
fn the_executors_filter_is_decided_on_the_bytes() {
    let recipe = example("execution_requests");
    let fields = recipe.filters.wanted(&Route::ChangeLog);
    let expected =
        FieldSet { entity_type: true, aspect_name: true, change_type: true, ..FieldSet::default() };
    assert_eq!(fields, expected);
    assert_eq!(recipe.filters.decide_unscanned(&Route::PlatformEvent), ScanVerdict::Drop);
}

#[test]
fn the_ordered_example_says_what_its_comments_say() {
    let recipe = example("ownership_in_order");
    assert_eq!(recipe.delivery.ordering, Ordering::Key);
    assert_eq!(recipe.delivery.concurrency, Some(32));
    assert_eq!(recipe.delivery.retry.count, 3);
    assert_eq!(recipe.delivery.commit, CommitMode::Interval(std::time::Duration::from_secs(1)));
    assert!(matches!(recipe.action, ActionConfig::File { .. }));
}
