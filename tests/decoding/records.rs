//! Records to decode: sample events, writers' schemas of several ages, and arbitrary events.

use datahub_relay::avro::schemas;
use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A sample event, as the quickstart feeds it.
pub(crate) struct Sample {
    pub(crate) topic: String,
    /// The Avro record as JSON.
    pub(crate) record: Value,
}

impl Sample {
    pub(crate) fn is_platform_event(&self) -> bool {
        self.topic == "PlatformEvent_v1"
    }
}

pub(crate) fn samples() -> Vec<Sample> {
    [
        include_str!("../../src/embedded/samples/versioned.json"),
        include_str!("../../src/embedded/samples/timeseries.json"),
        include_str!("../../src/embedded/samples/platform_events.json"),
    ]
    .into_iter()
    .flat_map(|json| serde_json::from_str::<Vec<Value>>(json).unwrap())
    .map(|sample| {
        let record = sample.get("record").cloned().unwrap_or_else(|| {
            datahub_relay::avro::platform_event_json(
                sample["name"].as_str().unwrap(),
                sample["timestampMillis"].as_i64().unwrap(),
                &sample["payload"],
            )
        });
        Sample { topic: sample["topic"].as_str().unwrap().to_owned(), record }
    })
    .collect()
}

/// Writers' schemas of a change log: ours, older ones, a newer one, and others that mean the same.
pub(crate) fn change_log_schemas() -> Vec<(&'static str, String)> {
    let ours: Value = serde_json::from_str(schemas::METADATA_CHANGE_LOG_JSON).unwrap();
    vec![
        ("ours", ours.to_string()),
        ("oldest", only(&ours, &["entityType", "entityUrn", "changeType", "aspectName", "aspect"])),
        ("before_headers", without(&ours, &["headers", "created", "previousSystemMetadata"])),
        ("old_system_metadata", with_old_system_metadata(&ours)),
        ("reordered", reordered(&ours)),
        ("null_last", null_last(&ours).to_string()),
        ("newer", newer(&ours)),
    ]
}

/// What a record with these fields reads as, if it was written with `schema`: by the rules of the
/// Python framework's JSON, told once more and independently of the decoder.
pub(crate) fn expected_event(schema: &str, event: &Value) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let written: Vec<&str> = fields(&schema).iter().map(|field| field["name"].as_str().unwrap()).collect();
    let ours: Value = serde_json::from_str(schemas::METADATA_CHANGE_LOG_JSON).unwrap();
    let mut expected = Map::new();
    for field in fields(&ours) {
        let name = field["name"].as_str().unwrap();
        let value = &event[name];
        if value.is_null() || !written.contains(&name) {
            continue;
        }
        expected.insert(name.to_owned(), without_nulls(value));
    }
    for name in ["systemMetadata", "previousSystemMetadata"] {
        if let Some(metadata) = expected.get_mut(name).and_then(Value::as_object_mut) {
            let is_old = !schema.to_string().contains("aspectModified");
            let old = ["lastObserved", "runId", "registryName", "registryVersion", "properties"];
            metadata.retain(|key, _| !is_old || old.contains(&key.as_str()));
            metadata.entry("lastObserved").or_insert(json!(0));
            metadata.entry("runId").or_insert(json!("no-run-id-provided"));
            metadata.entry("lastRunId").or_insert(json!("no-run-id-provided"));
        }
    }
    Value::Object(expected)
}

/// Any change log, as JSON, with explicit nulls and left-out fields.
pub(crate) fn change_log() -> impl Strategy<Value = Value> {
    let symbols = ["UPSERT", "CREATE", "UPDATE", "DELETE", "PATCH", "RESTATE", "CREATE_ENTITY"];
    let head = (text(), nullable(text()), prop::sample::select(symbols.to_vec()), nullable(text()));
    let aspects = (nullable(aspect()), nullable(aspect()), nullable(aspect()));
    let origins = (nullable(system_metadata()), nullable(system_metadata()), nullable(audit_stamp()));
    (head, aspects, origins, nullable(map())).prop_map(|(head, aspects, origins, headers)| {
        json!({
            "entityType": head.0, "entityUrn": head.1, "changeType": head.2, "aspectName": head.3,
            "entityKeyAspect": aspects.0, "aspect": aspects.1, "previousAspectValue": aspects.2,
            "systemMetadata": origins.0, "previousSystemMetadata": origins.1, "created": origins.2,
            "headers": headers,
        })
    })
}

fn text() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => "[ -~]{0,40}",
        1 => "\\PC{0,12}",
        1 => "[a-z]{100,200}",
    ]
    .prop_map(Value::String)
    .boxed()
}

fn aspect() -> impl Strategy<Value = Value> {
    text().prop_map(|value| json!({"value": value, "contentType": "application/json"}))
}

fn map() -> impl Strategy<Value = Value> {
    btree_map("[a-zA-Z-]{0,10}", "\\PC{0,10}", 0..4).prop_map(|entries| json!(entries))
}

