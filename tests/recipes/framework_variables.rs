//! Our expansion of variables beside the Python framework's own.

use std::io::Write;
use std::process::{Command, Stdio};

use datahub_relay::environment::Environment;
use datahub_relay::event::{Envelope, Event, EventType, Position, TopicPartition};
use datahub_relay::transform::Transformed;
use serde_json::{Map, Value};

use crate::directory::{Directory, minimal};

const VARIABLES: [(&str, &str); 4] =
    [("HOST", "broker"), ("PORT", "9092"), ("EMPTY", ""), ("BRACE", "a}b$HOST")];

/// Texts that both expand, or both leave as they are.
const SAME: [&str; 33] = [
    "${HOST}",
    "${HOST}:${PORT}",
    "${EMPTY}",
    "${EMPTY:-x}",
    "${EMPTY-x}",
    "${NONE:-x}",
    "${NONE:-}",
    "${NONE:-${HOST}}",
    "${NONE:-${ALSO_NONE:-deep}}",
    "${NONE:-${ALSO_NONE}}",
    "${NONE:-a$ALSO_NONE-b}",
    "${HOST:+other}",
    "${NONE:+other}",
    "${HOST:?needed}",
    "${HOST?needed}",
    "${HOST} $PORT",
    "$PORT ${HOST}",
    "$HOST:$PORT",
    "\\${HOST}",
    "\\$HOST ${HOST}",
    "a\\\\b ${HOST}",
    "a\\nb ${HOST}",
    "${BRACE}",
    "100% $ ${HOST}",
    "",
    "plain",
    "a $HOST",
    "$NONE",
    "$NONE and $HOST",
    "^a\\.b$",
    "a${}b",
    "$",
    "$.path",
];

/// Texts that neither takes, and what both say of them, if they do.
const REFUSED: [(&str, Option<&str>); 5] = [
    ("${NONE}", None),
    ("${NONE:?see the runbook}", Some("see the runbook")),
    ("${NONE?see the runbook}", Some("see the runbook")),
    ("${HOST} ${PORT", None),
    ("${HOST}\\", None),
];

/// What this program makes of a text, or what it says.
fn ours(text: &str) -> Result<String, String> {
    let set = format!("transform: [{{type: enrich, config: {{set: {{a: {}}}}}}}]\n", Value::from(text));
    let directory = Directory::with(&[("recipe.yml", &minimal(&set))]);
    let mut loaded = directory.load(&Environment::from(VARIABLES));
    let Some(recipe) = loaded.recipes.pop() else { return Err(directory.lines(&loaded.problems).join("\n")) };
    let source = TopicPartition { topic: "topic".into(), partition: 0 };
    let event = Event::Object(Map::new());
    let envelope = Envelope::new(EventType::EntityChange, event, Position { source, offset: 0 });
    match recipe.transforms.apply(&envelope).unwrap() {
        Transformed::Changed(envelope) => Ok(envelope.event.to_object()["a"].as_str().unwrap().to_owned()),
        other => panic!("the transform sets a field: {other:?}"),
    }
}

/// The same of the framework.
fn theirs(texts: &[&str]) -> Vec<Result<String, String>> {
    let python = std::env::var("DATAHUB_RELAY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut framework = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/variables.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {python}: {error}; set DATAHUB_RELAY_PYTHON"));
    let mut input = framework.stdin.take().unwrap();
    // A pipe holds all of it.
    texts.iter().for_each(|text| writeln!(input, "{}", Value::from(*text)).unwrap());
    drop(input);
    let output = framework.wait_with_output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers = answers.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answers: Vec<_> = answers
        .map(|answer| match answer["value"].as_str() {
            Some(value) => Ok(value.to_owned()),
            None => Err(answer["error"].as_str().unwrap().to_owned()),
        })
        .collect();
    assert_eq!(answers.len(), texts.len(), "the framework answered each text");
    answers
}

#[test]
#[ignore = "needs Python with the DataHub framework: run ./test.sh"]
fn variables_expand_as_the_framework_expands_them() {
    for (text, theirs) in SAME.iter().zip(theirs(&SAME)) {
        assert_eq!(ours(text), theirs, "{text}");
    }
    let refused = REFUSED.map(|(text, _)| text);
    for ((text, message), theirs) in REFUSED.iter().zip(theirs(&refused)) {
        let (ours, theirs) = (ours(text).unwrap_err(), theirs.unwrap_err());
        let message = message.unwrap_or_default();
        assert!(ours.contains(message) && theirs.contains(message), "{text}: {ours}, {theirs}");
    }
}
