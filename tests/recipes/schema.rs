//! The JSON schema of a recipe, which editors use.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The example recipes.
fn examples() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("config/recipes")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.file_stem().unwrap().to_str().unwrap().ends_with("_test"));
    files.sort();
    files
}

/// With `DATAHUB_RELAY_BLESS=1` the committed file is written anew.
#[test]
fn the_committed_schema_is_what_the_program_prints() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_datahub-relay")).arg("schema").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let committed = root().join("schemas/recipe.schema.json");
    if std::env::var_os("DATAHUB_RELAY_BLESS").is_some() {
        std::fs::write(&committed, &output.stdout).unwrap();
    }
    let committed = std::fs::read(committed).unwrap();
    assert!(committed == output.stdout, "write it anew: datahub-relay schema > schemas/recipe.schema.json");
}

#[test]
fn every_example_names_the_schema_for_editors() {
    // The quickstart's is copied to where there is no schema.
    for example in examples().into_iter().filter(|file| !file.ends_with("quickstart.yml")) {
        let text = std::fs::read_to_string(&example).unwrap();
        let line = "# yaml-language-server: $schema=../../schemas/recipe.schema.json";
        assert_eq!(text.lines().next(), Some(line), "{}", example.display());
    }
}

/// An independent validator: what the schema says must be what the program does.
#[test]
#[ignore = "needs Python with the DataHub framework: run ./test.sh"]
fn a_validator_takes_every_example_and_refuses_what_the_program_refuses() {
    let python = std::env::var("DATAHUB_RELAY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let golden = root().join("tests/recipes/golden");
    let wrong = [
        "missing_key",
        "unknown_key",
        "unknown_action_type",
        "unknown_source_type",
        "many_at_once",
        "wrong_type",
    ];
    let output = Command::new(&python)
        .arg(root().join("tests/python/schema.py"))
        .arg(root().join("schemas/recipe.schema.json"))
        .arg("--right")
        .args(examples())
        .arg("--wrong")
        .args(wrong.map(|name| golden.join(name).with_extension("yml")))
        .output()
        .unwrap_or_else(|error| panic!("cannot run {python}: {error}; set DATAHUB_RELAY_PYTHON"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
