//! The Avro schemas of DataHub's topics, as they stand in `schemas/`.
//!
//! Records are always read with their *writer's* schema, from the registry. These are for writing
//! (tests, the quickstart) and for showing what this program knows.

use std::sync::LazyLock;

use apache_avro::Schema;

/// Full name of the record in the change log topics.
pub const METADATA_CHANGE_LOG: &str = "com.linkedin.pegasus2avro.mxe.MetadataChangeLog";
/// Full name of the record in the platform event topic.
pub const PLATFORM_EVENT: &str = "com.linkedin.pegasus2avro.mxe.PlatformEvent";

/// Full name of the record in the topic of proposals.
pub const METADATA_CHANGE_PROPOSAL: &str = "com.linkedin.pegasus2avro.mxe.MetadataChangeProposal";
/// Full name of the record in the topic of failed proposals.
pub const FAILED_METADATA_CHANGE_PROPOSAL: &str =
    "com.linkedin.pegasus2avro.mxe.FailedMetadataChangeProposal";

/// The text of `schemas/MetadataChangeLog.avsc`.
pub const METADATA_CHANGE_LOG_JSON: &str = include_str!("../../schemas/MetadataChangeLog.avsc");
/// The text of `schemas/PlatformEvent.avsc`.
pub const PLATFORM_EVENT_JSON: &str = include_str!("../../schemas/PlatformEvent.avsc");
/// The text of `schemas/EntityChangeEvent.avsc`: what a payload of that name holds, as JSON.
pub const ENTITY_CHANGE_EVENT_JSON: &str = include_str!("../../schemas/EntityChangeEvent.avsc");
/// The text of `schemas/RelationshipChangeEvent.avsc`: what a payload of that name holds, as JSON.
pub const RELATIONSHIP_CHANGE_EVENT_JSON: &str = include_str!("../../schemas/RelationshipChangeEvent.avsc");

/// The text of `schemas/MetadataChangeProposal.avsc`.
pub const METADATA_CHANGE_PROPOSAL_JSON: &str = include_str!("../../schemas/MetadataChangeProposal.avsc");
/// The text of `schemas/FailedMetadataChangeProposal.avsc`.
pub const FAILED_METADATA_CHANGE_PROPOSAL_JSON: &str =
    include_str!("../../schemas/FailedMetadataChangeProposal.avsc");

/// The schema of a change log.
pub fn metadata_change_log() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| parsed(METADATA_CHANGE_LOG_JSON));
    &SCHEMA
}

/// The schema of a platform event.
pub fn platform_event() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| parsed(PLATFORM_EVENT_JSON));
    &SCHEMA
}

/// The schema of a proposal.
pub fn metadata_change_proposal() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| parsed(METADATA_CHANGE_PROPOSAL_JSON));
    &SCHEMA
}

/// The schema of a failed proposal.
pub fn failed_metadata_change_proposal() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| parsed(FAILED_METADATA_CHANGE_PROPOSAL_JSON));
    &SCHEMA
}

fn parsed(json: &str) -> Schema {
    Schema::parse_str(json).expect("a test parses every schema of this file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_parses() {
        let name = |schema: &Schema| schema.name().unwrap().fullname(None);
        assert_eq!(name(metadata_change_log()), METADATA_CHANGE_LOG);
        assert_eq!(name(platform_event()), PLATFORM_EVENT);
        assert_eq!(name(metadata_change_proposal()), METADATA_CHANGE_PROPOSAL);
        assert_eq!(name(failed_metadata_change_proposal()), FAILED_METADATA_CHANGE_PROPOSAL);
        for (json, expected) in [
            (ENTITY_CHANGE_EVENT_JSON, "EntityChangeEvent"),
            (RELATIONSHIP_CHANGE_EVENT_JSON, "RelationshipChangeEvent"),
        ] {
            let full_name = format!("com.linkedin.pegasus2avro.platform.event.v1.{expected}");
            assert_eq!(name(&parsed(json)), full_name);
        }
    }
}
