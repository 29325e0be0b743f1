//! Reading text where a schema says bytes, and defaults where a record says null.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// The text that `bytes` hold: UTF-8 if they are, else one character per byte, as in Avro's own JSON
/// encoding, so that no byte is lost.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Reads text from bytes, with the rule of [`text_of`], or from a string.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_byte_buf(TextVisitor)
}

/// Reads a value, or its type's default where there is a null.
pub(super) fn optional_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes or a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(text_of(bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<String, E> {
        Ok(String::from_utf8(bytes).unwrap_or_else(|not_utf8| text_of(not_utf8.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn bytes_that_are_not_utf8_show_one_character_each() {
        assert_eq!(text_of("ä{}".as_bytes()), "ä{}");
        assert_eq!(text_of(&[b'{', 0xff, 0xe4, b'}']), "{\u{ff}\u{e4}}");
    }
}
