//! The payload of a platform event: the first byte chooses the type of the event, the rest is any bytes.

use datahub_relay::avro::payload::{CONTENT_TYPE, PayloadError, read};
use datahub_relay::event::EventType;
use serde_json::{Map, Value};

/// A payload that is read is the producer's JSON object without its nulls, and reads the same again;
/// one that is not has the fault that the error names.
pub(crate) fn check(data: &[u8]) {
    let [choice, payload @ ..] = data else { return };
    let event_type = if choice % 2 == 0 { EventType::EntityChange } else { EventType::RelationshipChange };
    let json: Result<Value, _> = serde_json::from_slice(payload);
    match read(&event_type, payload, CONTENT_TYPE) {
        Ok(event) => assert_is(&event_type, &event, json.expect("what was read is JSON")),
        Err(PayloadError::NotJson(_)) => assert!(json.is_err()),
        Err(PayloadError::NotAnObject) => assert!(!json.expect("JSON").is_object()),
        Err(PayloadError::MissingField(field)) => {
            assert!(field_of(&json.expect("JSON"), field).is_none_or(Value::is_null), "{field} is there");
        }
        Err(PayloadError::WrongFieldType { field, .. }) => {
            let json = json.expect("JSON");
            assert!(field_of(&json, field).is_some_and(|value| !value.is_null()), "{field} is not there");
        }
        Err(error @ (PayloadError::Missing | PayloadError::ContentType { .. })) => panic!("{error}"),
    }
}

/// A field, or one within another: `auditStamp.time`.
fn field_of<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(json, |value, key| value.get(key))
}

fn assert_is(event_type: &EventType, event: &Map<String, Value>, json: Value) {
    let Value::Object(written) = json else { panic!("what was read is an object") };
    assert!(event.values().all(|value| !value.is_null()), "a null was kept");
    for (key, value) in &written {
        match event.get(key) {
            // Its nulls are left out of an audit stamp too.
            Some(kept) if key == "auditStamp" => {
                let fields = kept.as_object().expect("an audit stamp is an object");
                assert!(fields.iter().all(|(key, field)| value.get(key) == Some(field)));
            }
            Some(kept) => assert_eq!(kept, value, "{key} was changed"),
            None => assert!(value.is_null() || key == "parameters", "{key} was dropped"),
        }
    }
    assert!(event.keys().all(|key| written.contains_key(key)), "a key was made up");
    let again = serde_json::to_vec(event).expect("an event is JSON");
    assert_eq!(read(event_type, &again, CONTENT_TYPE).as_ref(), Ok(event), "it reads otherwise again");
}
