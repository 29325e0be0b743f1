//! The names of the fields that events have, from DataHub's schemas.

use std::sync::LazyLock;

use serde_json::Value;

use super::event_type::EventType;

/// What is known of the fields of one type of event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFields {
    /// Their names.
    pub names: Vec<String>,
    /// Whether events of the type have no others. The payload of a platform event is JSON, whose producer
    /// may have added some.
    pub complete: bool,
}

impl EventType {
    /// The fields of events of this type; `None` if nothing is known of them.
    pub fn known_fields(&self) -> Option<&'static KnownFields> {
        static FIELDS: LazyLock<[KnownFields; 6]> = LazyLock::new(|| {
            [
                (include_str!("../../schemas/MetadataChangeLog.avsc"), true),
                (include_str!("../../schemas/EntityChangeEvent.avsc"), false),
                (include_str!("../../schemas/RelationshipChangeEvent.avsc"), false),
                (include_str!("../../schemas/PlatformEvent.avsc"), true),
                (include_str!("../../schemas/MetadataChangeProposal.avsc"), true),
                (include_str!("../../schemas/FailedMetadataChangeProposal.avsc"), true),
            ]
            .map(|(schema, complete)| KnownFields { names: names(schema), complete })
        });
        FIELDS.get(self.standard_index()?)
    }
}

fn names(schema: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).expect("the schemas of this repository are JSON");
    let fields = schema["fields"].as_array().into_iter().flatten();
    fields.filter_map(|field| field["name"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_type_has_known_fields() {
        for (event_type, field) in [
            (EventType::MetadataChangeLog, "aspectName"),
            (EventType::EntityChange, "category"),
            (EventType::RelationshipChange, "relationshipType"),
            (EventType::PlatformEvent, "payload"),
            (EventType::MetadataChangeProposal, "changeType"),
            (EventType::FailedMetadataChangeProposal, "error"),
        ] {
            let names = &event_type.known_fields().unwrap().names;
            assert!(names.iter().any(|name| name == field), "{event_type}: {names:?}");
        }
        assert_eq!(EventType::Other("x".into()).known_fields(), None);
    }
}
