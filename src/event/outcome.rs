//! How an event ended.

use super::position::Position;

/// How one event ended, and where it stands. Every record that was received ends in exactly one of
/// these; all but [`Outcome::Failed`] let the partition's watermark pass it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The action succeeded.
    Acted(Position),
    /// A filter did not want it, or there was nothing to act on.
    Dropped(Position, DropReason),
    /// It could not be processed, and its dead letter is stored durably.
    DeadLettered(Position, Stage),
    /// It could not be processed and `failure_mode: THROW` is set: the pipeline stops, the event's
    /// offset stays uncommitted.
    Failed(Position, Stage, String),
}

/// Why an event needs no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A filter's predicates were decided on the bytes alone, before the record was decoded.
    Scan,
    /// A filter rejected the decoded event.
    Filter,
    /// The record has no value.
    Tombstone,
    /// A platform event whose name this program does not know.
    UnknownPlatformEvent,
    /// A transform let it fall.
    Transform,
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every reason, in the order of their discriminants.
    pub const ALL: [Self; 5] =
        [Self::Scan, Self::Filter, Self::Tombstone, Self::UnknownPlatformEvent, Self::Transform];

    /// The name that metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Filter => "filter",
            Self::Tombstone => "tombstone",
            Self::UnknownPlatformEvent => "unknown_platform_event",
            Self::Transform => "transform",
        }
    }
}

/// The stage at which an event failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The wire header: no magic byte, or too short to hold a schema id.
    Envelope,
    /// The registry does not know the schema id.
    Schema,
    /// The Avro body.
    Avro,
    /// The record's type is not the topic's.
    Type,
    /// A platform event's payload.
    Payload,
    /// A filter.
    Filter,
    /// A transform.
    Transform,
    /// The action.
    Action,
}

impl Stage {
    /// Every stage, in the order in which an event meets them.
    pub const ALL: [Self; 8] = [
        Self::Envelope,
        Self::Schema,
        Self::Avro,
        Self::Type,
        Self::Payload,
        Self::Filter,
        Self::Transform,
        Self::Action,
    ];

    /// The name that metrics, logs and dead letters use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Schema => "schema",
            Self::Avro => "avro",
            Self::Type => "type",
            Self::Payload => "payload",
            Self::Filter => "filter",
            Self::Transform => "transform",
            Self::Action => "action",
        }
    }
}
