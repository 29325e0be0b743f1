//! A dead letter as it is read back, from a line of a file or a record of a topic.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::headers::{
    ATTEMPTS, CLASS, EVENT_TYPE, FIRST_FAILURE, FRAMEWORK_ERROR, FRAMEWORK_PARTITION, FRAMEWORK_PIPELINE,
    HTTP_STATUS, LAST_FAILURE, MESSAGE, PIPELINE, STAGE,
};
use super::lineage::{ID, Lineage, ROUND, header, is_ours};
use crate::event::{ChangeLog, Envelope, Event, EventType, Header, Position, Record, TopicPartition};

/// A stored dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Where it is kept.
    pub place: LetterPlace,
    /// Its id and round. A letter of the Python framework has none and is given one by its place in
    /// Kafka, or by what it says.
    pub lineage: Lineage,
    /// The pipeline that failed, if the letter says so.
    pub pipeline: Option<String>,
    /// What went wrong, if the letter says so.
    pub error: LetterError,
    /// The event's type, where the letter says it.
    pub event_type: Option<String>,
    /// The event's JSON (`event_type`, `event`, `meta`), where the letter has it.
    pub event: Option<Value>,
    /// The original record; `None` in a letter of the Python framework.
    pub record: Option<Record>,
}

/// Where a letter is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterPlace {
    /// A line of a file, from 1.
    Line(Arc<PathBuf>, u64),
    /// A record of a topic.
    Record(Position),
}

/// What a letter says of its failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LetterError {
    /// The stage, such as `avro` or `action`.
    pub stage: String,
    /// The kind of error, such as `truncated`.
    pub class: String,
    /// What happened.
    pub message: String,
    /// The status of the HTTP answer, if it was one.
    pub http_status: Option<u16>,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the first one failed, RFC 3339.
    pub first_at: Option<String>,
    /// When the last one failed, RFC 3339.
    pub last_at: Option<String>,
}

/// What makes a letter this one and no other: a letter that is stored twice is replayed once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterKey {
    /// The id.
    pub id: String,
    /// The round.
    pub round: u32,
    /// When it failed first in this round; empty where the letter does not say.
    pub first_failure: String,
}

/// What could not be read as a letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: is no dead letter: {reason}")]
pub struct Unreadable {
    /// Where it stands.
    pub place: LetterPlace,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for LetterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Record(position) => position.fmt(f),
        }
    }
}

