//! `datahub-relay test`: the cases beside the shipped recipes, and what a case that fails looks like.

use std::path::Path;

use assert_cmd::Command;

use crate::directory::{Directory, minimal, with_source};

/// Exit code and standard output, without the directory's path.
fn test(path: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::cargo_bin("datahub-relay").unwrap();
    command.env_clear().envs(variables.iter().copied()).args(["test", "-c"]).arg(path);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let prefix = format!("{}/", path.display());
    (output.status.code(), String::from_utf8(output.stdout).unwrap().replace(&prefix, ""))
}

const TAGS: &str = "filters:
  - type: event_type
    config:
      filter:
        EntityChangeEvent_v1:
          event: [{category: TAG}]
";

/// Cases for a recipe that wants tags.
fn with_cases(cases: &str) -> Directory {
    let cases = format!("tests:\n{cases}");
    Directory::with(&[("tags.yml", &minimal(TAGS)), ("tags_test.yml", &cases)])
}

fn entity_change(category: &str) -> String {
    format!(
        "{{event_type: EntityChangeEvent_v1, event: {{entityType: dataset, entityUrn: u, category: {category}, \
         operation: ADD, auditStamp: {{actor: a, time: 1}}}}}}"
    )
}

#[test]
fn every_shipped_recipe_has_cases_that_come_out_as_they_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/recipes");
    let (code, output) = test(&directory, &[]);
    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("has no cases"), "{output}");
    assert!(output.contains(": all as expected"), "{output}");
}

#[test]
fn a_case_that_fails_says_where_it_stands_what_was_expected_and_what_was_found() {
    let directory = with_cases(&format!(
        "- name: owners are dropped
  event: {}
  expect: dropped
- name: tags are dropped
  event: {}
  expect: {{dropped_by: 'filters[0]'}}
- name: an owner and a tag reach the action
  events: [{}, {}]
  expect: unchanged
",
        entity_change("OWNER"),
        entity_change("TAG"),
        entity_change("TAG"),
        entity_change("OWNER"),
    ));
    let (code, output) = test(directory.path(), &[]);
    assert_eq!(code, Some(1));
    assert_eq!(
        output,
        "p (tags.yml)
  ok    owners are dropped
  FAIL  tags are dropped
        tags_test.yml:5
        expected: it is dropped by filters[0]
        found:    it reaches the action
  FAIL  an owner and a tag reach the action
        tags_test.yml:8
        events[1]
        expected: it reaches the action unchanged
        found:    it is dropped by filters[0]

3 cases of 1 recipe: 2 not as expected
"
    );
}

#[test]
fn another_event_than_the_expected_one_is_shown_line_by_line() {
    let directory = with_cases(&format!(
        "- name: part of it
  event: {tag}
  expect: {{contains: {{category: TAG, operation: REMOVE}}}}
- name: whole
  event: {tag}
  expect: {{event: {{category: TAG}}}}
",
        tag = entity_change("TAG")
    ));
    let (code, output) = test(directory.path(), &[]);
    assert_eq!(code, Some(1));
    let part = "        found:    it reaches the action
        - expected
        + found
          {
            \"category\": \"TAG\",
        -   \"operation\": \"REMOVE\"
        +   \"operation\": \"ADD\"
          }
";
    assert!(output.contains(part), "{output}");
    assert!(output.contains("        +   \"entityUrn\": \"u\","), "{output}");
}

#[test]
fn what_is_wrong_with_a_case_is_an_error_with_its_line() {
    let directory = with_cases(
        "- name: one
  event: {event_type: EntityChangeEvent_v1, event: {}}
  expect: droped
- name: two
  evnt: {event_type: EntityChangeEvent_v1, event: {}}
  expect: dropped
- name: three
  event: {event_type: EntityChangeEvent_v1, event: {}}
  expect: {dead_letter: pay}
- name: four
  event: {event_type: EntityChangeEvent_v1, event: {}}
  expect: {contains: {}, dropped_by: filter}
- name: five
  expect: dropped
",
    );
    let (code, output) = test(directory.path(), &[]);
    assert_eq!(code, Some(1));
    for line in [
        "error: tags_test.yml:4:3: tests[0].expect: expected one of unchanged, dropped, found text \"droped\"",
        "error: tags_test.yml:6:3: tests[1].evnt: unknown key; did you mean \"event\"?",
        "error: tags_test.yml:10:12: tests[2].expect.dead_letter: expected a stage (envelope, ",
        "error: tags_test.yml:13:3: tests[3].expect: needs one of `event`, `contains`, `dropped_by` and `dead_letter`",
        "error: tags_test.yml:14:3: tests[4]: needs one of `event` and `events`, with at least one event",
    ] {
        assert!(output.contains(line), "{line}\nin\n{output}");
    }
}

