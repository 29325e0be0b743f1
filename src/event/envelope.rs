//! The event as filters and actions see it.

use std::borrow::Cow;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::change_log::ChangeLog;
use super::event_type::EventType;
use super::meta::{Meta, RecordDetails};
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
    /// What else `meta` says of the record, with `options.meta: full`.
    pub details: Option<Box<RecordDetails>>,
}

/// The event itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A change log, with the fields of our schema.
    ChangeLog(Box<ChangeLog>),
    /// Any other event, or one that a transform has changed: a JSON object.
    Object(Map<String, Value>),
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

impl Envelope {
    /// An envelope whose `meta` says where the record stands, and no more.
    pub fn new(event_type: EventType, event: Event, position: Position) -> Self {
        Self { event_type, event, position, details: None }
    }
}

impl Event {
    /// The field called `name` at the top of the event's JSON. Costs nothing for text.
    pub fn field(&self, name: &str) -> Field<'_> {
        match self {
            Self::ChangeLog(change_log) => change_log.field(name),
            Self::Object(object) => match object.get(name) {
                None | Some(Value::Null) => Field::Absent,
                Some(Value::String(text)) => Field::Text(text),
                Some(value) => Field::Value(Cow::Borrowed(value)),
            },
        }
    }

    /// The event as a JSON object, to be changed in place.
    pub fn make_object(&mut self) -> &mut Map<String, Value> {
        if let Self::ChangeLog(_) = self {
            *self = Self::Object(self.to_object());
        }
        match self {
            Self::Object(object) => object,
            Self::ChangeLog(_) => unreachable!("it was made an object above"),
        }
    }

    /// The event as a JSON object.
    pub fn to_object(&self) -> Map<String, Value> {
        match self {
            Self::Object(object) => object.clone(),
            Self::ChangeLog(change_log) => match serde_json::to_value(change_log) {
                Ok(Value::Object(object)) => object,
                // A struct of texts, numbers and maps with text keys is an object.
                _ => Map::new(),
            },
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ChangeLog(change_log) => change_log.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("Envelope", 3)?;
        envelope.serialize_field("event_type", self.event_type.as_str())?;
        envelope.serialize_field("event", &self.event)?;
        envelope.serialize_field("meta", &Meta::of(&self.position, self.details.as_deref()))?;
        envelope.end()
    }
}
