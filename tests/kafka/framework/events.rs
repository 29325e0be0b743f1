//! Events of all kinds, by writers of all ages: few different values, so that filters often match.

use std::time::Duration;

use apache_avro::Schema;
use datahub_relay::avro::{SchemaId, encode_json, platform_event_json, schemas};
use fastrand::Rng;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::records;
use crate::harness::Scene;

const VERSIONED_PARTITIONS: i32 = 2;
const PLATFORM_PARTITIONS: i32 = 2;
/// Ids that the scene's own writers do not have.
const FIRST_SCHEMA_ID: u32 = 100;
/// While something is done beside the feeding.
const ONE_EVERY: Duration = Duration::from_millis(20);
const MOST_DURING: usize = 3_000;

/// The topics that both programs read, and what was fed to them.
pub(super) struct Topics {
    feeder: crate::harness::Feeder,
    rng: Rng,
    /// Writers of change logs, and last the one of platform events.
    writers: Vec<(SchemaId, Schema)>,
    names: [String; 3],
    fed: i64,
}

impl Topics {
    pub(super) fn new(scene: &Scene<'_>) -> Self {
        let names = [
            scene.topic("versioned", VERSIONED_PARTITIONS),
            scene.topic("timeseries", 1),
            scene.topic("platform", PLATFORM_PARTITIONS),
        ];
        let mut texts: Vec<String> =
            records::change_log_schemas().into_iter().map(|(_, schema)| schema).collect();
        texts.push(schemas::PLATFORM_EVENT_JSON.to_owned());
        let writers = (FIRST_SCHEMA_ID..)
            .zip(texts)
            .map(|(id, text)| {
                scene.registry.put(id, &text);
                (SchemaId(id), Schema::parse_str(&text).expect("a valid schema"))
            })
            .collect();
        Self { feeder: scene.feeder(), rng: Rng::with_seed(scene.seed), writers, names, fed: 0 }
    }

    /// Each topic and its number of partitions.
    pub(super) fn partitions(&self) -> [(&str, i32); 3] {
        let [versioned, timeseries, platform] = &self.names;
        [(versioned, VERSIONED_PARTITIONS), (timeseries, 1), (platform, PLATFORM_PARTITIONS)]
    }

    /// How many records there are.
    pub(super) fn fed(&self) -> i64 {
        self.fed
    }

    /// Feeds the sample events, arbitrary change logs by every writer, and `count` events made for the
    /// filters.
    pub(super) fn feed(&mut self, count: usize) {
        for sample in records::samples() {
            match sample.topic.as_str() {
                "PlatformEvent_v1" => {
                    let mut record = sample.record;
                    let payload = record["payload"]["value"].as_str().expect("the payload's text");
                    let payload = with_version(serde_json::from_str(payload).expect("a sample is JSON"));
                    record["payload"]["value"] = payload.to_string().into();
                    self.platform_event(&record);
                }
                "MetadataChangeLog_Timeseries_v1" => self.change_log(1, None, &sample.record),
                _ => self.change_log(0, None, &sample.record),
            }
        }
        let mut runner = TestRunner::deterministic();
        for writer in 0..self.writers.len() - 1 {
            for _ in 0..8 {
                let record = records::change_log().new_tree(&mut runner).expect("a value").current();
                self.change_log(0, Some(writer), &record);
            }
        }
        for _ in 0..count {
            self.feed_one();
        }
        self.end_all();
    }

    /// Feeds events, at a steady rate, for as long as `work` takes.
    pub(super) fn feed_during(&mut self, work: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let working = scope.spawn(work);
            for _ in 0..MOST_DURING {
                if working.is_finished() {
                    break;
                }
                self.feed_one();
                self.feeder.flush();
                std::thread::sleep(ONE_EVERY);
            }
            working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        self.end_all();
    }