#[test]
fn an_event_that_cannot_be_as_it_is_written_fails_its_case() {
    let change_log = |event: &str| {
        format!(
            "- name: one
  event: {{event_type: MetadataChangeLogEvent_v1, event: {event}}}
  expect: dropped
"
        )
    };
    for (cases, text) in [
        (change_log("{entityType: dataset, changeType: UPSERT, aspect: {valu: x}}"), "is not"),
        (
            change_log("{entityType: dataset, changeType: UPSERT, aspectname: x}"),
            "has no field `aspectname`; remove it",
        ),
        (change_log("{entityType: dataset}"), "lacks its field `changeType`"),
    ] {
        let (code, output) = test(with_cases(&cases).path(), &[]);
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains(text), "{text}\nin\n{output}");
    }
}

#[test]
fn what_a_case_names_and_its_recipe_does_not_have_is_an_error_with_its_line() {
    let cases = format!(
        "- name: one
  event: {tag}
  expect: {{dropped_by: 'filters[1]'}}
- name: two
  events:
  - {tag}
  - {{event_type: EntityChange, event: {{}}}}
  expect: unchanged
- name: three
  event: {tag}
  expect: unchanged
",
        tag = entity_change("TAG")
    );
    let dropper = "tests[0].expect.dropped_by: expected what may drop an event in this recipe (source, filters[0], transform[1]), found \"filters[1]\"";
    let types = "MetadataChangeLogEvent_v1, EntityChangeEvent_v1, RelationshipChangeEvent_v1, PlatformEvent_v1, MetadataChangeProposalEvent_v1, FailedMetadataChangeProposalEvent_v1, Mine";
    let event_type =
        format!("tests[1].events[1].event_type: no event has the type \"EntityChange\"; types are {types}");
    let recipe = format!(
        "{}{TAGS}transform:\n  - {{type: project, config: {{drop: [auditStamp.time]}}}}\n  - {{type: filter, config: {{event_type: EntityChangeEvent_v1}}}}\n",
        with_source("    topic_routes: {avro: {a: Mine}, pe: b}\n")
    );
    let beside = Directory::with(&[("a.yml", &recipe), ("a_test.yml", &format!("tests:\n{cases}"))]);
    let (code, output) = test(beside.path(), &[]);
    assert_eq!(code, Some(1));
    assert_eq!(
        output,
        format!(
            "error: a_test.yml:4:12: {dropper}
error: a_test.yml:8:6: {event_type}
p (a.yml)
  FAIL  three
        a_test.yml:10
        expected: it reaches the action unchanged
        found:    it reaches the action changed
        - expected
        + found
          {{
            \"auditStamp\": {{
        -     \"actor\": \"a\",
        -     \"time\": 1
        +     \"actor\": \"a\"
            }},
            \"category\": \"TAG\",
            \"entityType\": \"dataset\",

1 case of 1 recipe: 1 not as expected
"
        )
    );
    let within = Directory::with(&[("a.yml", &format!("{recipe}tests:\n{cases}"))]);
    let (code, output) = test(within.path(), &[]);
    assert_eq!(code, Some(1));
    for text in [dropper, &event_type] {
        assert!(output.contains(text), "{text}\nin\n{output}");
    }
}

#[test]
fn an_error_in_a_case_does_not_let_its_recipe_seem_to_lack_variables() {
    let recipe = minimal("filter: {event_type: EntityChangeEvent_v1, event: {category: '${WANTED}'}}\n");
    let with = |cases: &str| {
        let directory = Directory::with(&[("a.yml", &recipe), ("a_test.yml", cases)]);
        let (code, output) = test(directory.path(), &[]);
        assert_eq!(code, Some(1));
        output
    };
    let sound = format!("{{name: it is wanted, event: {}, expect: unchanged}}", entity_change("TAG"));
    assert_eq!(
        with(&format!("environment: {{WANTED: TAG}}\ntests: [{{nam: one, expect: dropped}}, {sound}]\n")),
        "error: a_test.yml:2:9: tests[0].name: is missing; add it: what the case shows, in a few words
error: a_test.yml:2:10: tests[0].nam: unknown key; did you mean \"name\"?
p (a.yml)
  ok    it is wanted

1 case of 1 recipe: all as expected
"
    );
    let unread = "note: a.yml is not read, since the variables that its cases give it are not known\n\nno cases were run\n";
    for (cases, error) in [
        (
            format!("environment: {{WANTED: 7}}\ntests: [{sound}]\n"),
            "a_test.yml:1:15: environment.WANTED: expected text, found 7; put it in quotes",
        ),
        (
            format!("enviroment: {{WANTED: TAG}}\ntests: [{sound}]\n"),
            "a_test.yml:1:1: enviroment: unknown key; did you mean \"environment\"?",
        ),
        ("environment: {\n".to_owned(), "a_test.yml:2:1: is not valid YAML: "),
    ] {
        let output = with(&cases);
        assert!(output.starts_with(&format!("error: {error}")) && output.ends_with(unread), "{output}");
        assert_eq!(output.matches("error: ").count(), 1, "{output}");
    }
}

