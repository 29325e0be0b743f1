//! A dead letter as one line of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::lineage::is_ours;
use super::{DeadLetter, Failure, rfc3339};
use crate::event::{Envelope, Header, Record};

/// The letter and a line feed. `event_type`, `event` and `meta` stand at the top as the Python
/// framework writes them, so that its own tools read the line and pass over the rest.
pub(super) fn line_of(letter: &DeadLetter<'_>) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line {
        decoded: match letter.envelope {
            Some(envelope) => Decoded::Event(envelope),
            None => Decoded::Nothing { event_type: (), event: (), meta: () },
        },
        pipeline: letter.pipeline,
        id: &letter.lineage.id,
        round: letter.lineage.round,
        error: ErrorFields::from(letter.failure),
        record: RecordFields::from(letter.record),
    })?;
    line.push(b'\n');
    Ok(line)
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    decoded: Decoded<'a>,
    pipeline: &'a str,
    id: &'a str,
    round: u32,
    error: ErrorFields<'a>,
    record: RecordFields<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Decoded<'a> {
    Event(&'a Envelope),
    Nothing { event_type: (), event: (), meta: () },
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    stage: &'static str,
    class: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    attempts: u32,
    first_at: Option<String>,
    last_at: Option<String>,
}

impl<'a> From<&'a Failure> for ErrorFields<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            stage: failure.stage.as_str(),
            class: failure.class,
            message: &failure.message,
            http_status: failure.http_status,
            attempts: failure.attempts,
            first_at: rfc3339(failure.first_at),
            last_at: rfc3339(failure.last_at),
        }
    }
}

#[derive(Serialize)]
struct RecordFields<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    /// Milliseconds since the Unix epoch.
    timestamp: Option<i64>,
    key: Option<Base64<'a>>,
    value: Option<Base64<'a>>,
    headers: Vec<HeaderFields<'a>>,
}

impl<'a> From<&'a Record> for RecordFields<'a> {
    fn from(record: &'a Record) -> Self {
        let position = &record.position;
        Self {
            topic: &position.source.topic,
            partition: position.source.partition,
            offset: position.offset,
            timestamp: record.timestamp_ms,
            key: record.key.as_deref().map(Base64),
            value: record.value.as_deref().map(Base64),
            headers: record
                .headers
                .iter()
                .filter(|header| !is_ours(header))
                .map(HeaderFields::from)
                .collect(),
        }
    }
}

/// Without this program's own of an earlier round, which `id`, `round` and `error` stand for.
/// A list of these, not a map: a header's key may come more than once.
#[derive(Serialize)]
struct HeaderFields<'a> {
    key: &'a str,
    value: Option<Base64<'a>>,
}

impl<'a> From<&'a Header> for HeaderFields<'a> {
    fn from((key, value): &'a Header) -> Self {
        Self { key, value: value.as_deref().map(Base64) }
    }
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}
