//! Events and records in a few words, for a person.

use serde_json::Value;

use crate::event::{ChangeLog, Envelope, Event, EventType};

/// A record in three columns: what kind it is, which entity it is about, what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) kind: String,
    pub(super) entity: String,
    pub(super) change: String,
}

impl Words {
    /// Of an event.
    pub(super) fn of(envelope: &Envelope) -> Self {
        let kind = match &envelope.event_type {
            EventType::MetadataChangeLog => "change log",
            EventType::EntityChange => "entity change",
            EventType::RelationshipChange => "relationship",
            EventType::PlatformEvent => "platform event",
            other => other.as_str(),
        };
        let (entity, change) = match (&envelope.event, &envelope.event_type) {
            (Event::ChangeLog(change_log), _) => change_of_aspect(change_log),
            (Event::Object(payload), EventType::RelationshipChange) => {
                let text = |name| short(payload.get(name).and_then(Value::as_str).unwrap_or("?"));
                let change =
                    format!("{} {} {}", text("operation"), text("relationshipType"), text("destinationUrn"));
                (text("sourceUrn"), change)
            }
            (Event::Object(event), EventType::PlatformEvent) => {
                // One of a name that this program does not know: more cannot be said of it.
                let name = event.get("name").and_then(Value::as_str).unwrap_or("?");
                (String::new(), name.to_owned())
            }
            (Event::Object(payload), _) => {
                let text = |name| payload.get(name).and_then(Value::as_str).map(short);
                let words =
                    [text("category"), text("operation"), text("modifier").or_else(|| parameters(payload))];
                let change: Vec<String> = words.into_iter().flatten().collect();
                (text("entityUrn").unwrap_or_default(), change.join(" "))
            }
        };
        Self { kind: kind.to_owned(), entity, change }
    }

    /// Of a record without an event: its key is all that is known.
    pub(super) fn of_key(kind: &str, key: Option<&[u8]>, change: String) -> Self {
        let key = key.map(String::from_utf8_lossy).unwrap_or_default();
        Self { kind: kind.to_owned(), entity: short(&key), change }
    }
}

fn change_of_aspect(change_log: &ChangeLog) -> (String, String) {
    let entity = change_log.entity_urn.as_deref().unwrap_or("?");
    let aspect = change_log.aspect_name.as_deref().unwrap_or("?");
    (short(entity), format!("{} {aspect}", change_log.change_type))
}

/// What an event says that has no modifier, such as `runResult=FAILURE`.
fn parameters(payload: &serde_json::Map<String, Value>) -> Option<String> {
    let (name, value) = payload.get("parameters")?.as_object()?.iter().next()?;
    Some(format!("{name}={}", short(value.as_str()?)))
}

/// A URN without the words that all of them share.
fn short(urn: &str) -> String {
    urn.replace("urn:li:dataPlatform:", "").replace("urn:li:", "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Position, TopicPartition};

    fn words(event_type: EventType, event: &Value) -> [String; 3] {
        let event = match event_type {
            EventType::MetadataChangeLog => Event::ChangeLog(serde_json::from_value(event.clone()).unwrap()),
            _ => Event::Object(event.as_object().unwrap().clone()),
        };
        let source = TopicPartition { topic: "topic".into(), partition: 0 };
        let Words { kind, entity, change } =
            Words::of(&Envelope::new(event_type, event, Position { source, offset: 0 }));
        [kind, entity, change]
    }

    #[test]
    fn each_kind_of_event_says_what_changed() {
        let change_log = json!({"entityType": "dataset", "changeType": "UPSERT", "aspectName": "status",
            "entityUrn": "urn:li:dataset:(urn:li:dataPlatform:hive,users,PROD)"});
        assert_eq!(
            words(EventType::MetadataChangeLog, &change_log),
            ["change log", "dataset:(hive,users,PROD)", "UPSERT status"]
        );
        let tag = json!({"entityUrn": "urn:li:dataset:abc", "category": "TAG", "operation": "ADD",
            "modifier": "urn:li:tag:PII"});
        assert_eq!(words(EventType::EntityChange, &tag), ["entity change", "dataset:abc", "TAG ADD tag:PII"]);
        let run = json!({"entityUrn": "urn:li:assertion:1", "category": "RUN", "operation": "COMPLETED",
            "parameters": {"runResult": "FAILURE"}});
        assert_eq!(words(EventType::EntityChange, &run)[2], "RUN COMPLETED runResult=FAILURE");
        let lineage = json!({"sourceUrn": "urn:li:dataset:a", "destinationUrn": "urn:li:dataset:b",
            "operation": "ADD", "relationshipType": "DownstreamOf"});
        assert_eq!(
            words(EventType::RelationshipChange, &lineage),
            ["relationship", "dataset:a", "ADD DownstreamOf dataset:b"]
        );
        let unknown = json!({"name": "somethingElse", "header": {"timestampMillis": 7},
            "payload": {"value": "{}", "contentType": "application/json"}});
        assert_eq!(words(EventType::PlatformEvent, &unknown), ["platform event", "", "somethingElse"]);
    }
}
