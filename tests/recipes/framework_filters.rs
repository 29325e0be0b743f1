//! Our filters beside the Python framework's own, on random filters and events.

use std::io::Write;
use std::process::{Command, Stdio};

use datahub_relay::event::{Envelope, Event, EventType, Position, TopicPartition};
use datahub_relay::filter::{Filters, FiltersConfig};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

const CASES: usize = 2_000;

/// A filter in one of the two styles, and an event.
#[derive(Debug)]
struct Case {
    kind: &'static str,
    config: Value,
    event_type: EventType,
    event: Map<String, Value>,
}

impl Case {
    fn line(&self) -> String {
        let event_type = self.event_type.as_str();
        json!({"kind": self.kind, "config": self.config, "event_type": event_type, "event": self.event})
            .to_string()
    }

    fn ours(&self) -> bool {
        let filters = if self.kind == "filters" {
            let filters: FiltersConfig = serde_json::from_value(json!([self.config])).unwrap();
            Filters::compile(&filters, None)
        } else {
            let filter = serde_json::from_value(self.config.clone()).unwrap();
            Filters::compile(&FiltersConfig::default(), Some(&filter))
        };
        let source = TopicPartition { topic: "topic".into(), partition: 0 };
        let event = Event::Object(self.event.clone());
        filters.matches(&Envelope::new(self.event_type.clone(), event, Position { source, offset: 0 }))
    }
}

/// Few different values, so that they are often equal, and numbers that tell an exact comparison
/// from a rounded one.
fn scalar() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(-1),
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992.0),
        json!(18_446_744_073_709_551_615_u64),
        json!(""),
        json!("1"),
        json!("true"),
        json!("null"),
        json!("a"),
        json!("b"),
        json!("ü"),
        json!("[]"),
        json!("{}"),
        json!(" {\"a\": 1, \"b\": \"a\"}"),
        json!("{\"a\": {\"b\": \"a\"}, \"a\": {\"b\": 1.0}}"),
        json!("{\"a\": \"{\\\"b\\\": null}\"} trailing"),
        json!("{\"a\": \"{\\\"b\\\": true}\", \"b\": [\"a\"]}"),
    ])
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn map(most: usize) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[abc]", value(), 0..=most).prop_map(|map| map.into_iter().collect())
}

fn case() -> impl Strategy<Value = Case> {
    let event_type = || prop::sample::select(EventType::STANDARD.to_vec());
    let spec = prop_oneof![
        1 => Just(Value::Null),
        1 => Just(json!({})),
        6 => prop::collection::vec(map(2), 0..3).prop_map(|event| json!({"event": event})),
    ];
    let filters = prop::collection::vec((event_type(), spec), 1..3).prop_map(|specs| {
        let specs: Map<String, Value> =
            specs.into_iter().map(|(event_type, spec)| (event_type.as_str().to_owned(), spec)).collect();
        ("filters", json!({"filter": specs}))
    });
    let types = prop_oneof![
        event_type().prop_map(|event_type| json!(event_type.as_str())),
        prop::collection::vec(event_type(), 0..3)
            .prop_map(|types| types.iter().map(|event_type| json!(event_type.as_str())).collect()),
    ];
    let filter = (types, prop::option::of(map(2)))
        .prop_map(|(types, event)| ("filter", json!({"event_type": types, "event": event})));
    (prop_oneof![filters, filter], event_type(), map(3))
        .prop_map(|((kind, config), event_type, event)| Case { kind, config, event_type, event })
}

/// Makes predicates match more often than chance would: half the events get the values that their
/// filter asks for.
fn aligned(mut case: Case, align: bool) -> Case {
    let predicate = case
        .config
        .pointer(&format!("/filter/{}/event/0", case.event_type))
        .or_else(|| case.config.get("event"))
        .and_then(Value::as_object)
        .cloned();
    if let Some(predicate) = predicate.filter(|_| align) {
        case.event.extend(predicate);
    }
    case
}

#[test]
#[ignore = "needs Python with the DataHub framework: run ./test.sh"]
fn filters_pass_what_the_frameworks_filters_pass() {
    let python = std::env::var("DATAHUB_RELAY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Case> = (0..CASES)
        .map(|index| aligned(case().new_tree(&mut runner).unwrap().current(), index % 2 == 0))
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/filters.py");
    let mut framework = Command::new(&python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {python}: {error}; set DATAHUB_RELAY_PYTHON"));
    let mut input = framework.stdin.take().unwrap();
    let lines: Vec<String> = cases.iter().map(|case| case.line() + "\n").collect();
    // On a thread of its own: a pipe that is full in both directions would stand still.
    let feeder =
        std::thread::spawn(move || lines.iter().for_each(|line| input.write_all(line.as_bytes()).unwrap()));
    let output = framework.wait_with_output().unwrap();
    feeder.join().unwrap();
    let answers: Vec<bool> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "true").collect();
    assert_eq!(answers.len(), CASES, "the framework answered each case");
    for (case, theirs) in cases.iter().zip(&answers) {
        assert_eq!(case.ours(), *theirs, "{}", case.line());
    }
    let passed = answers.iter().filter(|passed| **passed).count();
    assert!((CASES / 10..CASES * 9 / 10).contains(&passed), "both outcomes occur often: {passed} passed");
}
