//! Which events a recipe's filters let pass, from the YAML that a user writes to the verdict.

use datahub_relay::environment::Environment;
use datahub_relay::event::{Envelope, Event, EventType, Position, TopicPartition};
use datahub_relay::recipe::Recipe;
use serde_json::{Value, json};

use crate::directory::{minimal, recipe};

fn passes(recipe: &Recipe, event_type: EventType, event: Value) -> bool {
    let Value::Object(event) = event else { panic!("an event is a map") };
    let source = TopicPartition { topic: "topic".into(), partition: 0 };
    let position = Position { source, offset: 0 };
    recipe.filters.matches(&Envelope::new(event_type, Event::Object(event), position))
}

/// A recipe in either style that wants entity changes with this in their parameters.
fn wanting(predicate: &str) -> [Recipe; 2] {
    let environment = Environment::from([("FLAG", "true"), ("NUMBER", "1"), ("WORD", "on"), ("LIST", "a")]);
    [
        format!("filter:\n  event_type: EntityChangeEvent_v1\n  event: {{parameters: {{field: {predicate}}}}}\n"),
        format!(
            "filters:\n  - type: event_type\n    config: {{filter: {{EntityChangeEvent_v1: {{event: [{{parameters: {{field: {predicate}}}}}]}}}}}}\n"
        ),
    ]
    .map(|filter| recipe(&minimal(&filter), &environment))
}

#[test]
fn a_predicate_means_what_yaml_1_1_and_the_frameworks_rules_make_of_it() {
    let is_true = [json!(true), json!(1), json!(1.0)];
    let is_false = [json!(false), json!(0), json!(0.0)];
    let is_null = [json!(null)];
    let is_text = |text: &str| vec![json!(text)];
    let all = [
        json!(true),
        json!(false),
        json!(null),
        json!(0),
        json!(0.0),
        json!(1),
        json!(1.0),
        json!(15),
        json!("true"),
        json!("yes"),
        json!("on"),
        json!("off"),
        json!("1"),
        json!("a"),
        json!("017"),
        json!("null"),
        json!("~"),
        json!("2024-01-31"),
        json!(["a"]),
        json!({"a": 1}),
        json!("{\"a\": 1}"),
        json!("{\"a\": \"1\"}"),
    ];
    for (predicate, matches) in [
        ("yes", &is_true[..]),
        ("on", &is_true),
        ("On", &is_true),
        ("TRUE", &is_true),
        ("1", &is_true),
        ("1.0", &is_true),
        ("no", &is_false),
        ("off", &is_false),
        ("False", &is_false),
        ("0", &is_false),
        ("~", &is_null),
        ("null", &is_null),
        ("", &is_null),
        ("'yes'", &is_text("yes")),
        ("\"on\"", &is_text("on")),
        ("\"1\"", &is_text("1")),
        ("'null'", &is_text("null")),
        ("017", &[json!(15)]),
        ("0xF", &[json!(15)]),
        ("2024-01-31", &is_text("2024-01-31")),
        // A variable is text, whatever it holds.
        ("\"${FLAG}\"", &is_text("true")),
        ("$NUMBER", &is_text("1")),
        ("'${WORD}'", &is_text("on")),
        ("[\"${LIST}\", off]", &is_text("a")),
        // Nothing in a list but text is looked for, and nothing but text is found by one.
        ("[yes, 1, 'on', 'a', null]", &[json!("on"), json!("a")]),
        ("[]", &[]),
        ("{a: 1}", &[json!({"a": 1}), json!("{\"a\": 1}")]),
        ("{a: yes}", &[json!({"a": 1}), json!("{\"a\": 1}")]),
        ("{a: '1'}", &[json!("{\"a\": \"1\"}")]),
        ("{}", &[json!({"a": 1}), json!("{\"a\": 1}"), json!("{\"a\": \"1\"}")]),
        ("{b: null}", &[json!({"a": 1}), json!("{\"a\": 1}"), json!("{\"a\": \"1\"}")]),
    ] {
        for recipe in wanting(predicate) {
            for value in &all {
                let event = json!({"parameters": {"field": value}});
                let passed = passes(&recipe, EventType::EntityChange, event);
                assert_eq!(passed, matches.contains(value), "{predicate:?} and {value}");
            }
            let absent = passes(&recipe, EventType::EntityChange, json!({"parameters": {}}));
            assert_eq!(absent, matches.contains(&json!(null)), "{predicate:?} and nothing");
            let other_type = json!({"parameters": {"field": matches.first()}});
            assert!(!passes(&recipe, EventType::RelationshipChange, other_type), "{predicate:?}");
        }
    }
}

#[test]
fn a_key_that_is_given_twice_counts_as_it_was_given_last_and_a_merged_one_fills_in() {
    let text = "filter:
  event_type: EntityChangeEvent_v1
  event:
    <<: {category: OWNER, operation: ADD}
    category: TERM
    category: TAG
";
    let recipe = recipe(&minimal(&format!("name: q\n{text}")), &Environment::default());
    assert_eq!(recipe.name, "q", "at the top level too");
    let passes = |event| passes(&recipe, EventType::EntityChange, event);
    assert!(passes(json!({"category": "TAG", "operation": "ADD"})));
    for other in [
        json!({"category": "TERM", "operation": "ADD"}),
        json!({"category": "OWNER", "operation": "ADD"}),
        json!({"category": "TAG", "operation": "REMOVE"}),
    ] {
        assert!(!passes(other));
    }
}

#[test]
fn one_type_or_a_list_of_types_passes_and_no_other() {
    for (types, expected) in [
        ("EntityChangeEvent_v1", [false, true, false]),
        ("[EntityChangeEvent_v1, MetadataChangeLogEvent_v1]", [true, true, false]),
        ("\"${NONE:-RelationshipChangeEvent_v1}\"", [false, false, true]),
        ("[]", [false; 3]),
    ] {
        let recipe = recipe(&minimal(&format!("filter: {{event_type: {types}}}\n")), &Environment::default());
        let found = [EventType::MetadataChangeLog, EventType::EntityChange, EventType::RelationshipChange]
            .map(|event_type| passes(&recipe, event_type, json!({"a": 1})));
        assert_eq!(found, expected, "{types}");
    }
}
