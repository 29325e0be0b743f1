//! What a topic carries.

/// What kind of record a topic carries, by the recipe's `topic_routes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// `MetadataChangeLog` records: the versioned and the timeseries topic carry the same type.
    ChangeLog,
    /// `PlatformEvent` records, whose name says what is inside.
    PlatformEvent,
}
