//! `meta` of an event's JSON: where its record stands, and with `options.meta: full` what else the
//! record carries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::position::Position;
use super::record::{Header, Record};

/// How much `meta` says: `options.meta`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetaDetail {
    /// Topic, partition and offset, as the Python framework does.
    #[default]
    Standard,
    /// The record's timestamp, key and headers too.
    Full,
}

/// What a record carries beside its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordDetails {
    /// When it was produced or appended, in milliseconds since the Unix epoch.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers in their order; a key may come more than once.
    pub headers: Vec<Header>,
}

impl MetaDetail {
    /// What `meta` is to say of a record beside its place.
    pub fn details_of(self, record: &Record) -> Option<Box<RecordDetails>> {
        match self {
            Self::Standard => None,
            Self::Full => Some(Box::new(RecordDetails {
                timestamp_ms: record.timestamp_ms,
                key: record.key.clone(),
                headers: record.headers.clone(),
            })),
        }
    }
}

/// `meta` of an event's JSON.
#[derive(Serialize)]
pub(super) struct Meta<'a> {
    kafka: KafkaMeta<'a>,
}

impl<'a> Meta<'a> {
    pub(super) fn of(position: &'a Position, details: Option<&'a RecordDetails>) -> Self {
        Self { kafka: KafkaMeta { position, details } }
    }
}

/// `meta.kafka`.
struct KafkaMeta<'a> {
    position: &'a Position,
    details: Option<&'a RecordDetails>,
}

impl Serialize for KafkaMeta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut meta = serializer.serialize_map(None)?;
        meta.serialize_entry("topic", &*self.position.source.topic)?;
        meta.serialize_entry("partition", &self.position.source.partition)?;
        meta.serialize_entry("offset", &self.position.offset)?;
        if let Some(RecordDetails { timestamp_ms, key, headers }) = self.details {
            meta.serialize_entry("timestamp", timestamp_ms)?;
            serialize_bytes(&mut meta, ["key", "key_base64"], key.as_deref())?;
            let headers: Vec<_> = headers.iter().map(HeaderMeta).collect();
            meta.serialize_entry("headers", &headers)?;
        }
        meta.end()
    }
}

/// One of `meta.kafka.headers`: a list, since a header's key may come more than once.
struct HeaderMeta<'a>(&'a Header);

impl Serialize for HeaderMeta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = self.0;
        let mut header = serializer.serialize_map(Some(2))?;
        header.serialize_entry("key", key)?;
        serialize_bytes(&mut header, ["value", "value_base64"], value.as_deref())?;
        header.end()
    }
}

/// Bytes under the first name if they are UTF-8 (or there are none), and else in base64 under the second:
/// who reads the first need not guess which of the two it is.
fn serialize_bytes<M: SerializeMap>(
    map: &mut M,
    [as_text, as_base64]: [&str; 2],
    bytes: Option<&[u8]>,
) -> Result<(), M::Error> {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => map.serialize_entry(as_text, &()),
        Some(Ok(text)) => map.serialize_entry(as_text, text),
        Some(Err(bytes)) => map.serialize_entry(as_base64, &STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::TopicPartition;

    fn json_of(detail: MetaDetail, key: Option<&[u8]>, headers: Vec<Header>) -> serde_json::Value {
        let source = TopicPartition { topic: "t".into(), partition: 2 };
        let record = Record {
            position: Position { source, offset: 7 },
            timestamp_ms: Some(5),
            key: key.map(<[u8]>::to_vec),
            value: None,
            headers,
        };
        let details = detail.details_of(&record);
        serde_json::to_value(Meta::of(&record.position, details.as_deref())).unwrap()
    }

    #[test]
    fn standard_meta_is_where_the_record_stands_and_no_more() {
        let header = ("a".to_owned(), None);
        assert_eq!(
            json_of(MetaDetail::Standard, Some(b"key"), vec![header]),
            json!({"kafka": {"topic": "t", "partition": 2, "offset": 7}})
        );
    }

    #[test]
    fn full_meta_has_timestamp_key_and_headers_and_shows_what_is_no_text_in_base64() {
        let headers = vec![
            ("trace".to_owned(), Some(b"1".to_vec())),
            ("trace".to_owned(), None),
            ("id".to_owned(), Some(vec![0xff, 0])),
        ];
        assert_eq!(
            json_of(MetaDetail::Full, Some("urn:li:corpuser:\u{e9}".as_bytes()), headers),
            json!({"kafka": {"topic": "t", "partition": 2, "offset": 7, "timestamp": 5,
            "key": "urn:li:corpuser:\u{e9}",
            "headers": [
                {"key": "trace", "value": "1"}, {"key": "trace", "value": null},
                {"key": "id", "value_base64": "/wA="},
            ]}})
        );
        let without_key = json_of(MetaDetail::Full, None, Vec::new());
        assert_eq!(without_key["kafka"]["key"], json!(null));
        let binary = json_of(MetaDetail::Full, Some(&[0xff]), Vec::new());
        assert_eq!((binary["kafka"].get("key"), &binary["kafka"]["key_base64"]), (None, &json!("/w==")));
    }
}