    fn feed_one(&mut self) {
        let record = change_log(&mut self.rng);
        match self.rng.u8(..8) {
            0 => self.change_log(1, None, &record),
            1..4 => self.change_log(0, None, &record),
            4 | 5 => {
                let payload = entity_change(&mut self.rng);
                self.platform_event(&platform_event_json("entityChangeEvent", 1, &payload));
            }
            6 => {
                let payload = relationship_change(&mut self.rng);
                self.platform_event(&platform_event_json("relationshipChangeEvent", 1, &payload));
            }
            _ => self.platform_event(&platform_event_json("eventOfTomorrow", 1, &json!({"a": 1}))),
        }
    }

    fn end_all(&mut self) {
        // The framework commits nothing for a platform event that it does not know, so that one at a
        // partition's end would never be committed by it.
        for partition in 0..PLATFORM_PARTITIONS {
            let last = platform_event_json("entityChangeEvent", 1, &entity_change(&mut self.rng));
            self.send(2, partition, self.writers.len() - 1, &last);
        }
        self.feeder.flush();
    }

    fn change_log(&mut self, topic: usize, writer: Option<usize>, record: &Value) {
        let writer = writer.unwrap_or_else(|| self.rng.usize(..self.writers.len() - 1));
        let partition = if topic == 0 { self.rng.i32(0..VERSIONED_PARTITIONS) } else { 0 };
        self.send(topic, partition, writer, record);
    }

    fn platform_event(&mut self, record: &Value) {
        let partition = self.rng.i32(0..PLATFORM_PARTITIONS);
        self.send(2, partition, self.writers.len() - 1, record);
    }

    fn send(&mut self, topic: usize, partition: i32, writer: usize, record: &Value) {
        let (id, schema) = &self.writers[writer];
        let value = encode_json(*id, schema, record).expect("the record fits its writer's schema");
        self.feeder.keyed(&self.names[topic], partition, "key", Some(&value));
        self.fed += 1;
    }
}

fn one_of<T: Clone>(rng: &mut Rng, values: &[T]) -> T {
    values[rng.usize(..values.len())].clone()
}

fn change_log(rng: &mut Rng) -> Value {
    let types = ["dataset", "chart", "dataHubExecutionRequest", "schemaField"];
    let changes = ["UPSERT", "CREATE", "UPDATE", "DELETE", "PATCH", "RESTATE", "CREATE_ENTITY"];
    let names = ["status", "globalTags", "ownership", "dataHubExecutionRequestInput"].map(Value::from);
    let urn = json!("urn:li:dataset:(urn:li:dataPlatform:hive,sales,PROD)");
    let (aspect, previous) = (aspect(rng), aspect(rng));
    json!({
        "entityType": one_of(rng, &types),
        "entityUrn": one_of(rng, &[urn.clone(), urn, Value::Null]),
        "entityKeyAspect": one_of(rng, &[Value::Null, aspect.clone()]),
        "changeType": one_of(rng, &changes),
        "aspectName": if rng.u8(..9) == 0 { Value::Null } else { one_of(rng, &names) },
        "aspect": aspect,
        "previousAspectValue": one_of(rng, &[Value::Null, previous]),
        "systemMetadata": system_metadata(rng),
        "previousSystemMetadata": system_metadata(rng),
        "headers": one_of(rng, &[Value::Null, json!({}), json!({"X-A": "1", "ü": ""})]),
        "created": one_of(rng, &[Value::Null, json!({"time": 1, "actor": "urn:li:corpuser:a", "message": null})]),
    })
}

fn aspect(rng: &mut Rng) -> Value {
    let values = [
        r#"{"removed": true}"#,
        r#"{"removed": 1}"#,
        r#"{"removed": 1.0, "at": 1e3}"#,
        r#"{"removed": "true"}"#,
        r#"{"removed": false}"#,
        r#"{"executorId": "default", "task": "RUN_INGEST", "args": {"n": 1}}"#,
        r#"{"executorId": "default", "task": "TEST", "args": {"n": 1.0}}"#,
        r#"{"executorId": "other", "args": {"n": true}}"#,
        r#"{"executorId": null, "args": {"n": "1"}}"#,
        r#"{"note": "{\"inner\": {\"deep\": \"a\"}}"}"#,
        r#"{"note": {"inner": "{\"deep\": \"a\", \"deep\": \"b\"}"}}"#,
        r#"{"tags": [{"tag": "urn:li:tag:pii"}], "ü": "\ud83d\ude00"}"#,
        "",
        "null",
        "[1, {\"removed\": true}]",
        "\"{\\\"removed\\\": true}\"",
        "{\"removed\": true",
        " {\"removed\": true}\n",
    ];
    if rng.u8(..6) == 0 {
        return Value::Null;
    }
    let content_type = one_of(rng, &["application/json", "application/json-patch+json", ""]);
    json!({"value": one_of(rng, &values), "contentType": content_type})
}

