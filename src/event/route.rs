//! What a topic carries.

use std::sync::Arc;

use super::event_type::EventType;

/// What kind of record a topic carries, by the recipe's `topic_routes`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Route {
    /// `MetadataChangeLog` records: the versioned and the timeseries topic carry the same type.
    ChangeLog,
    /// `PlatformEvent` records, whose name says what is inside. Those of a name that this program does
    /// not know are dropped.
    PlatformEvent,
    /// `PlatformEvent` records, all of which are handed on (`platform_events: all`).
    EveryPlatformEvent,
    /// `MetadataChangeProposal` records.
    Proposal,
    /// `FailedMetadataChangeProposal` records.
    FailedProposal,
    /// Records of any schema, handed on as events of this type (`topic_routes.avro`).
    Avro(Arc<str>),
}

impl Route {
    /// The types of event that may come on such a topic.
    pub fn event_types(&self) -> Vec<EventType> {
        match self {
            Self::ChangeLog => vec![EventType::MetadataChangeLog],
            Self::PlatformEvent => vec![EventType::EntityChange, EventType::RelationshipChange],
            Self::EveryPlatformEvent => {
                vec![EventType::EntityChange, EventType::RelationshipChange, EventType::PlatformEvent]
            }
            Self::Proposal => vec![EventType::MetadataChangeProposal],
            Self::FailedProposal => vec![EventType::FailedMetadataChangeProposal],
            Self::Avro(name) => vec![EventType::Other(Arc::clone(name))],
        }
    }
}
