//! The rows, and how their records are made.

use serde_json::{Value, json};

use super::{Case, Expected, Topic};
use crate::harness::writer::{Encoder, Writer};

/// Under this id stands a change log that contains itself.
pub(super) const NESTING_ID: u32 = 77;
pub(super) const NESTING_SCHEMA: &str = r#"{"type": "record", "name": "MetadataChangeLog",
    "namespace": "com.linkedin.pegasus2avro.mxe", "fields": [
        {"name": "inner", "type": ["null", "MetadataChangeLog"]}]}"#;

/// An empty value, fewer than 5 bytes, a first byte that is not 0.
pub(crate) fn no_wire_header() -> Vec<Case> {
    let letter = |class| Expected::DeadLetter("envelope", class);
    vec![
        Case::change_log("an empty value", [], letter("empty_value")),
        Case::change_log("one byte", [0], letter("header_too_short")),
        Case::platform_event("four bytes", [0, 0, 0, 4], letter("header_too_short")),
        Case::change_log("another first byte", [1, 0, 0, 0, 0, 2], letter("no_magic_byte")),
        Case::platform_event("JSON", b"{\"name\": \"x\"}".to_vec(), letter("no_magic_byte")),
    ]
}

/// A body cut at any byte.
pub(crate) fn a_body_cut_at_any_byte() -> Vec<Case> {
    let cut = Expected::DeadLetter("avro", "truncated");
    let (change_log, platform_event) = (a_change_log(), a_platform_event("entityChangeEvent", &tag_added()));
    let of_change_log = (HEADER..change_log.len())
        .map(|end| Case::change_log(format!("change log cut at {end}"), &change_log[..end], cut));
    let of_platform_event = (HEADER..platform_event.len())
        .map(|end| Case::platform_event(format!("platform event cut at {end}"), &platform_event[..end], cut));
    of_change_log.chain(of_platform_event).collect()
}

/// Bytes after the record's end.
pub(crate) fn bytes_after_the_end() -> Vec<Case> {
    let trailing = Expected::DeadLetter("avro", "trailing_bytes");
    let with = |mut value: Vec<u8>, more: &[u8]| {
        value.extend(more);
        value
    };
    let platform_event = a_platform_event("entityChangeEvent", &tag_added());
    vec![
        Case::change_log("a zero", with(a_change_log(), &[0]), trailing),
        Case::change_log("another record", with(a_change_log(), &a_change_log()), trailing),
        Case::platform_event("a byte", with(platform_event, &[0xff]), trailing),
    ]
}

/// Invalid UTF-8, indexes out of range, negative or absurd lengths, a nesting bomb.
pub(crate) fn a_body_that_is_no_avro() -> Vec<Case> {
    let letter = |class| Expected::DeadLetter("avro", class);
    // entityType "a", then the branch of entityUrn.
    let early = |body: &[u8]| [&[0, 0, 0, 0, 0], body].concat();
    let absurd = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    // aspect null, then `approvals`: an array of i64::MAX maps.
    let many = [&[0, 0, 0, 0, 18, 0][..], &absurd].concat();
    let mut bomb = vec![0, 0, 0, 0, u8::try_from(NESTING_ID).expect("a small id")];
    bomb.extend([2; 100_000]);
    vec![
        Case::change_log("no UTF-8", early(&[2, 0xff, 0, 0, 0, 0]), letter("invalid_utf8")),
        Case::change_log("a branch that is not there", early(&[2, b'a', 4]), letter("union_index")),
        Case::change_log("a symbol that is not there", early(&[2, b'a', 0, 60]), letter("enum_index")),
        Case::change_log("a negative length", early(&[1]), letter("invalid_length")),
        Case::change_log("an absurd length", early(&absurd), letter("truncated")),
        Case::change_log("absurdly many items", many, letter("truncated")),
        Case::change_log("a nesting bomb", bomb, letter("nested_too_deeply")),
    ]
}

/// A record of another type than the topic's.
pub(crate) fn a_record_of_another_type() -> Vec<Case> {
    let letter = Expected::DeadLetter("type", "wrong_type");
    let platform_event = a_platform_event("entityChangeEvent", &tag_added());
    vec![
        Case::change_log("a platform event", platform_event, letter),
        Case::platform_event("a change log", a_change_log(), letter),
    ]
}

/// A null value.
pub(crate) fn a_tombstone() -> Vec<Case> {
    vec![
        Case::new("of change logs", Topic::ChangeLogs, None, Expected::Acknowledged),
        Case::new("of platform events", Topic::PlatformEvents, None, Expected::Acknowledged),
    ]
}

/// A platform event whose payload is not JSON, lacks a required field, or has another content type.
pub(crate) fn a_payload_that_cannot_be_used() -> Vec<Case> {
    let letter = |class| Expected::DeadLetter("payload", class);
    let with = |name: &str, payload: &str, content_type: &str| {
        platform_event(&json!({
            "header": {"timestampMillis": 1}, "name": name,
            "payload": {"value": payload, "contentType": content_type},
        }))
    };
    let without = |field: &str| {
        let mut payload = tag_added();
        payload.as_object_mut().expect("a map").remove(field);
        payload
    };
    let json = "application/json";
    let lacks = letter("payload_missing_field");
    let mut cases = vec![
        Case::platform_event("no JSON", with("entityChangeEvent", "{", json), letter("payload_not_json")),
        Case::platform_event(
            "no map",
            with("entityChangeEvent", "[]", json),
            letter("payload_not_an_object"),
        ),
        Case::platform_event("an empty map", with("relationshipChangeEvent", "{}", json), lacks),
        Case::platform_event(
            "another content type",
            with("entityChangeEvent", &tag_added().to_string(), "application/avro"),
            letter("payload_content_type"),
        ),
    ];
    for field in ["entityUrn", "entityType", "category", "operation", "auditStamp"] {
        let value = a_platform_event("entityChangeEvent", &without(field));
        cases.push(Case::platform_event(format!("without {field}"), value, lacks));
    }
    cases
}

