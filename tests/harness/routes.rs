//! The topics that a recipe reads by choice, to the action and with all that a recipe may ask for on the way.

use std::time::Duration;

use datahub_relay::avro::{SchemaId, encode_json, schemas};
use serde_json::{Value, json};

use super::action_log::LineLog;
use super::bare_feeder::{BareFeeder, BareRecord};
use super::broker::Broker;
use super::scene::Scene;
use super::wait::wait_until;

const ALL_FINISHED: Duration = Duration::from_secs(60);

const MADE_UP: &str = r#"{"type": "record", "name": "MadeUp", "namespace": "com.example", "fields": [
    {"name": "count", "type": "int"}, {"name": "remark", "type": ["null", "string"]}]}"#;

/// A proposal, a failed one, a platform event of a strange name and a record of another topic reach the
/// action as events of their types, transformed, with the record's key and headers in their `meta`.
pub(crate) fn check_topics_read_by_choice(broker: &dyn Broker) {
    let scene = Scene::on(broker, "routes");
    let [proposals, failed, platform, other] =
        ["proposals", "failed", "platform", "other"].map(|kind| scene.topic(kind, 1));
    let lines = scene.directory().join("events.jsonl");
    let recipe = scene
        .recipe()
        .source(
            "topic_routes",
            json!({"mcp": proposals, "fmcp": failed, "pe": platform, "avro": {&*other: "MadeUpEvent_v1"}}),
        )
        .source("platform_events", "all")
        .top(
            "transform",
            json!([
                {"type": "enrich", "config": {"set": {"seen": true}}},
                {"type": "project", "config": {"drop": ["systemMetadata"]}},
                {"type": "filter", "config": {"event_type": "MadeUpEvent_v1", "event": {"count": 0}, "matching": "drop"}},
            ]),
        )
        .option("meta", "full")
        .write_to(&lines);

    let proposal = json!({"entityType": "dataset", "entityUrn": "urn:li:dataset:x", "changeType": "UPSERT",
        "aspectName": "status", "aspect": {"value": "{}", "contentType": "application/json"},
        "systemMetadata": {"runId": "r"}});
    let refused = json!({"metadataChangeProposal": proposal, "error": "no"});
    let strange = json!({"header": {"timestampMillis": 5}, "name": "strangeEvent",
        "payload": {"value": "not even JSON", "contentType": "text/plain"}});
    let mut feeder = BareFeeder::new(broker);
    let mut feed = |topic: &str, id: u32, schema: &str, record: &Value| {
        scene.registry.put(id, schema);
        let parsed = apache_avro::Schema::parse_str(schema).expect("a valid schema");
        let value = encode_json(SchemaId(id), &parsed, record).expect("a record of the schema");
        let headers = vec![("trace".to_owned(), Some(b"1".to_vec())), ("trace".to_owned(), None)];
        feeder.feed(topic, &BareRecord { headers, ..BareRecord::of(value) });
        feeder.flush();
    };
    feed(&proposals, 30, schemas::METADATA_CHANGE_PROPOSAL_JSON, &proposal);
    feed(&failed, 31, schemas::FAILED_METADATA_CHANGE_PROPOSAL_JSON, &refused);
    feed(&platform, 4, schemas::PLATFORM_EVENT_JSON, &strange);
    feed(&other, 32, MADE_UP, &json!({"count": 0, "remark": "falls"}));
    feed(&other, 32, MADE_UP, &json!({"count": 7, "remark": null}));

    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&proposals, 1), (&failed, 1), (&platform, 1), (&other, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(5));
    wait_until("what fell to be counted", ALL_FINISHED, || {
        relay.metric("datahub_relay_dropped_total", &["reason=\"transform\""]) == Some(1.0)
    });
    relay.stop();

    let with = |event: &Value, more: Value| {
        let mut event = event.clone();
        event.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        event
    };
    let mut transformed = with(&proposal, json!({"seen": true}));
    transformed.as_object_mut().expect("a map").remove("systemMetadata");
    let mut in_full = refused.clone();
    in_full["metadataChangeProposal"]["systemMetadata"] =
        json!({"lastObserved": 0, "runId": "r", "lastRunId": "no-run-id-provided"});
    let expected = [
        (&proposals, "MetadataChangeProposalEvent_v1", transformed, 0),
        (&failed, "FailedMetadataChangeProposalEvent_v1", with(&in_full, json!({"seen": true})), 0),
        (&platform, "PlatformEvent_v1", with(&strange, json!({"seen": true})), 0),
        (&other, "MadeUpEvent_v1", json!({"count": 7, "remark": null, "seen": true}), 1),
    ];
    let mut log: LineLog<Value> = LineLog::at(&lines);
    let mut acted = log.read().to_vec();
    assert_eq!(acted.len(), expected.len(), "{acted:#?}");
    for (topic, event_type, event, offset) in expected {
        let mut seen = acted
            .iter_mut()
            .find(|line| line["meta"]["kafka"]["topic"] == **topic)
            .unwrap_or_else(|| panic!("nothing came of {topic}"))
            .take();
        let timestamp = seen["meta"]["kafka"]["timestamp"].take();
        assert!(timestamp.as_i64().is_some_and(|timestamp| timestamp > 0), "{timestamp}");
        let headers = json!([{"key": "trace", "value": "1"}, {"key": "trace", "value": null}]);
        let meta = json!({"topic": topic, "partition": 0, "offset": offset, "timestamp": null, "key": "key",
            "headers": headers});
        assert_eq!(seen, json!({"event_type": event_type, "event": event, "meta": {"kafka": meta}}));
    }
    assert!(scene.dead_letters().read().is_empty());
}
