//! The same bytes, decoded by this program and by the Python framework with `fastavro`.
//!
//! The interpreter, which must have `acryl-datahub-actions[kafka]`, is named by `DATAHUB_RELAY_PYTHON`.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datahub_relay::avro::{Body, CompiledSchema, SchemaId, encode_json, read_body, schemas, wire};
use datahub_relay::event::{Envelope, Position, Route, TopicPartition};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::records;

/// Arbitrary change logs per writer's schema, beside the samples.
const ARBITRARY_PER_SCHEMA: usize = 40;

struct Case {
    schema: usize,
    route: Route,
    value: Vec<u8>,
}

impl Case {
    fn route_name(&self) -> &'static str {
        match self.route {
            Route::ChangeLog => "mcl",
            Route::PlatformEvent => "pe",
            ref other => panic!("the framework reads no {other:?}"),
        }
    }
}

#[test]
#[ignore = "needs Python with the DataHub framework: run ./test.sh"]
fn events_are_what_the_python_framework_makes_of_the_same_bytes() {
    let schemas = writers_schemas();
    let cases = cases(&schemas);
    assert!(cases.len() >= 200, "only {} records", cases.len());

    let answers = decoded_by_python(&schemas, &cases);
    assert_eq!(answers.len(), cases.len(), "Python answered {} of {} records", answers.len(), cases.len());
    for (offset, (case, answer)) in cases.iter().zip(answers).enumerate() {
        assert_eq!(answer.get("error"), None, "the framework failed on record {offset}");
        assert_eq!(ours(&schemas, case, offset), answer["event"], "record {offset}");
    }
}

#[test]
#[ignore = "needs Python with the DataHub framework: run ./test.sh"]
fn our_schemas_have_the_names_types_order_and_defaults_of_the_published_ones() {
    let ours = [
        ("MetadataChangeLog", schemas::METADATA_CHANGE_LOG_JSON),
        ("MetadataChangeProposal", schemas::METADATA_CHANGE_PROPOSAL_JSON),
        ("PlatformEvent", schemas::PLATFORM_EVENT_JSON),
        ("EntityChangeEvent", schemas::ENTITY_CHANGE_EVENT_JSON),
        ("RelationshipChangeEvent", schemas::RELATIONSHIP_CHANGE_EVENT_JSON),
    ];
    let published = run_oracle("schemas", ours.iter().map(|(name, _)| json!(name).to_string()).collect());
    assert_eq!(published.len(), ours.len());
    for ((name, ours), published) in ours.iter().zip(published) {
        assert_eq!(bare(&serde_json::from_str(ours).unwrap()), bare(&published), "{name}");
    }
}

