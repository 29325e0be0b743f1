//! Broken recipes and the exact words that a user reads of them, one file for each way to be wrong.
//!
//! `golden/NAME.yml` (or a directory of recipes) is broken, in the environment of `golden/NAME.env` if there is
//! one; `golden/NAME.txt` is what `validate` writes.
//! `DATAHUB_RELAY_BLESS=1 cargo test --test recipes golden` writes the second anew: read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// The rows of the contract, each of which has to be among the files. The contract speaks of URNs and of regular
/// expressions, too: no key of this version takes one.
const ROWS: [&str; 38] = [
    "bad_duration",
    "bad_name",
    "bad_port",
    "bad_url",
    "certificate_files",
    "contradicting_properties",
    "contradicting_variable",
    "custom_source",
    "duration_without_unit",
    "empty_bootstrap",
    "filter_of_nothing",
    "java_property",
    "letter_case",
    "many_at_once",
    "matches_nothing",
    "mechanism_of_another_client",
    "missing_key",
    "missing_type",
    "misspelt_field",
    "misspelt_field_of_transform",
    "misspelt_type",
    "not_recipe_yaml",
    "not_yaml",
    "refused_property",
    "same_group",
    "same_name",
    "same_name_and_more",
    "unknown_action_type",
    "unknown_filter_type",
    "unknown_key",
    "unknown_source_type",
    "unknown_transform_type",
    "unreadable_secret_file",
    "unset_token_secret",
    "unset_url",
    "unset_variable",
    "wrong_type",
    "wrong_variables",
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes/golden")
}

/// The environment in which a recipe is wrong, from `NAME.env`.
fn variables(name: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(golden().join(name.with_extension("env"))).unwrap_or_default();
    let pairs = text.lines().map(|line| line.split_once('=').unwrap());
    pairs.map(|(variable, value)| (variable.to_owned(), value.to_owned())).collect()
}

/// What `validate` writes of a recipe, with its exit code at the end.
fn validated(name: &Path) -> String {
    let mut command = Command::cargo_bin("datahub-relay").unwrap();
    command.current_dir(golden()).env_clear().envs(variables(name)).args(["validate", "-c"]).arg(name);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{}", name.display());
    format!("{}exit code {}\n", String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn each_way_to_be_wrong_has_its_words() {
    let mut rows: Vec<PathBuf> = fs::read_dir(golden())
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()))
        .filter(|name| name.extension().is_none_or(|extension| extension == "yml"))
        .collect();
    rows.sort();
    let names: Vec<_> = rows.iter().map(|row| row.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ROWS);
    let mut differing = Vec::new();
    for row in &rows {
        let expected = golden().join(row.with_extension("txt"));
        let found = validated(row);
        if std::env::var_os("DATAHUB_RELAY_BLESS").is_some() {
            fs::write(&expected, found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            differing.push(format!("{}:\n{found}", row.display()));
        }
    }
    assert!(differing.is_empty(), "other words than expected:\n{}", differing.join("\n"));
}

#[test]
fn every_line_names_file_line_and_key() {
    for row in ROWS {
        let text = fs::read_to_string(golden().join(row).with_extension("txt")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("exit code")).collect();
        assert!(!lines.is_empty(), "{row}");
        for line in lines.iter().filter(|line| !line.starts_with("valid: ")) {
            let mut parts = line.split(':').map(str::trim);
            let (severity, file, at) = (parts.next(), parts.next(), parts.next());
            assert!(matches!(severity, Some("error" | "warning")), "{line}");
            assert!(file.is_some_and(|file| file.ends_with(".yml")), "{line}");
            assert!(at.is_some_and(|line| line.parse::<usize>().is_ok()), "{line}");
            // Text that is no YAML has no keys.
            let (_column, key) = (parts.next(), parts.next());
            assert!(row == "not_yaml" || key.is_some_and(is_key), "{line}");
        }
    }
}

/// Whether this is a path such as `filters[0].config` or `consumer_config["group.id"]`, and no sentence.
fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains(' ')
}
