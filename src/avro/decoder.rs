//! A record's bytes to the event in them.

use std::sync::Arc;

use super::compiled::{CompiledSchema, RecordKind};
use super::error::DecodeError;
use super::platform_event::PlatformEvent;
use super::registry::SchemaRegistry;
use super::{generic, payload, schemas, wire};
use crate::event::{ChangeLog, Envelope, Event, EventType, Record, Route};

/// Decodes records with their writers' schemas. Shared by all lanes of a pipeline.
#[derive(Debug)]
pub struct Decoder {
    registry: Arc<SchemaRegistry>,
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
        Self { registry }
    }

    /// Decodes a record of a topic that carries `route`. Waits for the registry where the writer's
    /// schema is not known yet, and for an unknown schema id up to the deadline of
    /// [`SchemaRegistry::schema`]. May be dropped at any time.
    ///
    /// # Errors
    /// [`DecodeError::stage`] says whether the record is a dead letter, and at which stage, or whether
    /// the registry is out and the same record has to be tried again after
    /// [`DecodeError::retry_after`].
    pub async fn decode(&self, route: Route, record: &Record) -> Result<Decoded, DecodeError> {
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
        Ok(Decoded::Event(Box::new(Envelope { event_type, event, position: record.position.clone() })))
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
pub fn read_body(route: Route, schema: &CompiledSchema, body: &[u8]) -> Result<Body, DecodeError> {
    // Before anything else: the decoders trust what the check has seen. apache-avro alone takes many a
    // cut body for a whole one.
    schema.projection().check(body)?;
    match (route, schema.kind()) {
        (Route::ChangeLog, RecordKind::ChangeLog) => {
            let event = Event::ChangeLog(Box::new(read_change_log(schema, body)?));
            Ok(Body::Event(EventType::MetadataChangeLog, event))
        }
        (Route::PlatformEvent, RecordKind::PlatformEvent) => read_payload(read_platform_event(schema, body)?),
        (Route::ChangeLog, found) => Err(DecodeError::WrongType {
            expected: schemas::METADATA_CHANGE_LOG,
            found: found.name().to_owned(),
        }),
        (Route::PlatformEvent, found) => {
            Err(DecodeError::WrongType { expected: schemas::PLATFORM_EVENT, found: found.name().to_owned() })
        }
    }
}

fn read_change_log(schema: &CompiledSchema, body: &[u8]) -> Result<ChangeLog, DecodeError> {
    if let Some(typed) = schema.typed()
        && let Ok(change_log) = serde_avro_fast::from_datum_slice(body, typed)
    {
        return Ok(change_log);
    }
    let record = generic::read(schema.schema(), body).map_err(|error| unreadable(schema, &error))?;
    serde_json::from_value(generic::plain_json(record)).map_err(|error| unreadable(schema, &error))
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

fn read_payload(platform_event: PlatformEvent<'_>) -> Result<Body, DecodeError> {
    let PlatformEvent { name, payload } = platform_event;
    let Some(event_type) = payload::event_type(&name) else { return Ok(Body::UnknownPlatformEvent(name)) };
    let read = match payload {
        Some(found) => payload::read(event_type, &found.value, &found.content_type),
        None => Err(payload::PayloadError::Missing),
    };
    match read {
        Ok(payload) => Ok(Body::Event(event_type, Event::Payload(payload))),
        Err(source) => Err(DecodeError::Payload { name, source }),
    }
}

fn unreadable(schema: &CompiledSchema, reason: &dyn std::fmt::Display) -> DecodeError {
    DecodeError::Unreadable { record: schema.kind().name().to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use url::Url;
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::avro::{Patience, RegistrySettings, ScanCache, SchemaId, encode_json, platform_event_json};
    use crate::event::{FieldSet, Position, Scanned, Stage, TopicPartition};

    /// A registry that knows change logs as id 2, and answers 500 to id 99.
    async fn registry() -> (MockServer, Arc<SchemaRegistry>) {
        let server = MockServer::start().await;
        let schema = json!({"schema": schemas::METADATA_CHANGE_LOG_JSON});
        let known = Mock::given(path("/schemas/ids/2"));
        known.respond_with(ResponseTemplate::new(200).set_body_json(schema)).mount(&server).await;
        let broken = Mock::given(path("/schemas/ids/99"));
        broken.respond_with(ResponseTemplate::new(500)).mount(&server).await;
        let settings = RegistrySettings::at(vec![Url::parse(&server.uri()).unwrap()]);
        let patience = Patience { unknown_id: std::time::Duration::ZERO, ..Patience::default() };
        let registry = SchemaRegistry::new(&RegistrySettings { patience, ..settings.clone() }).unwrap();
        (server, Arc::new(registry))
    }

    fn record(value: Option<Vec<u8>>) -> Record {
        let source = TopicPartition { topic: "MetadataChangeLog_Versioned_v1".into(), partition: 1 };
        let position = Position { source, offset: 7 };
        Record { position, timestamp_ms: None, key: None, value, headers: Vec::new() }
    }

    fn change_log(id: u32) -> Vec<u8> {
        let event = json!({"entityType": "dataset", "changeType": "UPSERT"});
        encode_json(SchemaId(id), schemas::metadata_change_log(), &event).unwrap()
    }

    #[tokio::test]
    async fn a_record_is_decoded_with_the_schema_that_it_names() {
        let (_server, registry) = registry().await;
        let decoder = Decoder::new(registry);
        let decoded = decoder.decode(Route::ChangeLog, &record(Some(change_log(2)))).await.unwrap();
        let Decoded::Event(envelope) = decoded else { panic!("{decoded:?}") };
        assert_eq!(
            serde_json::to_value(&envelope).unwrap(),
            json!({
                "event_type": "MetadataChangeLogEvent_v1",
                "event": {"entityType": "dataset", "changeType": "UPSERT"},
                "meta": {"kafka": {"topic": "MetadataChangeLog_Versioned_v1", "partition": 1, "offset": 7}},
            })
        );
        assert_eq!(decoder.decode(Route::ChangeLog, &record(None)).await.unwrap(), Decoded::Tombstone);
    }

    #[tokio::test]
    async fn each_failure_names_its_stage_and_an_outage_none() {
        let (_server, registry) = registry().await;
        let decoder = Decoder::new(registry);
        let mut cut = change_log(2);
        cut.pop();
        for (value, stage, class) in [
            (Vec::new(), Some(Stage::Envelope), "empty_value"),
            (b"{}".to_vec(), Some(Stage::Envelope), "no_magic_byte"),
            (cut, Some(Stage::Avro), "truncated"),
            // The registry has resolved an id by now, so its empty 404 means that it does not know this one.
            (change_log(3), Some(Stage::Schema), "unknown_schema"),
            (change_log(99), None, "registry_unavailable"),
        ] {
            let error = decoder.decode(Route::ChangeLog, &record(Some(value))).await.unwrap_err();
            assert_eq!((error.stage(), error.class()), (stage, class), "{error}");
            assert_eq!(error.retry_after().is_some(), stage.is_none());
        }
    }

    #[tokio::test]
    async fn the_polling_thread_scans_what_has_been_resolved_and_never_asks() {
        let (server, registry) = registry().await;
        let mut cache = ScanCache::new(Arc::clone(&registry));
        let value = change_log(2);
        assert!(cache.find(&value).is_none());
        assert!(cache.find(b"{}").is_none());
        assert!(server.received_requests().await.unwrap().is_empty());

        registry.schema(SchemaId(2)).await.unwrap();
        for _ in 0..2 {
            let (schema, body) = cache.find(&value).unwrap();
            let scanned = schema.projection().scan(body, FieldSet::ALL).unwrap();
            assert_eq!(scanned.entity_type, Scanned::Text("dataset"));
            assert!(cache.find(&change_log(3)).is_none());
        }
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }

    fn body_of(schema: &CompiledSchema, record: &Value) -> Vec<u8> {
        encode_json(SchemaId(0), schema.schema(), record).unwrap().split_off(wire::HEADER_BYTES)
    }

    #[test]
    fn the_generic_path_reads_what_the_typed_one_reads() {
        let typed = CompiledSchema::parse(schemas::METADATA_CHANGE_LOG_JSON).unwrap();
        assert!(typed.typed().is_some());
        let generic = CompiledSchema::parse(schemas::METADATA_CHANGE_LOG_JSON).unwrap().without_typed();
        let samples = [
            include_str!("../embedded/samples/versioned.json"),
            include_str!("../embedded/samples/timeseries.json"),
        ];
        for sample in samples.iter().flat_map(|json| serde_json::from_str::<Vec<Value>>(json).unwrap()) {
            let body = body_of(&typed, &sample["record"]);
            let expected = read_body(Route::ChangeLog, &typed, &body).unwrap();
            assert_eq!(read_body(Route::ChangeLog, &generic, &body).unwrap(), expected);
        }

        let typed = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap();
        let generic = CompiledSchema::parse(schemas::PLATFORM_EVENT_JSON).unwrap().without_typed();
        let samples = include_str!("../embedded/samples/platform_events.json");
        for sample in serde_json::from_str::<Vec<Value>>(samples).unwrap() {
            let name = sample["name"].as_str().unwrap();
            let body = body_of(&typed, &platform_event_json(name, 1, &sample["payload"]));
            let expected = read_body(Route::PlatformEvent, &typed, &body).unwrap();
            assert_eq!(read_body(Route::PlatformEvent, &generic, &body).unwrap(), expected);
        }
    }

    #[test]
    fn a_record_without_what_an_event_needs_is_unreadable() {
        let schema = json!({"type": "record", "name": "MetadataChangeLog",
            "namespace": "com.linkedin.pegasus2avro.mxe", "fields": [{"name": "entityType", "type": "string"}]});
        let schema = CompiledSchema::parse(&schema.to_string()).unwrap();
        let error = read_body(Route::ChangeLog, &schema, &[2, b'a']).unwrap_err();
        assert_eq!((error.class(), error.stage()), ("unreadable", Some(Stage::Avro)));
        assert!(error.to_string().contains("changeType"), "{error}");
    }
}