#[test]
fn cases_may_stand_in_the_recipe_itself() {
    let cases = format!(
        "{TAGS}tests:\n  - {{name: a tag passes, event: {}, expect: unchanged}}\n",
        entity_change("TAG")
    );
    let directory = Directory::with(&[("tags.yml", &minimal(&cases))]);
    let (code, output) = test(directory.path(), &[]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("  ok    a tag passes\n"), "{output}");
}

#[test]
fn filters_come_before_the_older_filter_and_that_before_the_transforms() {
    let recipe = minimal(
        "filters:
  - {type: event_type, config: {filter: {EntityChangeEvent_v1: {event: [{category: [TAG, TERM]}]}}}}
  - {type: event_type, config: {filter: {EntityChangeEvent_v1: {event: [{category: [TAG, OWNER]}]}}}}
filter: {event_type: EntityChangeEvent_v1, event: {category: TAG, entityType: dataset}}
transform:
  - {type: enrich, config: {set: {entityType: chart}}}
  - {type: filter, config: {event_type: EntityChangeEvent_v1, event: {entityType: dataset}, matching: drop}}
",
    );
    let case = |category: &str, expected: &str| {
        format!("- {{name: {category}, event: {}, expect: {{{expected}}}}}\n", entity_change(category))
    };
    // What several of them would drop is dropped by the first; none sees what a transform changes.
    let cases = format!(
        "tests:\n{}{}{}{}",
        case("DOMAIN", "dropped_by: 'filters[0]'"),
        case("OWNER", "dropped_by: 'filters[0]'"),
        case("TERM", "dropped_by: 'filters[1]'"),
        case("TAG", "contains: {category: TAG, entityType: chart}"),
    );
    let directory = Directory::with(&[("a.yml", &recipe), ("a_test.yml", &cases)]);
    let (code, output) = test(directory.path(), &[]);
    assert_eq!(code, Some(0), "{output}");
    let only_older = minimal(
        "filter: {event_type: EntityChangeEvent_v1, event: {category: TAG}}\ntransform: [{type: filter, config: {event_type: EntityChangeEvent_v1, event: {category: TAG}}}]\n",
    );
    let directory = Directory::with(&[
        ("a.yml", &only_older),
        ("a_test.yml", &format!("tests:\n{}", case("OWNER", "dropped_by: filter"))),
    ]);
    let (code, output) = test(directory.path(), &[]);
    assert_eq!(code, Some(0), "{output}");
}

#[test]
fn the_recipe_is_read_with_the_variables_of_its_cases() {
    let recipe = minimal("filter: {event_type: EntityChangeEvent_v1, event: {category: '${WANTED}'}}\n");
    let cases = format!(
        "environment: {{WANTED: TAG}}\ntests: [{{name: it is wanted, event: {}, expect: unchanged}}]\n",
        entity_change("TAG")
    );
    let directory = Directory::with(&[("a.yml", &recipe), ("a_test.yml", &cases)]);
    for variables in [&[][..], &[("WANTED", "OWNER")]] {
        assert_eq!(test(directory.path(), variables).0, Some(0));
    }
}

#[test]
fn nothing_to_run_is_no_success() {
    let directory = Directory::with(&[("a.yml", &minimal(""))]);
    let (code, output) = test(directory.path(), &[]);
    assert_eq!((code, output.as_str()), (Some(1), "note: a.yml has no cases\n\nno cases were run\n"));
    let directory = Directory::with(&[("a.yml", &minimal("")), ("b_test.yml", "tests: []\n")]);
    let (code, output) = test(directory.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        output.starts_with("error: b_test.yml: holds cases of a recipe that is not beside it\n"),
        "{output}"
    );
}