/// The package has no schema of failed proposals: what is around the proposal is told here once more.
#[test]
fn a_failed_proposal_is_our_schema_of_a_proposal_between_a_header_and_an_error() {
    let proposal: Value = serde_json::from_str(schemas::METADATA_CHANGE_PROPOSAL_JSON).unwrap();
    let failed: Value = serde_json::from_str(schemas::FAILED_METADATA_CHANGE_PROPOSAL_JSON).unwrap();
    let mut within = bare(&failed["fields"][1]["type"]);
    // A type is defined where it is first used, and that is the header around it.
    assert_eq!(within["fields"][0]["type"][1], "com.linkedin.events.KafkaAuditHeader");
    within["fields"][0] = bare(&failed["fields"][0]);
    assert_eq!(within, bare(&proposal));
    assert_eq!(bare(&failed["fields"][0]), bare(&proposal["fields"][0]));
    let names: Vec<&str> =
        failed["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["auditHeader", "metadataChangeProposal", "error"]);
    assert_eq!(failed["fields"][2]["type"], "string");
    assert_eq!(failed["namespace"], proposal["namespace"]);
}

fn writers_schemas() -> Vec<String> {
    let mut schemas: Vec<_> = records::change_log_schemas().into_iter().map(|(_, schema)| schema).collect();
    schemas.push(schemas::PLATFORM_EVENT_JSON.to_owned());
    schemas
}

/// What this program makes of a record: null where it hands nothing on.
fn ours(schemas: &[String], case: &Case, offset: usize) -> Value {
    let schema = CompiledSchema::parse(&schemas[case.schema]).unwrap();
    let (_, body) = wire::split(&case.value).unwrap();
    match read_body(&case.route, &schema, body).unwrap() {
        Body::UnknownPlatformEvent(_) => Value::Null,
        Body::Event(event_type, event) => {
            let source = TopicPartition { topic: Arc::from(case.route_name()), partition: 3 };
            let position = Position { source, offset: i64::try_from(offset).unwrap() };
            serde_json::to_value(Envelope::new(event_type, event, position)).unwrap()
        }
    }
}

fn cases(schemas: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    let (platform_event, change_logs) = schemas.split_last().unwrap();
    for (index, schema) in change_logs.iter().enumerate() {
        let schema = apache_avro::Schema::parse_str(schema).unwrap();
        let mut add = |record: &Value| {
            let value = encode_json(SchemaId(0), &schema, record).unwrap();
            cases.push(Case { schema: index, route: Route::ChangeLog, value });
        };
        let samples = records::samples();
        samples.iter().filter(|sample| !sample.is_platform_event()).for_each(|sample| add(&sample.record));
        let mut runner = TestRunner::deterministic();
        for _ in 0..ARBITRARY_PER_SCHEMA {
            add(&records::change_log().new_tree(&mut runner).unwrap().current());
        }
        // The newer schema alone has this symbol.
        if let Ok(value) =
            encode_json(SchemaId(0), &schema, &json!({"entityType": "", "changeType": "MERGE"}))
        {
            cases.push(Case { schema: index, route: Route::ChangeLog, value });
        }
    }
    let schema = apache_avro::Schema::parse_str(platform_event).unwrap();
    for record in platform_events() {
        let value = encode_json(SchemaId(0), &schema, &record).unwrap();
        cases.push(Case { schema: change_logs.len(), route: Route::PlatformEvent, value });
    }
    cases
}

/// The sample platform events, each as it is and with some fields null or empty. An entity change event
/// gets a version: the framework dies without one.
fn platform_events() -> Vec<Value> {
    let mut events = Vec::new();
    for sample in records::samples().into_iter().filter(records::Sample::is_platform_event) {
        let name = sample.record["name"].as_str().unwrap();
        let mut payload: Value =
            serde_json::from_str(sample.record["payload"]["value"].as_str().unwrap()).unwrap();
        if name == "entityChangeEvent" && payload.get("version").is_none() {
            payload["version"] = json!(0);
        }
        let changes = [
            json!({}),
            json!({"modifier": null, "via": null, "auditHeader": null}),
            json!({"parameters": {}, "properties": {}}),
            json!({"parameters": null, "properties": null, "lifecycleOwner": null}),
            json!({"parameters": {"a": null, "b": [1, {"c": false}], "d": "ü"}, "properties": {"a": "b"}}),
            json!({"auditStamp": {"time": 1, "actor": "a", "impersonator": null, "message": "by hand"}}),
        ];
        for change in changes {
            let mut changed = payload.clone();
            for (key, value) in change.as_object().unwrap() {
                // The framework drops what its schema lacks and this program keeps it: not compared.
                let belongs_to_relationships =
                    ["via", "auditHeader", "properties", "lifecycleOwner"].contains(&key.as_str());
                let is_shared = key == "auditStamp";
                if is_shared || belongs_to_relationships == (name == "relationshipChangeEvent") {
                    changed[key.as_str()] = value.clone();
                }
            }
            events.push(datahub_relay::avro::platform_event_json(name, 1, &changed));
        }
    }
    events
}

fn decoded_by_python(schemas: &[String], cases: &[Case]) -> Vec<Value> {
    let parsed: Vec<Value> = schemas.iter().map(|schema| serde_json::from_str(schema).unwrap()).collect();
    let mut questions = vec![json!({"schemas": parsed}).to_string()];
    questions.extend(cases.iter().enumerate().map(|(offset, case)| {
        let value = STANDARD.encode(&case.value);
        json!({"schema": case.schema, "route": case.route_name(), "value": value, "offset": offset})
            .to_string()
    }));
    run_oracle("decode", questions)
}

fn run_oracle(command: &str, questions: Vec<String>) -> Vec<Value> {
    let python = std::env::var("DATAHUB_RELAY_PYTHON")
        .expect("DATAHUB_RELAY_PYTHON must name a Python that has acryl-datahub-actions[kafka]");
    let mut oracle = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/oracle.py"))
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("DATAHUB_RELAY_PYTHON can be run");
    let mut stdin = oracle.stdin.take().unwrap();
    // Written from a thread of its own: the answers come while the questions are still being asked.
    let asking = std::thread::spawn(move || stdin.write_all(questions.join("\n").as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle ended with {}", output.status);
    asking.join().unwrap().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A schema without documentation and remarks: what decides how bytes are read.
fn bare(schema: &Value) -> Value {
    const DECIDING: [&str; 9] =
        ["type", "name", "namespace", "fields", "symbols", "size", "items", "values", "default"];
    match schema {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(key, _)| DECIDING.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), bare(value))).collect())
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}