impl Letter {
    /// Reads a line of `failed_events.log`, of this program or of the Python framework.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn of_line(line: &[u8], place: LetterPlace) -> Result<Self, Unreadable> {
        let unreadable = |reason: String| Unreadable { place: place.clone(), reason };
        let read: Line = serde_json::from_slice(line).map_err(|error| unreadable(in_one_line(&error)))?;
        let event = read.event.map(|event| serde_json::from_str::<Value>(event.get())).transpose();
        let event = event.map_err(|error| unreadable(format!("`event`: {}", in_one_line(&error))))?;
        let event = event.map(|event| {
            serde_json::json!({
                "event_type": read.event_type, "event": event, "meta": read.meta.unwrap_or_default(),
            })
        });
        let record = read.record.map(Record::try_from).transpose().map_err(unreadable)?;
        // The re-letter of an event that the framework kept: its record never had bytes.
        let record = record.filter(|record| record.value.is_some() || event.is_none());
        if event.is_none() && record.is_none() {
            return Err(unreadable("it has neither `event` nor `record`".to_owned()));
        }
        let round = read.round.unwrap_or(1);
        let id = match (read.id, &record, &event) {
            (Some(id), ..) => id,
            (None, Some(record), _) => id_at(&read.pipeline.clone().unwrap_or_default(), &record.position),
            (None, None, event) => framework_id(event.as_ref().unwrap_or(&Value::Null)),
        };
        let error = read.error.unwrap_or_default();
        let (pipeline, lineage) = (read.pipeline, Lineage { id, round });
        let event_type = event.as_ref().and_then(type_of);
        Ok(Self { place, lineage, pipeline, error, event_type, event, record })
    }

    /// Reads a record of a dead-letter topic, of this program or of the Python framework.
    ///
    /// # Errors
    /// If it has none of the headers by which either is known.
    pub fn of_record(record: Record) -> Result<Self, Unreadable> {
        let place = LetterPlace::Record(record.position.clone());
        let text = |name: &str| header(&record, name).map(str::to_owned);
        let number = |name: &str| header(&record, name).and_then(|text| text.parse().ok());
        let connect = |name: &str| text(&format!("__connect.errors.{name}"));
        let Some(id) = text(ID) else {
            return Self::of_frameworks_record(&record, place);
        };
        let lineage = Lineage { id, round: number(ROUND).unwrap_or(1) };
        let error = LetterError {
            stage: text(STAGE).or_else(|| connect("stage")).unwrap_or_default(),
            class: text(CLASS).or_else(|| connect("exception.class.name")).unwrap_or_default(),
            message: text(MESSAGE).or_else(|| connect("exception.message")).unwrap_or_default(),
            http_status: header(&record, HTTP_STATUS).and_then(|text| text.parse().ok()),
            attempts: number(ATTEMPTS).unwrap_or(0),
            first_at: text(FIRST_FAILURE),
            last_at: text(LAST_FAILURE),
        };
        let pipeline = text(PIPELINE);
        // Without the type nothing was decoded: then it is a record that looks like an event, such as a letter
        // of the framework in a topic that was read as any other.
        if header(&record, EVENT_TYPE).is_some()
            && header(&record, FRAMEWORK_PARTITION).is_some()
            && let Some(event) = event_of(record.value.as_deref())
        {
            // An event that the framework kept without its record, and that failed here again.
            let event_type = type_of(&event);
            return Ok(Self {
                place,
                lineage,
                pipeline,
                error,
                event_type,
                event: Some(event),
                record: None,
            });
        }
        let event_type = text(EVENT_TYPE);
        // The original's place, where it is known: actions see it in `meta`.
        let position = lineage.position().unwrap_or_else(|| record.position.clone());
        let record = Some(Record { position, ..record });
        Ok(Self { place, lineage, pipeline, error, event_type, event: None, record })
    }

    fn of_frameworks_record(record: &Record, place: LetterPlace) -> Result<Self, Unreadable> {
        let Some(event) = header(record, FRAMEWORK_PARTITION).and_then(|_| event_of(record.value.as_deref()))
        else {
            let reason = format!("it has neither the header {ID} nor the framework's headers and event");
            return Err(Unreadable { place, reason });
        };
        let text = |name: &str| header(record, name).map(str::to_owned);
        let error =
            LetterError { message: text(FRAMEWORK_ERROR).unwrap_or_default(), ..LetterError::default() };
        let lineage = Lineage { id: framework_id(&event), round: 1 };
        let (pipeline, event_type) = (text(FRAMEWORK_PIPELINE), type_of(&event));
        Ok(Self { place, lineage, pipeline, error, event_type, event: Some(event), record: None })
    }

    /// What makes it this letter and no other.
    pub fn key(&self) -> LetterKey {
        LetterKey {
            id: self.lineage.id.clone(),
            round: self.lineage.round,
            first_failure: self.error.first_at.clone().unwrap_or_default(),
        }
    }

    /// The headers with which the record goes back to the topic it came from: those it had, and beside
    /// them which letter it was.
    pub fn headers_to_send_back(&self) -> Vec<Header> {
        let had = self.record.iter().flat_map(|record| &record.headers);
        let mut headers: Vec<Header> = had.filter(|header| !is_ours(header)).cloned().collect();
        let times = [(FIRST_FAILURE, &self.error.first_at), (LAST_FAILURE, &self.error.last_at)];
        let said = [(PIPELINE, &self.pipeline)].into_iter().chain(times);
        headers.extend(
            said.filter_map(|(key, value)| {
                Some((key.to_owned(), Some(value.as_ref()?.clone().into_bytes())))
            }),
        );
        headers.extend(self.lineage.headers());
        headers
    }

    /// The event of a letter that has no record.
    ///
    /// # Errors
    /// Why its JSON is no event of this program.
    pub fn envelope(&self) -> Result<Envelope, String> {
        let json = self.event.as_ref().ok_or("the letter holds no event")?;
        let name = self.event_type.as_deref().ok_or("`event_type` is missing")?;
        // Of any other name it is that of a topic in `topic_routes.avro`.
        let event_type = EventType::standard(name).unwrap_or_else(|| EventType::Other(name.into()));
        // The framework writes a map; what somebody repaired by hand may be text.
        let event = match &json["event"] {
            Value::String(text) => serde_json::from_str(text).map_err(|error| format!("`event`: {error}"))?,
            event => event.clone(),
        };
        let event = match (&event_type, event) {
            (EventType::MetadataChangeLog, event) => {
                let change_log: ChangeLog =
                    serde_json::from_value(event).map_err(|error| format!("`event`: {error}"))?;
                Event::ChangeLog(Box::new(change_log))
            }
            (_, Value::Object(payload)) => Event::Object(payload),
            _ => return Err("`event` is no JSON object".to_owned()),
        };
        Ok(Envelope::new(event_type, event, position_in(json).unwrap_or_else(nowhere)))
    }
}