/// A platform event without `version`.
pub(crate) fn a_platform_event_without_a_version() -> Vec<Case> {
    let value = a_platform_event("entityChangeEvent", &tag_added());
    vec![Case::platform_event("as DataHub's documentation has it", value, Expected::ActedOn)]
}

/// A platform event of an unknown name.
pub(crate) fn a_platform_event_of_an_unknown_name() -> Vec<Case> {
    let of = |name| Case::platform_event(name, a_platform_event(name, &json!({})), Expected::Acknowledged);
    vec![of("strangeEvent"), of("strangeEvent"), of("notificationRequestEvent")]
}

/// A change log whose aspect is not JSON or has another content type.
pub(crate) fn an_aspect_that_is_not_json() -> Vec<Case> {
    let with = |value: &str, content_type: &str| {
        change_log(
            Writer::EarlyChangeLog,
            &json!({
                "entityType": "dataset", "entityUrn": "urn:li:dataset:x", "changeType": "UPSERT",
                "aspectName": "status", "aspect": {"value": value, "contentType": content_type},
            }),
        )
    };
    let mut not_utf8 = with("{??}", "application/json");
    let at = not_utf8.windows(2).position(|two| two == b"??").expect("it was written");
    not_utf8[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
    vec![
        Case::change_log("not JSON", with("{\"removed\":", "application/json"), Expected::ActedOn),
        Case::change_log("empty", with("", "application/json"), Expected::ActedOn),
        Case::change_log("of another type", with("<removed/>", "application/xml"), Expected::ActedOn),
        Case::change_log("not even UTF-8", not_utf8, Expected::ActedOn),
    ]
}

/// An unknown `changeType` symbol, an unknown aspect, unknown fields of a newer schema.
pub(crate) fn what_a_newer_writer_knows() -> Vec<Case> {
    let newer = |change_type: &str, aspect: &str| {
        change_log(
            Writer::LaterChangeLog,
            &json!({
                "entityType": "spaceship", "entityUrn": "urn:li:spaceship:x", "changeType": change_type,
                "aspectName": aspect, "aspect": {"value": "{}", "contentType": "application/json"},
                "approvals": [{"a": 1, "b": null}],
            }),
        )
    };
    vec![
        Case::change_log("an unknown change type", newer("ARCHIVE", "status"), Expected::ActedOn),
        Case::change_log("an unknown aspect", newer("UPSERT", "warpDrive"), Expected::ActedOn),
    ]
}

/// A record of 1 MiB and more.
pub(crate) fn a_record_of_more_than_a_mebibyte() -> Vec<Case> {
    let text = "x".repeat(1_200_000);
    let large = change_log(
        Writer::EarlyChangeLog,
        &json!({
            "entityType": "dataset", "entityUrn": "urn:li:dataset:x", "changeType": "UPSERT",
            "aspectName": "schemaMetadata",
            "aspect": {"value": json!({"text": text}).to_string(), "contentType": "application/json"},
        }),
    );
    vec![Case::change_log("1.2 MB", large, Expected::ActedOn)]
}

/// Duplicate headers, null headers, no key.
pub(crate) fn strange_headers_and_no_key() -> Vec<Case> {
    let with = |what: &str, key: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]| {
        let mut case = Case::change_log(what, a_change_log(), Expected::ActedOn);
        let own = |(name, value): &(&str, Option<&[u8]>)| ((*name).to_owned(), value.map(<[u8]>::to_vec));
        case.record.key = key.map(<[u8]>::to_vec);
        case.record.headers = headers.iter().map(own).collect();
        case
    };
    vec![
        with("duplicate headers", Some(b"k"), &[("a", Some(b"1")), ("a", Some(b"2"))]),
        with("null and binary headers", Some(b"k"), &[("a", None), ("b", Some(&[0xff, 0])), ("", Some(b""))]),
        with("no key", None, &[]),
        with("an empty key", Some(b""), &[]),
        with("a binary key", Some(&[0xff]), &[]),
    ]
}

/// A change log, whole.
pub(super) fn a_change_log() -> Vec<u8> {
    change_log(
        Writer::EarlyChangeLog,
        &json!({
            "entityType": "dataset", "entityUrn": "urn:li:dataset:x", "changeType": "UPSERT",
            "aspectName": "status", "aspect": {"value": "{\"removed\":false}", "contentType": "application/json"},
        }),
    )
}

/// Length of the wire header in bytes.
const HEADER: usize = 5;

fn change_log(writer: Writer, record: &Value) -> Vec<u8> {
    Encoder::new().encode(writer, record)
}

fn platform_event(record: &Value) -> Vec<u8> {
    Encoder::new().encode(Writer::PlatformEvent, record)
}

pub(super) fn a_platform_event(name: &str, payload: &Value) -> Vec<u8> {
    platform_event(&json!({
        "header": {"timestampMillis": 1}, "name": name,
        "payload": {"value": payload.to_string(), "contentType": "application/json"},
    }))
}

/// The payload of an entity change event, without `version`.
pub(super) fn tag_added() -> Value {
    json!({
        "entityUrn": "urn:li:dataset:x", "entityType": "dataset", "category": "TAG", "operation": "ADD",
        "auditStamp": {"actor": "urn:li:corpuser:a", "time": 1},
    })
}
