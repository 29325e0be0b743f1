//! The types of event, by the names that recipes and the Python framework use.

use std::fmt;
use std::sync::Arc;

/// What kind of event something is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventType {
    /// One change of one aspect of one entity.
    MetadataChangeLog,
    /// A change with a meaning: a tag added, an owner removed.
    EntityChange,
    /// A relationship between two entities added or removed.
    RelationshipChange,
    /// A platform event of any other name, where a recipe asks for those.
    PlatformEvent,
    /// A change that somebody proposes.
    MetadataChangeProposal,
    /// A proposal that was refused.
    FailedMetadataChangeProposal,
    /// A record of any other topic, under the name that the recipe's `topic_routes.avro` gives it.
    Other(Arc<str>),
}

impl EventType {
    /// Every type with a name of its own.
    pub const STANDARD: [Self; 6] = [
        Self::MetadataChangeLog,
        Self::EntityChange,
        Self::RelationshipChange,
        Self::PlatformEvent,
        Self::MetadataChangeProposal,
        Self::FailedMetadataChangeProposal,
    ];

    /// The name in recipes, in metrics, and in `event_type` of the event's JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Self::MetadataChangeLog => "MetadataChangeLogEvent_v1",
            Self::EntityChange => "EntityChangeEvent_v1",
            Self::RelationshipChange => "RelationshipChangeEvent_v1",
            Self::PlatformEvent => "PlatformEvent_v1",
            Self::MetadataChangeProposal => "MetadataChangeProposalEvent_v1",
            Self::FailedMetadataChangeProposal => "FailedMetadataChangeProposalEvent_v1",
            Self::Other(name) => name,
        }
    }

    /// The standard type of this name.
    pub fn standard(name: &str) -> Option<Self> {
        Self::STANDARD.into_iter().find(|standard| standard.as_str() == name)
    }

    /// The type of the event inside a platform event, by the platform event's name; `None` if this
    /// program does not know it.
    #[inline]
    pub fn of_platform_event(name: &str) -> Option<Self> {
        match name {
            "entityChangeEvent" => Some(Self::EntityChange),
            "relationshipChangeEvent" => Some(Self::RelationshipChange),
            _ => None,
        }
    }

    /// The type's place in [`Self::STANDARD`].
    #[inline]
    pub(crate) const fn standard_index(&self) -> Option<usize> {
        match self {
            Self::MetadataChangeLog => Some(0),
            Self::EntityChange => Some(1),
            Self::RelationshipChange => Some(2),
            Self::PlatformEvent => Some(3),
            Self::MetadataChangeProposal => Some(4),
            Self::FailedMetadataChangeProposal => Some(5),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_type_is_found_by_its_name_and_stands_at_its_index() {
        for (index, standard) in EventType::STANDARD.into_iter().enumerate() {
            assert_eq!(standard.standard_index(), Some(index));
            assert_eq!(EventType::standard(standard.as_str()), Some(standard));
        }
        assert_eq!(EventType::standard("MetadataChangeEvent_v4"), None);
    }
}
