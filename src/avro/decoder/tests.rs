use serde_json::{Value, json};
use url::Url;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::avro::{
    Patience, RegistrySettings, ScanCache, SchemaId, encode_json, platform_event_json, schemas,
};
use crate::event::{FieldSet, Position, Scanned, Stage, TopicPartition};

/// A registry that knows change logs as id 2, and answers 500 to id 99.
async fn registry() -> (MockServer, Arc<SchemaRegistry>) {
    let server = MockServer::start().await;
    let schema = json!({"schema": schemas::METADATA_CHANGE_LOG_JSON});
    let known = Mock::given(path("/schemas/ids/2"));
    known.respond_with(ResponseTemplate::new(200).set_body_json(schema)).mount(&server).await;
    let broken = Mock::given(path("/schemas/ids/99"));
    broken.respond_with(ResponseTemplate::new(500)).mount(&server).await;
    let settings = RegistrySettings::at(vec![Url::parse(&server.uri()).unwrap()]);
    let patience = Patience { unknown_id: std::time::Duration::ZERO, ..Patience::default() };
    let registry = SchemaRegistry::new(&RegistrySettings { patience, ..settings.clone() }).unwrap();
    (server, Arc::new(registry))
}

fn record(value: Option<Vec<u8>>) -> Record {
    let source = TopicPartition { topic: "MetadataChangeLog_Versioned_v1".into(), partition: 1 };
    let position = Position { source, offset: 7 };
    Record { position, timestamp_ms: None, key: None, value, headers: Vec::new() }
}

fn change_log(id: u32) -> Vec<u8> {
    let event = json!({"entityType": "dataset", "changeType": "UPSERT"});
    encode_json(SchemaId(id), schemas::metadata_change_log(), &event).unwrap()
}

#[tokio::test]
async fn a_record_is_decoded_with_the_schema_that_it_names() {
    let (_server, registry) = registry().await;
    let decoder = Decoder::new(registry);
    let decoded = decoder.decode(&Route::ChangeLog, &record(Some(change_log(2)))).await.unwrap();
    let Decoded::Event(envelope) = decoded else { panic!("{decoded:?}") };
    assert_eq!(
        serde_json::to_value(&envelope).unwrap(),
        json!({
            "event_type": "MetadataChangeLogEvent_v1",
            "event": {"entityType": "dataset", "changeType": "UPSERT"},
            "meta": {"kafka": {"topic": "MetadataChangeLog_Versioned_v1", "partition": 1, "offset": 7}},
        })
    );
    assert_eq!(decoder.decode(&Route::ChangeLog, &record(None)).await.unwrap(), Decoded::Tombstone);
}

#[tokio::test]
async fn each_failure_names_its_stage_and_an_outage_none() {
    let (_server, registry) = registry().await;
    let decoder = Decoder::new(registry);
    let mut cut = change_log(2);
    cut.pop();
    for (value, stage, class) in [
        (Vec::new(), Some(Stage::Envelope), "empty_value"),
        (b"{}".to_vec(), Some(Stage::Envelope), "no_magic_byte"),
        (cut, Some(Stage::Avro), "truncated"),
        // The registry has resolved an id by now, so its empty 404 means that it does not know this one.
        (change_log(3), Some(Stage::Schema), "unknown_schema"),
        (change_log(99), None, "registry_unavailable"),
    ] {
        let error = decoder.decode(&Route::ChangeLog, &record(Some(value))).await.unwrap_err();
        assert_eq!((error.stage(), error.class()), (stage, class), "{error}");
        assert_eq!(error.retry_after().is_some(), stage.is_none());
    }
}

