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

/// The text of `schemas/MetadataChangeLog.avsc`.
pub const METADATA_CHANGE_LOG_JSON: &str = include_str!("../../schemas/MetadataChangeLog.avsc");
/// The text of `schemas/PlatformEvent.avsc`.
pub const PLATFORM_EVENT_JSON: &str = include_str!("../../schemas/PlatformEvent.avsc");
/// The text of `schemas/EntityChangeEvent.avsc`: what a payload of that name holds, as JSON.
pub const ENTITY_CHANGE_EVENT_JSON: &str = include_str!("../../schemas/EntityChangeEvent.avsc");
/// The text of `schemas/RelationshipChangeEvent.avsc`: what a payload of that name holds, as JSON.
pub const RELATIONSHIP_CHANGE_EVENT_JSON: &str = include_str!("../../schemas/RelationshipChangeEvent.avsc");

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
        for (json, expected) in [
            (ENTITY_CHANGE_EVENT_JSON, "EntityChangeEvent"),
            (RELATIONSHIP_CHANGE_EVENT_JSON, "RelationshipChangeEvent"),
        ] {
            let full_name = format!("com.linkedin.pegasus2avro.platform.event.v1.{expected}");
            assert_eq!(name(&parsed(json)), full_name);
        }
    }
}
