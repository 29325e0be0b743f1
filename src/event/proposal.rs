//! Proposals: changes that somebody asks for, and those that were refused.
//!
//! The structs follow `schemas/MetadataChangeProposal.avsc` and `FailedMetadataChangeProposal.avsc`, with
//! the rules of [`ChangeLog`](super::ChangeLog): null is left out, a default that is not null shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change_log::{AuditHeader, GenericAspect, SystemMetadata};

/// `MetadataChangeProposal`: one change of one aspect, before anybody has accepted it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// Unused in DataHub's open source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_header: Option<AuditHeader>,
    /// The entity's type, such as `dataset`.
    pub entity_type: String,
    /// The entity's URN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_urn: Option<String>,
    /// The entity's key aspect, where the proposal has it instead of the URN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_key_aspect: Option<GenericAspect>,
    /// What is to happen to the aspect, such as `UPSERT`: the writer's symbol, known to us or not.
    pub change_type: String,
    /// The aspect's name, such as `ownership`; `None` means the whole entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_name: Option<String>,
    /// The aspect as it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<GenericAspect>,
    /// Where the proposal comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_metadata: Option<SystemMetadata>,
    /// Free headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
}

/// `FailedMetadataChangeProposal`: a proposal that was refused, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedProposal {
    /// Unused in DataHub's open source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_header: Option<AuditHeader>,
    /// What was refused.
    pub metadata_change_proposal: Proposal,
    /// Why: a message, or a stack trace.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_proposal_shows_the_proposal_by_the_rules_of_a_change_log() {
        let failed = json!({
            "auditHeader": null,
            "metadataChangeProposal": {
                "entityType": "dataset", "entityUrn": "urn:li:dataset:x", "entityKeyAspect": null,
                "changeType": "UPSERT", "aspectName": "status",
                "aspect": {"value": "{}", "contentType": "application/json"},
                "systemMetadata": {"lastObserved": null, "runId": null}, "headers": {"a": "b"},
            },
            "error": "no such entity",
        });
        let read: FailedProposal = serde_json::from_value(failed).unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            json!({
                "metadataChangeProposal": {
                    "entityType": "dataset", "entityUrn": "urn:li:dataset:x",
                    "changeType": "UPSERT", "aspectName": "status",
                    "aspect": {"value": "{}", "contentType": "application/json"},
                    "systemMetadata": {
                        "lastObserved": 0, "runId": "no-run-id-provided", "lastRunId": "no-run-id-provided",
                    },
                    "headers": {"a": "b"},
                },
                "error": "no such entity",
            })
        );
    }
}
