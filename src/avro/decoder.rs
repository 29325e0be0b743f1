//! A record's bytes to the event in them.

use std::sync::Arc;

use apache_avro::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::compiled::{CompiledSchema, RecordKind};
use super::error::DecodeError;
use super::platform_event::{PlatformEvent, WholePlatformEvent};
use super::registry::SchemaRegistry;
use super::{generic, payload, wire};
use crate::event::{
    ChangeLog, Envelope, Event, EventType, FailedProposal, MetaDetail, Proposal, Record, Route,
};
use crate::mutant::{self, Mutant};

/// Decodes records with their writers' schemas. Shared by all lanes of a pipeline.
#[derive(Debug)]
pub struct Decoder {
    registry: Arc<SchemaRegistry>,
    meta: MetaDetail,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// An event that actions can be given.
    Event(Box<Envelope>),
    /// A platform event whose name this program does not know.
    UnknownPlatformEvent {
        /// The name.
        name: String,
    },
    /// Nothing: the record has no value.
    Tombstone,
}

impl Decoder {
    /// A decoder that asks `registry` for schemas.
    pub fn new(registry: Arc<SchemaRegistry>) -> Self {
        Self { registry, meta: MetaDetail::Standard }
    }

    /// The same decoder, with this much in the `meta` of its events.
    #[must_use]
    pub fn with_meta(self, meta: MetaDetail) -> Self {
        Self { meta, ..self }
    }

    /// Decodes a record of a topic that carries `route`. Waits for the registry where the writer's
    /// schema is not known yet, and for an unknown schema id up to the deadline of
    /// [`SchemaRegistry::schema`]. May be dropped at any time.
    ///
    /// # Errors
    /// [`DecodeError::stage`] says whether the record is a dead letter, and at which stage, or whether
    /// the registry is out and the same record has to be tried again after
    /// [`DecodeError::retry_after`].
    pub async fn decode(&self, route: &Route, record: &Record) -> Result<Decoded, DecodeError> {
        let Some(value) = &record.value else { return Ok(Decoded::Tombstone) };
        let (id, body) = wire::split(value)?;
        let schema = match self.registry.cached(id) {
            Some(schema) => schema,
            None => self.registry.schema(id).await?,
        };
        let (event_type, event) = match read_body(route, &schema, body)? {
            Body::Event(event_type, event) => (event_type, event),
            Body::UnknownPlatformEvent(name) => return Ok(Decoded::UnknownPlatformEvent { name }),
        };
        let (position, details) = (record.position.clone(), self.meta.details_of(record));
        Ok(Decoded::Event(Box::new(Envelope { event_type, event, position, details })))
    }
}

/// What a body holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// An event and its type.
    Event(EventType, Event),
    /// A platform event of this name, which this program does not know.
    UnknownPlatformEvent(String),
}

/// Reads the Avro body of a record of a topic that carries `route`.
///
/// # Errors
/// If the body is no record of `schema`, of another type than the topic's, or holds no event.
pub fn read_body(route: &Route, schema: &CompiledSchema, body: &[u8]) -> Result<Body, DecodeError> {
    // Before anything else: the decoders trust what the check has seen. apache-avro alone takes many a
    // cut body for a whole one.
    if !mutant::is(Mutant::AcceptCutRecords) {
        schema.projection().check(body)?;
    }
    if let Some(expected) = RecordKind::on(route)
        && *schema.kind() != expected
    {
        return Err(wrong_type(expected.name().to_owned(), schema));
    }
    match route {
        Route::ChangeLog => {
            let event = Event::ChangeLog(Box::new(read_as::<ChangeLog>(schema, body)?));
            Ok(Body::Event(EventType::MetadataChangeLog, event))
        }
        Route::PlatformEvent => match read_payload(read_platform_event(schema, body)?)? {
            Payload::Event(event_type, event) => Ok(Body::Event(event_type, event)),
            Payload::Unknown(name) => Ok(Body::UnknownPlatformEvent(name)),
        },
        Route::EveryPlatformEvent => match read_payload(read_platform_event(schema, body)?)? {
            Payload::Event(event_type, event) => Ok(Body::Event(event_type, event)),
            Payload::Unknown(_) => {
                let event = object_of(&read_as::<WholePlatformEvent>(schema, body)?);
                Ok(Body::Event(EventType::PlatformEvent, event))
            }
        },
        Route::Proposal => {
            let event = object_of(&read_as::<Proposal>(schema, body)?);
            Ok(Body::Event(EventType::MetadataChangeProposal, event))
        }
        Route::FailedProposal => {
            let event = object_of(&read_as::<FailedProposal>(schema, body)?);
            Ok(Body::Event(EventType::FailedMetadataChangeProposal, event))
        }
        Route::Avro(name) => {
            let event_type = EventType::Other(Arc::clone(name));
            Ok(Body::Event(event_type, Event::Object(read_any_record(schema, body)?)))
        }
    }
}

