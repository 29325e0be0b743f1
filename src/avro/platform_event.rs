//! The Avro record around a platform event's payload.

use std::borrow::Cow;
use std::fmt;

use apache_avro::types::Value as AvroValue;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::event::GenericAspect;

/// What is read of a `PlatformEvent` record; its header is not.
#[derive(Debug, Deserialize)]
pub(super) struct PlatformEvent<'a> {
    pub(super) name: String,
    #[serde(borrow, default)]
    pub(super) payload: Option<GenericPayload<'a>>,
}

/// A whole `PlatformEvent` record, for one whose payload this program does not look into.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WholePlatformEvent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<Header>,
    name: String,
    /// `GenericPayload` has the fields of `GenericAspect`, and shows as one does: its value is text, not
    /// parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<GenericAspect>,
}

/// `PlatformEventHeader`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    timestamp_millis: i64,
}

/// `GenericPayload`: a payload, serialized.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenericPayload<'a> {
    /// Kept as bytes: what is not UTF-8 is not JSON either, and must not be made so.
    #[serde(borrow, deserialize_with = "bytes")]
    pub(super) value: Cow<'a, [u8]>,
    pub(super) content_type: String,
}

impl PlatformEvent<'_> {
    /// Takes the record from Avro's own value; `None` if it has another shape.
    pub(super) fn from_avro(record: AvroValue) -> Option<Self> {
        let [name, payload] = fields(record, ["name", "payload"])?;
        let Some(AvroValue::String(name)) = name else { return None };
        let payload = match payload {
            None | Some(AvroValue::Null) => None,
            Some(payload) => Some(GenericPayload::from_avro(payload)?),
        };
        Some(Self { name, payload })
    }
}

impl GenericPayload<'_> {
    fn from_avro(record: AvroValue) -> Option<Self> {
        let [value, content_type] = fields(record, ["value", "contentType"])?;
        match (value?, content_type?) {
            (AvroValue::Bytes(value), AvroValue::String(content_type)) => {
                Some(Self { value: Cow::Owned(value), content_type })
            }
            _ => None,
        }
    }
}

/// The named fields of a record, taken out of unions.
fn fields<const N: usize>(record: AvroValue, names: [&str; N]) -> Option<[Option<AvroValue>; N]> {
    let AvroValue::Record(mut fields) = record else { return None };
    Some(names.map(|name| {
        let index = fields.iter().position(|(field, _)| field == name)?;
        match fields.swap_remove(index).1 {
            AvroValue::Union(_, value) => Some(*value),
            value => Some(value),
        }
    }))
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, [u8]>, D::Error> {
    deserializer.deserialize_bytes(BytesVisitor)
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text.as_bytes()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.as_bytes().to_vec()))
    }
}