fn audit_stamp() -> impl Strategy<Value = Value> {
    (any::<i64>(), text(), nullable(text()), nullable(text())).prop_map(|(time, actor, impersonator, message)| {
        json!({"time": time, "actor": actor, "impersonator": impersonator, "message": message})
    })
}

fn system_metadata() -> impl Strategy<Value = Value> {
    let runs =
        (nullable(any::<i64>().prop_map(Value::from)), nullable(text()), nullable(text()), nullable(text()));
    let versions = (nullable(text()), nullable(text()), nullable(text()));
    let rest = (nullable(any::<i64>().prop_map(Value::from)), nullable(map()));
    (runs, versions, rest, nullable(audit_stamp()), nullable(audit_stamp())).prop_map(
        |(runs, versions, rest, created, modified)| {
            json!({
                "lastObserved": runs.0, "runId": runs.1, "lastRunId": runs.2, "pipelineName": runs.3,
                "registryName": versions.0, "registryVersion": versions.1, "version": versions.2,
                "schemaVersion": rest.0, "properties": rest.1, "aspectCreated": created,
                "aspectModified": modified,
            })
        },
    )
}

/// Boxed: unboxed, the tree of all these strategies is too large for a test's stack.
fn nullable(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    option::of(value).prop_map(|value| value.unwrap_or(Value::Null)).boxed()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let present = entries.iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

fn fields(schema: &Value) -> &Vec<Value> {
    schema["fields"].as_array().unwrap()
}

fn fields_mut(schema: &mut Value) -> &mut Vec<Value> {
    schema["fields"].as_array_mut().unwrap()
}

fn named(field: &Value, name: &str) -> bool {
    field["name"] == name
}

/// A schema with some fields only. `GenericAspect` is defined where it is first used, so it moves.
fn only(schema: &Value, names: &[&str]) -> String {
    let definition =
        fields(schema).iter().find(|field| named(field, "entityKeyAspect")).unwrap()["type"].clone();
    let mut schema = schema.clone();
    fields_mut(&mut schema).retain(|field| names.iter().any(|name| named(field, name)));
    for field in fields_mut(&mut schema) {
        if named(field, "aspect") {
            field["type"] = definition.clone();
        }
    }
    schema.to_string()
}

fn without(schema: &Value, names: &[&str]) -> String {
    let mut schema = schema.clone();
    fields_mut(&mut schema).retain(|field| !names.iter().any(|name| named(field, name)));
    schema.to_string()
}

fn with_old_system_metadata(schema: &Value) -> String {
    let mut schema = schema.clone();
    let mut audit_stamp = Value::Null;
    for field in fields_mut(&mut schema) {
        if named(field, "systemMetadata") {
            let metadata = &mut field["type"][1];
            let inner = fields(metadata).iter().find(|field| named(field, "aspectCreated")).unwrap();
            audit_stamp = inner["type"][1].clone();
            fields_mut(metadata).retain(|field| {
                ["lastObserved", "runId", "registryName", "registryVersion", "properties"]
                    .iter()
                    .any(|name| named(field, name))
            });
        } else if named(field, "created") {
            field["type"][1] = audit_stamp.clone();
        }
    }
    schema.to_string()
}

/// The fields before the aspects stand behind them.
fn reordered(schema: &Value) -> String {
    let mut schema = schema.clone();
    fields_mut(&mut schema).rotate_left(3);
    schema.to_string()
}

/// Each union of null and something, the other way round, without the defaults that this forbids.
fn null_last(value: &Value) -> Value {
    match value {
        Value::Array(branches) if branches.first() == Some(&json!("null")) => {
            branches.iter().rev().map(null_last).collect()
        }
        Value::Array(items) => items.iter().map(null_last).collect(),
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(key, value)| *key != "default" || !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), null_last(value))).collect())
        }
        other => other.clone(),
    }
}

/// With fields, at the front and within, that nobody knows yet, and a symbol that nobody knows yet.
fn newer(schema: &Value) -> String {
    let mut schema = schema.clone();
    for field in fields_mut(&mut schema) {
        if named(field, "changeType") {
            field["type"]["symbols"].as_array_mut().unwrap().push(json!("MERGE"));
        } else if named(field, "entityKeyAspect") {
            fields_mut(&mut field["type"][1])
                .insert(0, json!({"name": "encoding", "type": "int", "default": -7}));
        }
    }
    let news = json!([
        {"name": "trace", "default": [{"id": "ü", "flags": [true, false], "ratio": 0.5}], "type": {"type": "array",
            "items": {"type": "record", "name": "Trace", "fields": [
                {"name": "id", "type": "string"},
                {"name": "flags", "type": {"type": "array", "items": "boolean"}},
                {"name": "ratio", "type": "double"},
            ]}}},
        {"name": "shards", "default": {"a": [1, 2]}, "type":
            {"type": "map", "values": ["null", {"type": "array", "items": "long"}]}},
        {"name": "digest", "default": "0123456789abcdef", "type": {"type": "fixed", "name": "Md5", "size": 16}},
        {"name": "weight", "default": 1.5, "type": "float"},
    ]);
    fields_mut(&mut schema).splice(0..0, news.as_array().unwrap().clone());
    schema.to_string()
}
