//! A change log: one change of one aspect of one entity.
//!
//! The structs follow `schemas/MetadataChangeLog.avsc` field by field, in its order. Reading takes the
//! schema's default for a field that a writer does not have and ignores what we do not know. Writing
//! gives the JSON of the Python framework: null is left out, except where the default is not null:
//! there the default shows, also for an explicit null.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::envelope::Field;
use super::text::{optional_or_default, text};

/// `MetadataChangeLog`, versioned or timeseries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeLog {
    /// Unused in DataHub's open source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_header: Option<AuditHeader>,
    /// The entity's type, such as `dataset`.
    pub entity_type: String,
    /// The entity's URN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_urn: Option<String>,
    /// The entity's key aspect, where the proposal had it instead of the URN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_key_aspect: Option<GenericAspect>,
    /// What happened to the aspect, such as `UPSERT`: the writer's symbol, known to us or not.
    pub change_type: String,
    /// The aspect's name, such as `ownership`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_name: Option<String>,
    /// The aspect as it is now; `None` if it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<GenericAspect>,
    /// Where the change came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_metadata: Option<SystemMetadata>,
    /// Free headers of the proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// The aspect as it was before; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_aspect_value: Option<GenericAspect>,
    /// Where the state before came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_system_metadata: Option<SystemMetadata>,
    /// Who made the change, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<AuditStamp>,
}

/// `GenericAspect`: an aspect, serialized.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenericAspect {
    /// The aspect's JSON, not parsed. Bytes that are not UTF-8 show one character each.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// How `value` is serialized: `application/json`.
    pub content_type: String,
}

/// `SystemMetadata`: where a change came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemMetadata {
    /// When the metadata was last seen, in milliseconds since the Unix epoch; 0 if nobody said.
    #[serde(default, deserialize_with = "optional_or_default")]
    pub last_observed: i64,
    /// The ingestion run that produced it first.
    #[serde(default)]
    pub run_id: RunId,
    /// The ingestion run that produced it last.
    #[serde(default)]
    pub last_run_id: RunId,
    /// The ingestion pipeline that produced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_name: Option<String>,
    /// Name of the model registry that was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_name: Option<String>,
    /// Version of the model registry that was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_version: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<BTreeMap<String, String>>,
    /// The aspect's version: a number, written as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version of the aspect's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// Who created the aspect, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_created: Option<AuditStamp>,
    /// Who changed the aspect last, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_modified: Option<AuditStamp>,
}

/// The name of an ingestion run; [`RunId::NONE`] where there is none, as in DataHub's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>")]
pub struct RunId(String);

/// `AuditStamp`: who did something, and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditStamp {
    /// When it happened, in milliseconds since the Unix epoch.
    pub time: i64,
    /// URN of who did it.
    pub actor: String,
    /// URN of who did it on the actor's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonator: Option<String>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// `KafkaAuditHeader`: who sent the record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditHeader {
    /// When the record was sent, in milliseconds since the Unix epoch.
    pub time: i64,
    /// Name of the host that sent it.
    pub server: String,
    /// Instance of the application on that host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Name of the application that sent it.
    pub app_name: String,
    /// Sixteen bytes that identify the record, one character each where they are not UTF-8.
    #[serde(deserialize_with = "text")]
    pub message_id: String,
    /// Version of the audit rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_version: Option<i32>,
    /// URN of the fabric that sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fabric_urn: Option<String>,
    /// How the sender reached its Kafka cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_connection_string: Option<String>,
}

