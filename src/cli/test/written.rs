//! Events as a person writes them, to records as Kafka holds them.

use serde_json::{Map, Value};

use crate::avro::{
    CompiledSchema, EncodeError, SchemaId, encode_json, payload, platform_event_json, schemas,
};
use crate::event::EventType;

/// The fields that hold an aspect or a payload: a `value` of JSON text, and its content type.
const TEXT_HOLDERS: [&str; 4] = ["aspect", "previousAspectValue", "entityKeyAspect", "payload"];

/// Where a failed proposal keeps what was proposed.
const PROPOSAL: &str = "metadataChangeProposal";

/// The schemas that events are written with: our own.
pub(super) struct Writers {
    change_log: CompiledSchema,
    platform_event: CompiledSchema,
    proposal: CompiledSchema,
    failed_proposal: CompiledSchema,
}

impl Writers {
    pub(super) fn new() -> Self {
        let compiled = |json| {
            CompiledSchema::parse(json).expect("a test parses every schema that comes with the program")
        };
        Self {
            change_log: compiled(schemas::METADATA_CHANGE_LOG_JSON),
            platform_event: compiled(schemas::PLATFORM_EVENT_JSON),
            proposal: compiled(schemas::METADATA_CHANGE_PROPOSAL_JSON),
            failed_proposal: compiled(schemas::FAILED_METADATA_CHANGE_PROPOSAL_JSON),
        }
    }

    /// The record's value that holds this event, and the schema that it was written with; `None` for a
    /// type whose schema only its topic's writers have.
    pub(super) fn write(
        &self,
        event_type: &EventType,
        event: &Map<String, Value>,
    ) -> Result<Option<(&CompiledSchema, Vec<u8>)>, EncodeError> {
        let json = || Value::Object(event.clone());
        let (schema, json) = match event_type {
            EventType::MetadataChangeLog => (&self.change_log, json()),
            EventType::EntityChange => {
                (&self.platform_event, platform_event_json("entityChangeEvent", time_of(event), &json()))
            }
            EventType::RelationshipChange => (
                &self.platform_event,
                platform_event_json("relationshipChangeEvent", time_of(event), &json()),
            ),
            EventType::PlatformEvent => (&self.platform_event, json()),
            EventType::MetadataChangeProposal => (&self.proposal, json()),
            EventType::FailedMetadataChangeProposal => (&self.failed_proposal, json()),
            EventType::Other(_) => return Ok(None),
        };
        Ok(Some((schema, encode_json(SchemaId(0), schema.schema(), &json)?)))
    }
}

fn time_of(event: &Map<String, Value>) -> i64 {
    event.get("auditStamp").and_then(|stamp| stamp.get("time")?.as_i64()).unwrap_or_default()
}

/// The event with its aspects as JSON text, as actions see them.
pub(super) fn with_texts(event: &Map<String, Value>) -> Map<String, Value> {
    let mut event = event.clone();
    for holder in TEXT_HOLDERS {
        let Some(Value::Object(aspect)) = event.get_mut(holder) else { continue };
        if let Some(value) = aspect.get_mut("value")
            && !value.is_string()
            && !value.is_null()
        {
            *value = Value::String(value.to_string());
        }
        if aspect.contains_key("value") && !aspect.contains_key("contentType") {
            aspect.insert("contentType".to_owned(), payload::CONTENT_TYPE.into());
        }
    }
    if let Some(Value::Object(proposal)) = event.get_mut(PROPOSAL) {
        *proposal = with_texts(proposal);
    }
    event
}

/// The event with its aspects as nested JSON and its keys in order: to be compared and shown.
pub(super) fn comparable(event: &Map<String, Value>) -> Value {
    let mut event = event.clone();
    for holder in TEXT_HOLDERS {
        let Some(value) = event.get_mut(holder).and_then(|aspect| aspect.get_mut("value")) else { continue };
        let parsed = value.as_str().and_then(|text| serde_json::from_str(text).ok());
        if let Some(parsed @ (Value::Object(_) | Value::Array(_))) = parsed {
            *value = parsed;
        }
    }
    if let Some(Value::Object(proposal)) = event.get(PROPOSAL) {
        let proposal = comparable(proposal);
        event.insert(PROPOSAL.to_owned(), proposal);
    }
    sorted(Value::Object(event))
}

/// The path of the first thing in `given` that is not in `read`: what was written in a place that the
/// schema does not have.
pub(super) fn lost(given: &Value, read: &Value) -> Option<String> {
    match (given, read) {
        (Value::Null, _) => None,
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(key, value)| {
            let below = match (value, read.get(key)) {
                (Value::Null, _) => None,
                (value, Some(read)) => lost(value, read),
                (_, None) => Some(String::new()),
            }?;
            Some(if below.is_empty() { key.clone() } else { format!("{key}.{below}") })
        }),
        _ => None,
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<(String, Value)> = object.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.into_iter().map(|(key, value)| (key, sorted(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_aspect_may_be_written_as_a_map_and_is_compared_as_one() {
        let written = object(json!({"aspect": {"value": {"b": 1, "a": null}}, "entityType": "dataset"}));
        let text = with_texts(&written);
        assert_eq!(
            Value::Object(text.clone()),
            json!({"aspect": {"value": "{\"b\":1,\"a\":null}", "contentType": "application/json"},
                "entityType": "dataset"})
        );
        let compared = serde_json::to_string(&comparable(&text)).unwrap();
        assert_eq!(
            compared,
            r#"{"aspect":{"contentType":"application/json","value":{"a":null,"b":1}},"entityType":"dataset"}"#
        );
        let failed = object(json!({"metadataChangeProposal": {"aspect": {"value": [1]}}, "error": "e"}));
        assert_eq!(with_texts(&failed)["metadataChangeProposal"]["aspect"]["value"], "[1]");
    }

    #[test]
    fn what_the_schema_does_not_have_is_found() {
        let given = json!({"a": {"b": 1, "c": null}, "d": null});
        assert_eq!(lost(&given, &json!({"a": {"b": 1}})), None);
        assert_eq!(lost(&given, &json!({"a": {"x": 1}})), Some("a.b".to_owned()));
        assert_eq!(lost(&given, &json!({})), Some("a".to_owned()));
    }
}