#[derive(Deserialize)]
struct Line {
    event_type: Option<Value>,
    /// Read by itself: an event may be nested as deeply as JSON is read at all, and the line is one level deeper.
    event: Option<Box<RawValue>>,
    meta: Option<Value>,
    pipeline: Option<String>,
    id: Option<String>,
    round: Option<u32>,
    error: Option<LetterError>,
    record: Option<LineRecord>,
}

#[derive(Deserialize)]
struct LineRecord {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<String>,
    value: Option<String>,
    #[serde(default)]
    headers: Vec<LineHeader>,
}

#[derive(Deserialize)]
struct LineHeader {
    key: String,
    value: Option<String>,
}

impl TryFrom<LineRecord> for Record {
    type Error = String;

    fn try_from(line: LineRecord) -> Result<Self, String> {
        let bytes = |text: Option<String>, what: &str| {
            let decoded = text.map(|text| STANDARD.decode(text)).transpose();
            decoded.map_err(|error| format!("`record.{what}` is not base64: {error}"))
        };
        let headers = line.headers.into_iter().map(|LineHeader { key, value }| {
            let value = bytes(value, "headers")?;
            Ok((key, value))
        });
        let source = TopicPartition { topic: line.topic.into(), partition: line.partition };
        Ok(Self {
            position: Position { source, offset: line.offset },
            timestamp_ms: line.timestamp,
            headers: headers.collect::<Result<_, String>>()?,
            key: bytes(line.key, "key")?,
            value: bytes(line.value, "value")?,
        })
    }
}

/// What is wrong with a line, which stands behind the line's own number.
fn in_one_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("{what}, at byte {}", error.column()),
        None => text,
    }
}

fn type_of(event: &Value) -> Option<String> {
    event.get("event_type")?.as_str().map(str::to_owned)
}

/// The event in a value that the framework wrote. Avro behind a wire header is never mistaken for it.
fn event_of(value: Option<&[u8]>) -> Option<Value> {
    // Each part by itself, as in a line.
    let parts: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(value?).ok()?;
    let parts = parts.into_iter().map(|(key, part)| Some((key, serde_json::from_str(part.get()).ok()?)));
    let event: Map<String, Value> = parts.collect::<Option<_>>()?;
    event.get("event_type")?.is_string().then_some(Value::Object(event))
}

fn id_at(group: &str, position: &Position) -> String {
    format!("{group}/{}/{}/{}", position.source.topic, position.source.partition, position.offset)
}

/// The framework names neither group nor letter: the place in Kafka does, else the event itself.
fn framework_id(event: &Value) -> String {
    match position_in(event) {
        Some(position) => id_at("framework", &position),
        None => format!("framework/event/{:016x}", fnv_1a(event.to_string().as_bytes())),
    }
}

fn position_in(event: &Value) -> Option<Position> {
    let kafka = event.get("meta")?.get("kafka")?;
    let topic = kafka.get("topic")?.as_str()?.into();
    let partition = i32::try_from(kafka.get("partition")?.as_i64()?).ok()?;
    Some(Position { source: TopicPartition { topic, partition }, offset: kafka.get("offset")?.as_i64()? })
}

/// The place of an event that does not say where it came from.
fn nowhere() -> Position {
    Position { source: TopicPartition { topic: "unknown".into(), partition: 0 }, offset: 0 }
}

/// A hash that stays the same over versions of the compiler, which the journal needs.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