impl ChangeLog {
    /// The field called `name` at the top of the event's JSON. Costs nothing for text; a field that
    /// is a map is built on each call.
    pub fn field(&self, name: &str) -> Field<'_> {
        match name {
            "entityType" => Field::Text(&self.entity_type),
            "entityUrn" => text_field(self.entity_urn.as_deref()),
            "changeType" => Field::Text(&self.change_type),
            "aspectName" => text_field(self.aspect_name.as_deref()),
            "aspect" => map_field(self.aspect.as_ref()),
            "previousAspectValue" => map_field(self.previous_aspect_value.as_ref()),
            "entityKeyAspect" => map_field(self.entity_key_aspect.as_ref()),
            "systemMetadata" => map_field(self.system_metadata.as_ref()),
            "previousSystemMetadata" => map_field(self.previous_system_metadata.as_ref()),
            "headers" => map_field(self.headers.as_ref()),
            "created" => map_field(self.created.as_ref()),
            "auditHeader" => map_field(self.audit_header.as_ref()),
            _ => Field::Absent,
        }
    }
}

impl RunId {
    /// What the schema says where no run is named.
    pub const NONE: &'static str = "no-run-id-provided";

    /// The run's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self(Self::NONE.to_owned())
    }
}

impl From<Option<String>> for RunId {
    fn from(name: Option<String>) -> Self {
        name.map_or_else(Self::default, Self)
    }
}

fn text_field(text: Option<&str>) -> Field<'_> {
    text.map_or(Field::Absent, Field::Text)
}

fn map_field<T: Serialize>(map: Option<&T>) -> Field<'_> {
    map.map_or(Field::Absent, |map| {
        let value = serde_json::to_value(map).expect("the parts of a change log have text keys only");
        Field::Value(Cow::Owned(value))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_left_out_but_a_default_that_is_not_null_shows_even_for_an_explicit_null() {
        let read: ChangeLog = serde_json::from_value(json!({
            "entityType": "dataset", "changeType": "UPSERT", "aspectName": null,
            "systemMetadata": {"lastObserved": null, "runId": null, "registryName": null},
            "created": {"time": 1, "actor": "urn:li:corpuser:a", "impersonator": null},
        }))
        .unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            json!({
                "entityType": "dataset", "changeType": "UPSERT",
                "systemMetadata": {
                    "lastObserved": 0, "runId": "no-run-id-provided", "lastRunId": "no-run-id-provided"
                },
                "created": {"time": 1, "actor": "urn:li:corpuser:a"},
            })
        );
    }

    #[test]
    fn every_field_of_the_json_is_the_field_that_a_filter_sees() {
        let stamp = || json!({"time": 1, "actor": "a", "impersonator": "b", "message": "c"});
        let aspect = || json!({"value": "{}", "contentType": "application/json"});
        let origin = || {
            json!({
                "lastObserved": 1, "runId": "r", "lastRunId": "l", "pipelineName": "p", "registryName": "n",
                "registryVersion": "v", "properties": {"k": "v"}, "version": "1", "schemaVersion": 2,
                "aspectCreated": stamp(), "aspectModified": stamp(),
            })
        };
        let event = json!({
            "auditHeader": {"time": 1, "server": "s", "appName": "a", "messageId": "0123456789abcdef"},
            "entityType": "dataset", "entityUrn": "urn:li:dataset:x", "entityKeyAspect": aspect(),
            "changeType": "PATCH", "aspectName": "ownership", "aspect": aspect(), "systemMetadata": origin(),
            "headers": {"a": "b"}, "previousAspectValue": aspect(), "previousSystemMetadata": origin(),
            "created": stamp(),
        });
        let read: ChangeLog = serde_json::from_value(event.clone()).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written, event);
        let names =
            |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&written), names(&event), "fields stand in the schema's order");
        for (name, expected) in event.as_object().unwrap() {
            match read.field(name) {
                Field::Text(text) => assert_eq!(expected.as_str(), Some(text), "{name}"),
                Field::Value(value) => assert_eq!(expected, value.as_ref(), "{name}"),
                Field::Absent => panic!("{name} is missing"),
            }
        }
        assert_eq!(read.field("unheard"), Field::Absent);
        assert_eq!(ChangeLog::default().field("aspect"), Field::Absent);
    }
}
