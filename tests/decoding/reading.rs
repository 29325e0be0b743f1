//! What the decoder makes of whole, cut, old, new and broken records.

use apache_avro::Schema;
use datahub_relay::avro::projection::Projection;
use datahub_relay::avro::{Body, CompiledSchema, SchemaId, encode_json, read_body, schemas, wire};
use datahub_relay::event::{Event, EventType, FieldSet, Route, Scanned};
use proptest::prelude::*;
use serde_json::Value;

use crate::records;

fn body_of(schema: &Schema, record: &Value) -> Vec<u8> {
    encode_json(SchemaId(0), schema, record).unwrap()[wire::HEADER_BYTES..].to_vec()
}

fn change_log_json(schema: &CompiledSchema, body: &[u8]) -> Value {
    match read_body(&Route::ChangeLog, schema, body).unwrap() {
        Body::Event(EventType::MetadataChangeLog, event) => serde_json::to_value(event).unwrap(),
        other => panic!("not a change log: {other:?}"),
    }
}

/// The sample events as bodies, each with the schema it was written with.
fn sample_bodies() -> Vec<(Route, CompiledSchema, Vec<u8>)> {
    let mut bodies = Vec::new();
    for sample in records::samples() {
        if sample.is_platform_event() {
            let body = body_of(schemas::platform_event(), &sample.record);
            let schema = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap();
            bodies.push((Route::PlatformEvent, schema, body));
            continue;
        }
        for (_, schema) in records::change_log_schemas() {
            let schema = CompiledSchema::parse(&schema).unwrap();
            let body = body_of(schema.schema(), &sample.record);
            bodies.push((Route::ChangeLog, schema, body));
        }
    }
    bodies
}

#[test]
fn every_sample_event_is_read_as_it_was_written() {
    for sample in records::samples() {
        if sample.is_platform_event() {
            let schema = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap();
            let body = body_of(schema.schema(), &sample.record);
            let payload: Value =
                serde_json::from_str(sample.record["payload"]["value"].as_str().unwrap()).unwrap();
            match read_body(&Route::PlatformEvent, &schema, &body).unwrap() {
                Body::Event(_, Event::Object(read)) => assert_eq!(Value::Object(read), payload),
                Body::UnknownPlatformEvent(name) => assert_eq!(name, "notificationRequestEvent"),
                other => panic!("{other:?}"),
            }
            continue;
        }
        for (name, schema) in records::change_log_schemas() {
            let compiled = CompiledSchema::parse(&schema).unwrap();
            let body = body_of(compiled.schema(), &sample.record);
            let expected = records::expected_event(&schema, &sample.record);
            assert_eq!(change_log_json(&compiled, &body), expected, "schema {name}");
        }
    }
}

#[test]
fn every_cut_of_every_sample_is_an_error_and_so_is_every_byte_too_many() {
    for (route, schema, body) in sample_bodies() {
        for cut in 0..body.len() {
            let error = read_body(&route, &schema, &body[..cut]).unwrap_err();
            assert_eq!(error.class(), "truncated", "{cut} of {} bytes", body.len());
        }
        for extra in [0, 1, 0x80, 0xff] {
            let longer = [&body[..], &[extra]].concat();
            assert_eq!(read_body(&route, &schema, &longer).unwrap_err().class(), "trailing_bytes");
        }
    }
}

#[test]
fn an_unknown_change_type_is_passed_on_as_it_is() {
    let (_, newer) = records::change_log_schemas().pop().unwrap();
    let schema = CompiledSchema::parse(&newer).unwrap();
    let record = serde_json::json!({"entityType": "dataset", "changeType": "MERGE"});
    let body = body_of(schema.schema(), &record);
    assert_eq!(change_log_json(&schema, &body)["changeType"], "MERGE");
    let scanned = schema.projection().scan(&body, FieldSet::ALL).unwrap();
    assert_eq!(scanned.change_type, Scanned::Text("MERGE"));
    assert_eq!(scanned.entity_urn, Scanned::Null);
    assert_eq!(scanned.event_name, Scanned::Unknown);
}