#[tokio::test]
async fn the_polling_thread_scans_what_has_been_resolved_and_never_asks() {
    let (server, registry) = registry().await;
    let mut cache = ScanCache::new(Arc::clone(&registry));
    let value = change_log(2);
    assert!(cache.find(&value).is_none());
    assert!(cache.find(b"{}").is_none());
    assert!(server.received_requests().await.unwrap().is_empty());

    registry.schema(SchemaId(2)).await.unwrap();
    for _ in 0..2 {
        let (schema, body) = cache.find(&value).unwrap();
        let scanned = schema.projection().scan(body, FieldSet::ALL).unwrap();
        assert_eq!(scanned.entity_type, Scanned::Text("dataset"));
        assert!(cache.find(&change_log(3)).is_none());
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

fn body_of(schema: &CompiledSchema, record: &Value) -> Vec<u8> {
    encode_json(SchemaId(0), schema.schema(), record).unwrap().split_off(wire::HEADER_BYTES)
}

#[test]
fn the_generic_path_reads_what_the_typed_one_reads() {
    let typed = CompiledSchema::parse(schemas::METADATA_CHANGE_LOG_JSON).unwrap();
    assert!(typed.typed().is_some());
    let generic = CompiledSchema::parse(schemas::METADATA_CHANGE_LOG_JSON).unwrap().without_typed();
    let samples = [
        include_str!("../../embedded/samples/versioned.json"),
        include_str!("../../embedded/samples/timeseries.json"),
    ];
    for sample in samples.iter().flat_map(|json| serde_json::from_str::<Vec<Value>>(json).unwrap()) {
        let body = body_of(&typed, &sample["record"]);
        let expected = read_body(&Route::ChangeLog, &typed, &body).unwrap();
        assert_eq!(read_body(&Route::ChangeLog, &generic, &body).unwrap(), expected);
    }

    let typed = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap();
    let generic = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap().without_typed();
    let samples = include_str!("../../embedded/samples/platform_events.json");
    for sample in serde_json::from_str::<Vec<Value>>(samples).unwrap() {
        let name = sample["name"].as_str().unwrap();
        let body = body_of(&typed, &platform_event_json(name, 1, &sample["payload"]));
        let expected = read_body(&Route::PlatformEvent, &typed, &body).unwrap();
        assert_eq!(read_body(&Route::PlatformEvent, &generic, &body).unwrap(), expected);
    }
}

#[test]
fn a_record_without_what_an_event_needs_is_unreadable() {
    let schema = json!({"type": "record", "name": "MetadataChangeLog",
        "namespace": "com.linkedin.pegasus2avro.mxe", "fields": [{"name": "entityType", "type": "string"}]});
    let schema = CompiledSchema::parse(&schema.to_string()).unwrap();
    let error = read_body(&Route::ChangeLog, &schema, &[2, b'a']).unwrap_err();
    assert_eq!((error.class(), error.stage()), ("unreadable", Some(Stage::Avro)));
    assert!(error.to_string().contains("changeType"), "{error}");
}

fn read_json(route: &Route, schema: &CompiledSchema, record: &Value) -> (String, Value) {
    match read_body(route, schema, &body_of(schema, record)).unwrap() {
        Body::Event(event_type, event) => {
            (event_type.as_str().to_owned(), serde_json::to_value(event).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_platform_event_of_an_unknown_name_is_handed_on_with_name_header_and_payload_if_all_are() {
    let schema = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap();
    let record = platform_event_json("somethingElse", 7, &json!({"a": 1}));
    for schema in [CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap(), schema.without_typed()] {
        let known_only = read_body(&Route::PlatformEvent, &schema, &body_of(&schema, &record)).unwrap();
        assert_eq!(known_only, Body::UnknownPlatformEvent("somethingElse".to_owned()));
        let (event_type, event) = read_json(&Route::EveryPlatformEvent, &schema, &record);
        assert_eq!(event_type, "PlatformEvent_v1");
        assert_eq!(
            event,
            json!({"header": {"timestampMillis": 7}, "name": "somethingElse",
                "payload": {"value": "{\"a\":1}", "contentType": "application/json"}})
        );
    }
}

#[test]
fn a_proposal_and_a_failed_one_show_what_their_records_hold_without_nulls_and_with_defaults() {
    let proposal = json!({
        "entityType": "dataset", "entityUrn": "urn:li:dataset:x", "changeType": "UPSERT",
        "aspectName": "status", "aspect": {"value": "{\"removed\":true}", "contentType": "application/json"},
        "systemMetadata": {"lastObserved": null, "runId": "r", "lastRunId": null},
    });
    let mut expected = proposal.clone();
    expected["systemMetadata"] = json!({"lastObserved": 0, "runId": "r", "lastRunId": "no-run-id-provided"});
    let typed = || CompiledSchema::parse(schemas::METADATA_CHANGE_PROPOSAL_JSON).unwrap();
    for schema in [typed(), typed().without_typed()] {
        let read = read_json(&Route::Proposal, &schema, &proposal);
        assert_eq!(read, ("MetadataChangeProposalEvent_v1".to_owned(), expected.clone()));
    }
    let typed = || CompiledSchema::parse(schemas::FAILED_METADATA_CHANGE_PROPOSAL_JSON).unwrap();
    assert!(typed().typed().is_some());
    let failed = json!({"metadataChangeProposal": proposal, "error": "no such aspect"});
    let expected = json!({"metadataChangeProposal": expected, "error": "no such aspect"});
    for schema in [typed(), typed().without_typed()] {
        let read = read_json(&Route::FailedProposal, &schema, &failed);
        assert_eq!(read, ("FailedMetadataChangeProposalEvent_v1".to_owned(), expected.clone()));
    }
}

/// Much of what Avro has.
const ANY: &str = r#"{"type": "record", "name": "Any", "namespace": "com.example", "fields": [
    {"name": "nothing", "type": ["null", "string"]},
    {"name": "count", "type": ["null", "int"]},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
    {"name": "tags", "type": {"type": "map", "values": "boolean"}},
    {"name": "one", "type": ["null", {"type": "record", "name": "A", "fields": [
        {"name": "x", "type": "double"}]}]},
    {"name": "many", "type": {"type": "array", "items": ["A", {"type": "record", "name": "B",
        "namespace": "org.example", "fields": [{"name": "x", "type": "string"}]}, "string"]}}]}"#;

#[test]
fn a_record_of_any_schema_is_plain_json_and_says_which_of_several_records_it_holds() {
    let schema = CompiledSchema::parse(ANY).unwrap();
    let mut body = vec![0, 2, 14, 2, 4, 0x12, 0x34, 4];
    body.extend([2, b'b', 1, 2, b'a', 0, 0]);
    body.push(2);
    body.extend(1.5_f64.to_le_bytes());
    body.extend([6, 0]);
    body.extend(2.5_f64.to_le_bytes());
    body.extend([2, 2, b'y', 4, 2, b'z', 0]);
    let route = Route::Avro("AnyEvent_v1".into());
    let Body::Event(event_type, event) = read_body(&route, &schema, &body).unwrap() else { panic!() };
    assert_eq!(event_type, EventType::Other("AnyEvent_v1".into()));
    assert_eq!(
        serde_json::to_value(event).unwrap(),
        json!({"nothing": null, "count": 7, "at": 1, "price": "\u{12}4", "tags": {"a": false, "b": true},
            "one": {"x": 1.5},
            "many": [{"com.example.A": {"x": 2.5}}, {"org.example.B": {"x": "y"}}, "z"]})
    );
    let error = read_body(&route, &schema, &body[..body.len() - 1]).unwrap_err();
    assert_eq!((error.class(), error.stage()), ("truncated", Some(Stage::Avro)));
}

#[test]
fn what_is_no_record_is_no_event_of_any_topic() {
    let schema = CompiledSchema::parse(r#"{"type": "map", "values": "int"}"#).unwrap();
    let error = read_body(&Route::Avro("Maps".into()), &schema, &[0]).unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Type));
    assert_eq!(
        error.to_string(),
        "the topic carries records, but this is a schema that is no record; check topic_routes"
    );
}

#[test]
fn apache_avro_takes_what_the_check_lets_pass_within_its_bound_which_is_set() {
    let (nothing, text) = (json!({"type": "array", "items": "null"}), json!("string"));
    let read = |list: &Value, body: &[u8]| {
        let schema = json!({"type": "record", "name": "R", "fields": [{"name": "list", "type": list}]});
        let schema = CompiledSchema::parse(&schema.to_string()).unwrap();
        read_body(&Route::Avro("any".into()), &schema, body).map(|_| ())
    };
    // 2^18 - 2 items of no bytes, then one more: with the record and the list itself they are too many.
    read(&nothing, &[0xfc, 0xff, 0x1f, 0]).unwrap();
    assert_eq!(read(&nothing, &[0xfe, 0xff, 0x1f, 0]).unwrap_err().class(), "too_many_values");
    // 16 MiB and a byte of text.
    let long = [&[0x82, 0x80, 0x80, 0x10][..], &vec![b'a'; (16 << 20) + 1]].concat();
    let error = read(&text, &long).unwrap_err();
    assert!(error.to_string().contains("(maximum allowed: 16777216)"), "{error}");
    assert_eq!(error.stage(), Some(Stage::Avro));
}
