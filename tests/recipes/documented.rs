//! The recipes, and parts of recipes, that the documentation shows: whoever copies one gets what is said of it.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use datahub_relay::environment::Environment;

use crate::directory::Directory;

/// The blocks of YAML in a page.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let parts = text.split("```yaml\n").skip(1);
    parts.map(|part| part.split_once("```").unwrap().0.to_owned()).collect()
}

/// The block as a whole recipe: a part of one gets what it needs.
fn whole(block: &str) -> Option<String> {
    let has = |key: &str| block.lines().any(|line| line.starts_with(&format!("{key}:")));
    if !["source", "filters", "filter", "transform", "action", "options"].into_iter().any(has) {
        return None;
    }
    let mut recipe = String::new();
    for (key, line) in
        [("name", "name: p\n"), ("source", "source: {type: kafka}\n"), ("action", "action: {type: noop}\n")]
    {
        if !has(key) {
            recipe.push_str(line);
        }
    }
    Some(recipe + block)
}

#[test]
fn every_recipe_that_a_page_shows_is_right_and_warns_of_nothing() {
    let variables = Environment::from([("ENVIRONMENT_NAME", "production"), ("HOOK_TOKEN", "t0k3n")]);
    let mut shown = 0;
    for page in [
        "README.md",
        "docs/configuration.md",
        "docs/moving-over.md",
        "docs/operations.md",
        "docs/commands.md",
    ] {
        for recipe in blocks(page).iter().filter_map(|block| whole(block)) {
            let directory = Directory::with(&[("recipe.yml", &recipe)]);
            let loaded = directory.load(&variables);
            assert_eq!(directory.lines(&loaded.problems), Vec::<String>::new(), "{page}:\n{recipe}");
            assert_eq!(directory.lines(&loaded.warnings), Vec::<String>::new(), "{page}:\n{recipe}");
            shown += 1;
        }
    }
    assert!(shown >= 4, "the pages show recipes: {shown}");
}

#[test]
fn the_readmes_recipe_writes_the_tags_that_it_speaks_of_and_nothing_else() {
    let recipe = blocks("README.md").into_iter().find(|block| block.contains("name: pii_audit")).unwrap();
    let cases = "tests:
- name: the tag is added
  event:
    event_type: EntityChangeEvent_v1
    event: &added
      entityType: dataset
      entityUrn: urn:li:dataset:(urn:li:dataPlatform:hive,shop.users,PROD)
      category: TAG
      operation: ADD
      modifier: urn:li:tag:PII
      auditStamp: {actor: urn:li:corpuser:jdoe, time: 1700000000000}
  expect: unchanged
- name: it is removed, or another one is added
  events:
  - {event_type: EntityChangeEvent_v1, event: {<<: *added, operation: REMOVE}}
  - {event_type: EntityChangeEvent_v1, event: {<<: *added, modifier: urn:li:tag:Legacy}}
  expect: {dropped_by: \"filters[0]\"}
";
    let directory = Directory::with(&[("pii_audit.yml", &recipe), ("pii_audit_test.yml", cases)]);
    let output = Command::cargo_bin("datahub-relay")
        .unwrap()
        .env_clear()
        .args(["test", "-c"])
        .arg(directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("2 cases of 1 recipe: all as expected\n"), "{text}");
}
