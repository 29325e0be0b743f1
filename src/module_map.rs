//! Who may know whom. The table is the rule, and what docs/architecture.md says in words: a `use` that goes
//! against it fails this test, and so does a line here that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What every module may know: configuration's ground, texts without secrets, and what flows.
const GROUND: [&str; 8] =
    ["environment", "findings", "redaction", "line_file", "http_client", "datahub", "event", "mutant"];

/// What each module knows beside the ground.
const NEIGHBOURS: [(&str, &[&str]); 20] = [
    ("environment", &[]),
    ("findings", &[]),
    ("redaction", &[]),
    ("yaml", &[]),
    ("line_file", &[]),
    ("http_client", &[]),
    ("datahub", &[]),
    ("mutant", &[]),
    ("event", &[]),
    ("telemetry", &[]),
    // Opens an entry with `delivery` for each record. A recipe names the registry beside the brokers, so
    // that is where its struct stands in the source's.
    ("kafka", &["delivery", "avro"]),
    ("avro", &[]),
    ("filter", &[]),
    // A transform has predicates too.
    ("transform", &["filter"]),
    ("action", &[]),
    ("delivery", &[]),
    // Dead letters in a topic go through Kafka's producer.
    ("dead_letter", &["kafka"]),
    ("recipe", &["yaml", "kafka", "avro", "filter", "transform", "action", "delivery"]),
    ("settings", &["yaml", "telemetry"]),
    (
        "pipeline",
        &["telemetry", "kafka", "avro", "filter", "transform", "action", "delivery", "dead_letter", "recipe"],
    ),
];

/// Above all others: they may know any of them.
const TOP: [&str; 2] = ["embedded", "cli"];

#[test]
fn every_module_knows_only_its_neighbours() {
    let rules: BTreeMap<&str, &[&str]> = NEIGHBOURS.into_iter().collect();
    let mut known: BTreeSet<&str> = rules.keys().copied().collect();
    known.extend(TOP);
    assert_eq!(
        known,
        modules_of_the_crate().iter().map(String::as_str).collect(),
        "the table and src/lib.rs"
    );

    let mut wrong = Vec::new();
    for (module, allowed) in &rules {
        let uses = uses_of(module);
        for (other, file) in &uses {
            if !allowed.contains(&other.as_str()) && !GROUND.contains(&other.as_str()) {
                wrong.push(format!("{} must not know `{other}`", file.display()));
            }
        }
        for other in allowed.iter().filter(|other| !uses.contains_key(**other)) {
            wrong.push(format!("`{module}` need not know `{other}` any more"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_ground_knows_only_itself() {
    for module in GROUND {
        for (other, file) in uses_of(module) {
            assert!(GROUND.contains(&other.as_str()), "{} must not know `{other}`", file.display());
        }
    }
}

#[test]
fn no_two_modules_know_each_other() {
    for (module, allowed) in NEIGHBOURS {
        for other in allowed {
            assert!(!uses_of(other).contains_key(module), "`{module}` and `{other}` know each other");
        }
    }
}

fn modules_of_the_crate() -> BTreeSet<String> {
    let map = fs::read_to_string(source().join("lib.rs")).expect("the crate's root");
    map.replace("#[cfg(test)]\nmod ", "")
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or(line.strip_prefix("mod "))?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// The other modules of the crate that this one names outside of its tests, each with a file that does.
fn uses_of(module: &str) -> BTreeMap<String, PathBuf> {
    let mut files = Vec::new();
    let folder = source().join(module);
    if folder.is_dir() {
        files_below(&folder, &mut files)
    } else {
        files.push(folder.with_extension("rs"))
    }
    let mut uses = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable source");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for after in line.split("crate::").skip(1) {
                let name: String =
                    after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                assert!(!name.is_empty(), "{}: one `use crate::MODULE` for each module", file.display());
                if name != module {
                    uses.entry(name).or_insert_with(|| file.clone());
                }
            }
        }
    }
    uses
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() && !path.ends_with("tests") {
            files_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
