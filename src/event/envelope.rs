//! The event as filters and actions see it.

use std::borrow::Cow;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::change_log::ChangeLog;
use super::position::Position;

/// An event, its type, and where it came from. Serializes to the JSON that the Python framework's
/// `EventEnvelope.as_json()` gives: `{"event_type", "event", "meta"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// What kind of event it is.
    pub event_type: EventType,
    /// The event.
    pub event: Event,
    /// Where the record stands that it was read from.
    pub position: Position,
}

/// The types of event, with the names that recipes and the Python framework use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// One change of one aspect of one entity.
    MetadataChangeLog,
    /// A change with a meaning: a tag added, an owner removed.
    EntityChange,
    /// A relationship between two entities added or removed.
    RelationshipChange,
}

impl EventType {
    /// Every type that this program reads.
    pub const ALL: [Self; 3] = [Self::MetadataChangeLog, Self::EntityChange, Self::RelationshipChange];

    /// The name in recipes, in metrics, and in `event_type` of the event's JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MetadataChangeLog => "MetadataChangeLogEvent_v1",
            Self::EntityChange => "EntityChangeEvent_v1",
            Self::RelationshipChange => "RelationshipChangeEvent_v1",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The event itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A change log, with the fields of our schema.
    ChangeLog(Box<ChangeLog>),
    /// The payload of a platform event, a JSON object as its producer wrote it, without its nulls.
    Payload(Map<String, Value>),
}

/// One field of an event, by its name, as a predicate sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<'a> {
    /// The event does not have it, or it is null: both match nothing but null.
    Absent,
    /// Text.
    Text(&'a str),
    /// Anything else.
    Value(Cow<'a, Value>),
}

impl Event {
    /// The field called `name` at the top of the event's JSON. Costs nothing for text.
    pub fn field(&self, name: &str) -> Field<'_> {
        match self {
            Self::ChangeLog(change_log) => change_log.field(name),
            Self::Payload(payload) => match payload.get(name) {
                None | Some(Value::Null) => Field::Absent,
                Some(Value::String(text)) => Field::Text(text),
                Some(value) => Field::Value(Cow::Borrowed(value)),
            },
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ChangeLog(change_log) => change_log.serialize(serializer),
            Self::Payload(payload) => payload.serialize(serializer),
        }
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("Envelope", 3)?;
        envelope.serialize_field("event_type", self.event_type.as_str())?;
        envelope.serialize_field("event", &self.event)?;
        envelope.serialize_field("meta", &Meta { kafka: KafkaMeta::from(&self.position) })?;
        envelope.end()
    }
}

/// `meta` of an event's JSON.
#[derive(Serialize)]
struct Meta<'a> {
    kafka: KafkaMeta<'a>,
}

/// `meta.kafka` of an event's JSON.
#[derive(Serialize)]
struct KafkaMeta<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
}

impl<'a> From<&'a Position> for KafkaMeta<'a> {
    fn from(position: &'a Position) -> Self {
        Self { topic: &position.source.topic, partition: position.source.partition, offset: position.offset }
    }
}
