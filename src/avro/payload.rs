//! The payload of a platform event: JSON, with rules of its own.

use serde_json::{Map, Value};

use crate::event::EventType;

/// The only serialization of a payload that DataHub uses.
pub const CONTENT_TYPE: &str = "application/json";

/// Reads the payload of an event of `event_type`: a JSON object with the fields that the Python
/// framework insists on, except `version`, which producers (and DataHub's documentation) leave out.
/// Null fields and empty `parameters` are left out; a key that we do not know is kept as it is.
///
/// # Errors
/// If the payload is no JSON object, or a required field is missing or of another type.
pub fn read(
    event_type: &EventType,
    value: &[u8],
    content_type: &str,
) -> Result<Map<String, Value>, PayloadError> {
    if !is_json(content_type) {
        return Err(PayloadError::ContentType { found: content_type.chars().take(100).collect() });
    }
    let payload: Value =
        serde_json::from_slice(value).map_err(|error| PayloadError::NotJson(error.to_string()))?;
    let Value::Object(mut payload) = payload else { return Err(PayloadError::NotAnObject) };
    match event_type {
        EventType::EntityChange => {
            require_texts(&payload, &["entityType", "entityUrn", "category", "operation"])?;
            if payload.get("parameters").is_some_and(is_empty) {
                payload.shift_remove("parameters");
            }
        }
        EventType::RelationshipChange => {
            require_texts(&payload, &["sourceUrn", "destinationUrn", "operation", "relationshipType"])?;
            require_map_of_texts(&payload, "properties")?;
        }
        // No other type comes as the payload of a platform event.
        _ => {}
    }
    read_audit_stamp(&mut payload)?;
    payload.retain(|_, value| !value.is_null());
    Ok(payload)
}

/// What is wrong with a platform event's payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The platform event has none.
    #[error("the platform event has no payload")]
    Missing,
    /// It is not serialized as JSON.
    #[error("the payload's content type is {found:?}, not `application/json`")]
    ContentType {
        /// What its content type is, at most 100 characters of it.
        found: String,
    },
    /// It does not parse.
    #[error("the payload is not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but not an object.
    #[error("the payload is JSON, but not an object")]
    NotAnObject,
    /// A required field is not there, or null.
    #[error("the payload lacks the required field `{0}`")]
    MissingField(&'static str),
    /// A field has the wrong type.
    #[error("the payload's field `{field}` is not {expected}")]
    WrongFieldType {
        /// The field.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
}

impl PayloadError {
    /// A short name of the kind of error, stable over versions.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Missing => "payload_missing",
            Self::ContentType { .. } => "payload_content_type",
            Self::NotJson(_) => "payload_not_json",
            Self::NotAnObject => "payload_not_an_object",
            Self::MissingField(_) => "payload_missing_field",
            Self::WrongFieldType { .. } => "payload_wrong_field_type",
        }
    }
}

/// Whether a content type is JSON's, with or without parameters such as a character set.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE)
}

