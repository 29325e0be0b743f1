//! A record as it came from Kafka, before anybody looked inside.

use super::position::Position;

/// One header of a record: its key, and its value, which may be null.
pub type Header = (String, Option<Vec<u8>>);

/// An owned copy of a Kafka record that was handed on by the polling thread.
///
/// It keeps the original bytes, so that a dead letter can carry them unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where the record stands.
    pub position: Position,
    /// When it was produced or appended, in milliseconds since the Unix epoch, if the broker says.
    pub timestamp_ms: Option<i64>,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in their order; a key may come more than once.
    pub headers: Vec<Header>,
}

impl Record {
    /// Bytes held by key, value and headers: what the record counts towards `max_in_flight_bytes`.
    pub fn held_bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(key, value)| key.len() + length(value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}