#[test]
fn a_record_of_another_type_than_the_topics_is_an_error() {
    for (route, schema, body) in sample_bodies() {
        let other = match route {
            Route::ChangeLog => Route::PlatformEvent,
            _ => Route::ChangeLog,
        };
        assert_eq!(read_body(&other, &schema, &body).unwrap_err().class(), "wrong_type");
    }
    let schema = CompiledSchema::parse(r#""string""#).unwrap();
    assert_eq!(read_body(&Route::ChangeLog, &schema, &[2, b'a']).unwrap_err().class(), "wrong_type");
}

#[test]
fn bytes_that_are_not_utf8_show_one_character_each() {
    let schema = CompiledSchema::parse(schemas::METADATA_CHANGE_LOG_JSON).unwrap();
    let record = serde_json::json!({"entityType": "dataset", "changeType": "UPSERT",
        "aspect": {"value": "{??}", "contentType": "application/json"}});
    let mut body = body_of(schema.schema(), &record);
    let at = body.windows(4).position(|window| window == b"{??}").unwrap();
    body[at + 1..at + 3].copy_from_slice(&[0xe4, 0xff]);
    assert_eq!(change_log_json(&schema, &body)["aspect"]["value"], "{\u{e4}\u{ff}}");
    let text = body.windows(7).position(|window| window == b"dataset").unwrap();
    body[text] = 0xff;
    assert_eq!(read_body(&Route::ChangeLog, &schema, &body).unwrap_err().class(), "invalid_utf8");
}

#[test]
fn a_platform_event_shows_where_its_payload_is_wrong() {
    let schema = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap();
    let read = |value: &str, content_type: &str| {
        let record = serde_json::json!({"header": {"timestampMillis": 1}, "name": "entityChangeEvent",
            "payload": {"value": value, "contentType": content_type}});
        read_body(&Route::PlatformEvent, &schema, &body_of(schema.schema(), &record)).unwrap_err()
    };
    assert_eq!(read("{", "application/json").class(), "payload_not_json");
    assert_eq!(read("{}", "application/json").class(), "payload_missing_field");
    assert_eq!(read("{}", "avro/binary").class(), "payload_content_type");
    assert_eq!(read("{", "application/json").stage().unwrap().as_str(), "payload");
}

/// Any set of fields.
fn field_set() -> impl Strategy<Value = FieldSet> {
    any::<[bool; 5]>().prop_map(|[entity_type, entity_urn, aspect_name, change_type, event_name]| FieldSet {
        entity_type,
        entity_urn,
        aspect_name,
        change_type,
        event_name,
    })
}

/// A writer's schema of a change log, and a body written with it.
fn written_change_log() -> impl Strategy<Value = (String, Value, Vec<u8>)> {
    let schemas: Vec<_> = records::change_log_schemas().into_iter().map(|(_, schema)| schema).collect();
    (prop::sample::select(schemas), records::change_log()).prop_map(|(schema, event)| {
        let body = body_of(&Schema::parse_str(&schema).unwrap(), &event);
        (schema, event, body)
    })
}

fn agrees(scanned: Scanned<'_>, wanted: bool, decoded: &Value) -> bool {
    match scanned {
        Scanned::Unknown => !wanted,
        Scanned::Null => wanted && decoded.is_null(),
        Scanned::Text(text) => wanted && decoded == text,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn an_event_is_read_as_apache_avro_wrote_it((schema, event, body) in written_change_log()) {
        let compiled = CompiledSchema::parse(&schema).unwrap();
        prop_assert_eq!(change_log_json(&compiled, &body), records::expected_event(&schema, &event));
    }

    #[test]
    fn a_scan_reads_what_the_decoder_reads(
        (schema, _, body) in written_change_log(),
        wanted in field_set(),
    ) {
        let compiled = CompiledSchema::parse(&schema).unwrap();
        let decoded = change_log_json(&compiled, &body);
        let scanned = compiled.projection().scan(&body, wanted).unwrap();
        prop_assert!(agrees(scanned.entity_type, wanted.entity_type, &decoded["entityType"]));
        prop_assert!(agrees(scanned.entity_urn, wanted.entity_urn, &decoded["entityUrn"]));
        prop_assert!(agrees(scanned.aspect_name, wanted.aspect_name, &decoded["aspectName"]));
        prop_assert!(agrees(scanned.change_type, wanted.change_type, &decoded["changeType"]));
        prop_assert_eq!(scanned.event_name, Scanned::Unknown);
    }

    #[test]
    fn a_cut_is_an_error((schema, _, body) in written_change_log(), cut in any::<prop::sample::Index>()) {
        let compiled = CompiledSchema::parse(&schema).unwrap();
        let cut = &body[..cut.index(body.len())];
        prop_assert_eq!(read_body(&Route::ChangeLog, &compiled, cut).unwrap_err().class(), "truncated");
    }

    #[test]
    fn no_bytes_make_the_decoder_or_the_scan_panic(
        (schema, _, mut body) in written_change_log(),
        wanted in field_set(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let compiled = CompiledSchema::parse(&schema).unwrap();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let checked = compiled.projection().check(&body).is_ok();
        let decoded = read_body(&Route::ChangeLog, &compiled, &body).is_ok();
        prop_assert_eq!(checked, decoded, "a body of the right bytes is a change log");
        let scanned = compiled.projection().scan(&body, wanted).is_ok();
        prop_assert!(scanned || !checked, "a body that passes the check can be scanned");
    }

    #[test]
    fn noise_is_refused_without_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, schema) in records::change_log_schemas() {
            let schema = CompiledSchema::parse(&schema).unwrap();
            let projection: &Projection = schema.projection();
            if projection.check(&noise).is_ok() {
                prop_assert!(read_body(&Route::ChangeLog, &schema, &noise).is_ok());
            }
        }
    }
}