/// Reads a body into one of the structs that follow our schemas.
fn read_as<T: DeserializeOwned>(schema: &CompiledSchema, body: &[u8]) -> Result<T, DecodeError> {
    if let Some(typed) = schema.typed()
        && let Ok(read) = serde_avro_fast::from_datum_slice(body, typed)
    {
        return Ok(read);
    }
    let record = generic::read(schema.schema(), body).map_err(|error| unreadable(schema, &error))?;
    serde_json::from_value(generic::plain_json(record)).map_err(|error| unreadable(schema, &error))
}

/// Reads a body of any schema that is a record's.
fn read_any_record(schema: &CompiledSchema, body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    let record = generic::read(schema.schema(), body).map_err(|error| unreadable(schema, &error))?;
    match generic::json_by_schema(schema.schema(), record) {
        Ok(Value::Object(object)) if matches!(schema.schema(), Schema::Record(_)) => Ok(object),
        Ok(_) => Err(wrong_type("records".to_owned(), schema)),
        Err(error) => Err(unreadable(schema, &error)),
    }
}

fn object_of<T: Serialize>(event: &T) -> Event {
    match serde_json::to_value(event) {
        Ok(Value::Object(object)) => Event::Object(object),
        // A struct of texts, numbers and maps with text keys is an object.
        _ => Event::Object(Map::new()),
    }
}

fn wrong_type(expected: String, schema: &CompiledSchema) -> DecodeError {
    DecodeError::WrongType { expected, found: schema.kind().name().to_owned() }
}

fn read_platform_event<'a>(
    schema: &CompiledSchema,
    body: &'a [u8],
) -> Result<PlatformEvent<'a>, DecodeError> {
    if let Some(typed) = schema.typed()
        && let Ok(platform_event) = serde_avro_fast::from_datum_slice(body, typed)
    {
        return Ok(platform_event);
    }
    let record = generic::read(schema.schema(), body).map_err(|error| unreadable(schema, &error))?;
    PlatformEvent::from_avro(record)
        .ok_or_else(|| unreadable(schema, &"`name` or `payload` is missing or has another type"))
}

/// What a platform event is, by its name.
enum Payload {
    /// An event that this program knows.
    Event(EventType, Event),
    /// Something of this name.
    Unknown(String),
}

fn read_payload(platform_event: PlatformEvent<'_>) -> Result<Payload, DecodeError> {
    let PlatformEvent { name, payload } = platform_event;
    let Some(event_type) = EventType::of_platform_event(&name) else { return Ok(Payload::Unknown(name)) };
    let read = match payload {
        Some(found) => payload::read(&event_type, &found.value, &found.content_type),
        None => Err(payload::PayloadError::Missing),
    };
    match read {
        Ok(payload) => Ok(Payload::Event(event_type, Event::Object(payload))),
        Err(source) => Err(DecodeError::Payload { name, source }),
    }
}

fn unreadable(schema: &CompiledSchema, reason: &dyn std::fmt::Display) -> DecodeError {
    DecodeError::Unreadable { record: schema.kind().name().to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