/// Whether the Python framework leaves `parameters` out: what Python counts as false.
fn is_empty(parameters: &Value) -> bool {
    match parameters {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

fn require_texts(payload: &Map<String, Value>, fields: &[&'static str]) -> Result<(), PayloadError> {
    fields.iter().try_for_each(|field| match payload.get(*field) {
        None | Some(Value::Null) => Err(PayloadError::MissingField(field)),
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err(PayloadError::WrongFieldType { field, expected: "a string" }),
    })
}

fn require_map_of_texts(payload: &Map<String, Value>, field: &'static str) -> Result<(), PayloadError> {
    match payload.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(entries)) if entries.values().all(Value::is_string) => Ok(()),
        Some(_) => Err(PayloadError::WrongFieldType { field, expected: "a map of strings" }),
    }
}

fn read_audit_stamp(payload: &mut Map<String, Value>) -> Result<(), PayloadError> {
    let stamp = match payload.get_mut("auditStamp") {
        None | Some(Value::Null) => return Err(PayloadError::MissingField("auditStamp")),
        Some(Value::Object(stamp)) => stamp,
        Some(_) => return Err(PayloadError::WrongFieldType { field: "auditStamp", expected: "an object" }),
    };
    match stamp.get("time") {
        None | Some(Value::Null) => return Err(PayloadError::MissingField("auditStamp.time")),
        Some(time) if time.is_i64() => {}
        Some(_) => {
            return Err(PayloadError::WrongFieldType {
                field: "auditStamp.time",
                expected: "a whole number",
            });
        }
    }
    match stamp.get("actor") {
        None | Some(Value::Null) => return Err(PayloadError::MissingField("auditStamp.actor")),
        Some(Value::String(_)) => {}
        Some(_) => {
            return Err(PayloadError::WrongFieldType { field: "auditStamp.actor", expected: "a string" });
        }
    }
    stamp.retain(|_, value| !value.is_null());
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entity_change() -> Value {
        json!({
            "entityUrn": "urn:li:dataset:abc", "entityType": "dataset", "category": "OWNER", "operation": "ADD",
            "modifier": "urn:li:corpuser:jdoe", "auditStamp": {"actor": "urn:li:corpuser:jdoe", "time": 1},
        })
    }

    fn read_json(event_type: &EventType, payload: &Value) -> Result<Value, PayloadError> {
        read(event_type, payload.to_string().as_bytes(), CONTENT_TYPE).map(Value::Object)
    }

    #[test]
    fn an_entity_change_without_a_version_is_valid() {
        assert_eq!(read_json(&EventType::EntityChange, &entity_change()), Ok(entity_change()));
    }

    #[test]
    fn null_fields_and_empty_parameters_are_left_out_and_unknown_keys_are_kept() {
        let mut payload = entity_change();
        payload["modifier"] = Value::Null;
        payload["parameters"] = json!({});
        payload["auditStamp"]["impersonator"] = Value::Null;
        payload["ours"] = json!({"deep": null});
        let read = read_json(&EventType::EntityChange, &payload).unwrap();
        let mut expected = entity_change();
        expected.as_object_mut().unwrap().remove("modifier");
        expected["ours"] = json!({"deep": null});
        assert_eq!(read, expected);

        payload["parameters"] = json!({"tagUrn": null});
        let read = read_json(&EventType::EntityChange, &payload).unwrap();
        assert_eq!(read["parameters"], json!({"tagUrn": null}), "parameters are passed on as they are");
    }

    #[test]
    fn each_required_field_is_required() {
        for field in ["entityUrn", "entityType", "category", "operation", "auditStamp"] {
            let mut payload = entity_change();
            payload[field] = Value::Null;
            assert_eq!(read_json(&EventType::EntityChange, &payload), Err(PayloadError::MissingField(field)));
            payload[field] = json!(7);
            assert!(matches!(
                read_json(&EventType::EntityChange, &payload),
                Err(PayloadError::WrongFieldType { .. })
            ));
        }
        let mut payload = entity_change();
        payload["auditStamp"] = json!({"actor": "urn:li:corpuser:jdoe", "time": "yesterday"});
        assert_eq!(
            read_json(&EventType::EntityChange, &payload).unwrap_err().class(),
            "payload_wrong_field_type"
        );
    }

    #[test]
    fn a_relationship_change_keeps_empty_properties_and_refuses_others_than_text() {
        let mut payload = json!({
            "sourceUrn": "urn:li:dataset:a", "destinationUrn": "urn:li:dataset:b", "operation": "ADD",
            "relationshipType": "DownstreamOf", "properties": {}, "auditStamp": {"actor": "a", "time": 1},
        });
        assert_eq!(read_json(&EventType::RelationshipChange, &payload), Ok(payload.clone()));
        payload["properties"] = json!({"a": 1});
        assert_eq!(
            read_json(&EventType::RelationshipChange, &payload),
            Err(PayloadError::WrongFieldType { field: "properties", expected: "a map of strings" })
        );
    }

    #[test]
    fn what_is_no_json_object_is_an_error() {
        let read =
            |value: &[u8], content_type| read(&EventType::EntityChange, value, content_type).unwrap_err();
        assert_eq!(read(b"{", CONTENT_TYPE).class(), "payload_not_json");
        assert_eq!(read(b"\xff", CONTENT_TYPE).class(), "payload_not_json");
        assert_eq!(read(b"[]", CONTENT_TYPE), PayloadError::NotAnObject);
        assert_eq!(read(b"{}", "application/xml").class(), "payload_content_type");
        assert_eq!(read(b"{}", "Application/JSON; charset=utf-8").class(), "payload_missing_field");
    }
}