fn system_metadata(rng: &mut Rng) -> Value {
    let stamp = json!({"time": 5, "actor": "urn:li:corpuser:b", "impersonator": "urn:li:corpuser:c"});
    let given = json!({
        "lastObserved": one_of(rng, &[json!(null), json!(0), json!(1_700_000_000_000_i64)]),
        "runId": one_of(rng, &[json!(null), json!("no-run-id-provided"), json!("run-1")]),
        "lastRunId": one_of(rng, &[json!(null), json!("run-1")]),
        "pipelineName": one_of(rng, &[json!(null), json!("p")]),
        "properties": one_of(rng, &[json!(null), json!({}), json!({"a": "b"})]),
        "version": one_of(rng, &[json!(null), json!("2")]),
        "schemaVersion": one_of(rng, &[json!(null), json!(3)]),
        "aspectCreated": one_of(rng, &[json!(null), stamp.clone()]),
        "aspectModified": one_of(rng, &[json!(null), stamp]),
    });
    one_of(rng, &[Value::Null, json!({}), given.clone(), given])
}

/// The framework dies of an entity change event without a version; see `faults`.
fn with_version(mut payload: Value) -> Value {
    if payload.get("entityUrn").is_some() && payload.get("version").is_none() {
        payload["version"] = json!(0);
    }
    payload
}

fn entity_change(rng: &mut Rng) -> Value {
    let parameters = [
        json!({"tagUrn": "urn:li:tag:pii"}),
        json!({"tagUrn": "urn:li:tag:pii", "nested": {"a": [1, 2.5, null, {"b": false}]}, "none": null}),
        json!({"fieldPath": "a.ü", "count": 1, "ratio": 1.649_955_555_555_555_5e118}),
        json!({}),
        Value::Null,
    ];
    json!({
        "entityType": one_of(rng, &["dataset", "chart"]),
        "entityUrn": "urn:li:dataset:1",
        "category": one_of(rng, &["TAG", "OWNER", "DOCUMENTATION"]),
        "operation": one_of(rng, &["ADD", "REMOVE", "MODIFY"]),
        "modifier": one_of(rng, &[Value::Null, json!("urn:li:tag:pii")]),
        "parameters": one_of(rng, &parameters),
        "auditStamp": {
            "actor": "urn:li:corpuser:a",
            "time": one_of(rng, &[1_700_000_000_000_i64, 1, -1, i64::MAX]),
            "impersonator": one_of(rng, &[Value::Null, json!("urn:li:corpuser:b")]),
        },
        "version": one_of(rng, &[0, 1]),
    })
}

fn relationship_change(rng: &mut Rng) -> Value {
    let mut event = json!({
        "sourceUrn": "urn:li:dataset:1",
        "destinationUrn": "urn:li:glossaryTerm:1",
        "operation": one_of(rng, &["ADD", "REMOVE", "RESTATE"]),
        "relationshipType": one_of(rng, &["TermedWith", "OwnedBy"]),
        "lifecycleOwner": one_of(rng, &[Value::Null, json!("urn:li:dataset:1")]),
        "via": one_of(rng, &[Value::Null, json!("urn:li:dataset:2")]),
        "properties": one_of(rng, &[Value::Null, json!({}), json!({"weight": "1"})]),
        "auditStamp": {"actor": "urn:li:corpuser:a", "time": 7, "message": null},
    });
    if rng.bool() {
        event.as_object_mut().expect("an object").remove("via");
    }
    event
}
