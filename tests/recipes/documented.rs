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

/// Everything in the program's source, with texts that stand on several lines put together.
fn source() -> String {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut source = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                source.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    source
}

/// What stands between two marks of these lines.
fn between(lines: &[&str], mark: char) -> Vec<String> {
    lines.iter().flat_map(|line| line.split(mark).skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn what_is_to_be_looked_at_where_events_are_stuck_is_there_under_its_name() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    let section = page.split("## Events are stuck: where to look\n").nth(1).unwrap();
    let section: Vec<&str> = section.lines().take_while(|line| !line.starts_with("## ")).collect();
    let source = source();
    let recipe = serde_json::to_string(&datahub_relay::recipe::schema()).unwrap();

    let log_lines = between(&section, '"').into_iter().filter(|text| text != "failed");
    let log_lines: Vec<String> = log_lines.collect();
    assert!(log_lines.len() >= 7, "{log_lines:?}");
    for text in log_lines {
        assert!(source.contains(&text), "the log never says {text:?}");
    }
    let (mut metrics, mut commands, mut others) = (0, 0, Vec::new());
    for name in between(&section, '`') {
        if let Some(metric) = name.strip_prefix("datahub_relay_") {
            let metric = metric.split('{').next().unwrap();
            assert!(source.contains(&format!("\"datahub_relay_{metric}\"")), "no metric {name}");
            metrics += 1;
            continue;
        }
        let words: Vec<&str> = name.trim_start_matches("datahub-relay ").split(' ').collect();
        let first = ["offsets", "run", "tail", "test", "validate", "dead-letters"].contains(&words[0]);
        if !first {
            others.push(name);
            continue;
        }
        let named = words.iter().take_while(|word| !word.starts_with('-'));
        let output = Command::cargo_bin("datahub-relay").unwrap().args(named).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "no command {name}");
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.split_whitespace().any(|word| word == *flag), "no {flag} in {name}");
        }
        commands += 1;
    }
    assert!(metrics >= 8 && commands >= 8, "{metrics} metrics, {commands} commands");
    for name in others {
        let key = name.split(':').next().unwrap().trim_start_matches('/');
        let is_there = [format!("\"{key}\""), format!("pub {key}:"), format!("/{key}\"")];
        let is_there = is_there.iter().any(|text| recipe.contains(text) || source.contains(text));
        assert!(is_there || key == "offsets.retention.minutes", "no {name}");
    }
}
