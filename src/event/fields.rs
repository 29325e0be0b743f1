//! The names of the fields that events have, from DataHub's schemas.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::event_type::EventType;

/// What is known of the fields of one type of event, or of a map in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFields {
    /// By name, in the order of the schema; `None` where anything may be below, as in text that holds JSON.
    fields: Vec<(String, Option<KnownFields>)>,
    /// Whether there are no others. The payload of a platform event is JSON, whose producer may have
    /// added some.
    complete: bool,
}

impl KnownFields {
    /// Whether there are no others.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// What is known of the fields below this one; the inner `None` says that anything may be there, the
    /// outer one that there is no such field.
    pub fn get(&self, name: &str) -> Option<Option<&Self>> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, below)| below.as_ref())
    }

    /// What is left of fields, of which nothing need be known, where these paths are all that stays.
    pub(crate) fn only(fields: Option<&Self>, paths: &[&[String]]) -> Self {
        let mut kept = Self { fields: Vec::new(), complete: true };
        for name in paths.iter().filter_map(|path| path.first()) {
            if kept.get(name).is_some() {
                continue;
            }
            let of_name =
                paths.iter().filter_map(|path| path.split_first().filter(|(first, _)| *first == name));
            let deeper: Vec<&[String]> = of_name.map(|(_, rest)| rest).collect();
            let below = fields.and_then(|fields| fields.get(name)?);
            let is_whole = deeper.iter().any(|path| path.is_empty());
            let below = if is_whole { below.cloned() } else { Some(Self::only(below, &deeper)) };
            kept.fields.push((name.clone(), below));
        }
        kept
    }

    /// Without the field at this path.
    pub(crate) fn remove(&mut self, path: &[String]) {
        match path {
            [] => {}
            [last] => self.fields.retain(|(name, _)| name != last),
            [first, rest @ ..] => {
                let below = self.fields.iter_mut().find(|(name, _)| name == first);
                if let Some((_, Some(below))) = below {
                    below.remove(rest);
                }
            }
        }
    }

    /// With a field at this path, below which anything may be.
    pub(crate) fn insert(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        let complete = self.complete;
        let index = self.fields.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            let below = (!rest.is_empty()).then(|| Self { fields: Vec::new(), complete });
            self.fields.push((first.clone(), below));
            self.fields.len() - 1
        });
        match &mut self.fields[index].1 {
            below if rest.is_empty() => *below = None,
            Some(below) => below.insert(rest),
            None => {}
        }
    }
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
            .map(|(schema, complete)| {
                let schema = serde_json::from_str(schema).expect("the schemas of this repository are JSON");
                Reader { complete, records: BTreeMap::new() }.record(&schema)
            })
        });
        FIELDS.get(self.standard_index()?)
    }
}

/// Reads the fields off an Avro schema.
struct Reader {
    complete: bool,
    /// The records met so far, by their names without namespace: a later field may refer to one.
    records: BTreeMap<String, KnownFields>,
}

impl Reader {
    fn record(&mut self, record: &Value) -> KnownFields {
        let mut fields = Vec::new();
        for field in record["fields"].as_array().into_iter().flatten() {
            let below = self.below(&field["type"]);
            fields.extend(field["name"].as_str().map(|name| (name.to_owned(), below)));
        }
        let known = KnownFields { fields, complete: self.complete };
        if let Some(name) = record["name"].as_str() {
            self.records.insert(simple(name).to_owned(), known.clone());
        }
        known
    }

    /// Fields below a value of this type: of a record that lists some.
    fn below(&mut self, kind: &Value) -> Option<KnownFields> {
        match kind {
            Value::Array(kinds) => {
                let mut records: Vec<KnownFields> =
                    kinds.iter().filter_map(|kind| self.below(kind)).collect();
                let record = records.pop();
                record.filter(|_| records.is_empty())
            }
            Value::Object(record) if record.get("type").is_some_and(|kind| kind == "record") => {
                Some(self.record(kind)).filter(|known| !known.fields.is_empty())
            }
            Value::String(name) => self.records.get(simple(name)).cloned(),
            _ => None,
        }
    }
}

fn simple(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    fn has(fields: &KnownFields, text: &str) -> bool {
        let mut fields = Some(fields);
        text.split('.').all(|name| match fields.map(|known| known.get(name)) {
            Some(Some(below)) => {
                fields = below;
                true
            }
            Some(None) => false,
            None => true,
        })
    }

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
            let known = event_type.known_fields().unwrap();
            assert!(known.get(field).is_some(), "{event_type}: {known:?}");
        }
        assert_eq!(EventType::Other("x".into()).known_fields(), None);
    }

    #[test]
    fn fields_are_known_down_to_what_may_hold_anything() {
        let change_log = EventType::MetadataChangeLog.known_fields().unwrap();
        for known in
            ["created.actor", "previousAspectValue.contentType", "systemMetadata.aspectModified.time"]
        {
            assert!(has(change_log, known), "{known}");
        }
        for unknowable in ["aspect.value.owners", "systemMetadata.properties.x", "headers.x", "entityUrn.x"] {
            assert!(has(change_log, unknowable), "{unknowable}");
        }
        for unknown in ["created.actr", "aspect.valu", "owner"] {
            assert!(!has(change_log, unknown), "{unknown}");
        }
        let change = EventType::EntityChange.known_fields().unwrap();
        assert!(has(change, "parameters.fieldPath") && has(change, "auditStamp.actor"));
        let failed = EventType::FailedMetadataChangeProposal.known_fields().unwrap();
        assert!(has(failed, "metadataChangeProposal.aspect.value.x"));
        assert!(!has(failed, "metadataChangeProposal.aspct"));
    }

    #[test]
    fn fields_go_and_come_as_transforms_change_them() {
        let mut fields = EventType::MetadataChangeLog.known_fields().unwrap().clone();
        fields.remove(&path("created.time"));
        fields.insert(&path("audit.log"));
        fields.insert(&path("created.by.whom"));
        for there in ["created.actor", "audit.log.anything", "created.by.whom"] {
            assert!(has(&fields, there), "{there}");
        }
        for gone in ["created.time", "audit.other", "created.by.x"] {
            assert!(!has(&fields, gone), "{gone}");
        }
        let (actor, owners, own) = (path("created.actor"), path("aspect.value.owners"), path("own"));
        let kept = KnownFields::only(Some(&fields), &[&actor, &owners, &own]);
        for there in ["created.actor", "aspect.value.owners.x", "own.x"] {
            assert!(has(&kept, there), "{there}");
        }
        for gone in ["created.by", "aspect.contentType", "aspect.value.x", "entityUrn"] {
            assert!(!has(&kept, gone), "{gone}");
        }
        assert!(has(&KnownFields::only(None, &[&own]), "own"));
    }
}
