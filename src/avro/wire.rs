//! The wire header: a zero byte, then the schema's id as four bytes, big-endian, then the Avro body.

use std::fmt;

/// The id under which a registry keeps a schema. 0 is an id like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 5;

/// Splits a record's value into the id of its writer's schema and its Avro body.
///
/// # Errors
/// If the value is empty, too short to hold a header, or does not begin with a zero byte.
pub fn split(value: &[u8]) -> Result<(SchemaId, &[u8]), WireError> {
    match value {
        [] => Err(WireError::Empty),
        [0, a, b, c, d, body @ ..] => Ok((SchemaId(u32::from_be_bytes([*a, *b, *c, *d])), body)),
        [0, ..] => Err(WireError::TooShort { length: value.len() }),
        [found, ..] => Err(WireError::NoMagicByte { found: *found }),
    }
}

/// The header that goes before a body written with schema `id`.
pub fn header(id: SchemaId) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = id.0.to_be_bytes();
    [0, a, b, c, d]
}

/// Why a value has no wire header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// There is a value, but it has no bytes.
    #[error("the value is empty: no schema id, no Avro body")]
    Empty,
    /// Fewer than [`HEADER_BYTES`].
    #[error(
        "the value has {length} bytes, too few for a schema id; was it written without a schema registry?"
    )]
    TooShort {
        /// Length of the value in bytes.
        length: usize,
    },
    /// The first byte is not zero.
    #[error("the value begins with byte {found} instead of 0; was it written without a schema registry?")]
    NoMagicByte {
        /// The first byte.
        found: u8,
    },
}

impl WireError {
    /// A short name of the kind of error, stable over versions.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Empty => "empty_value",
            Self::TooShort { .. } => "header_too_short",
            Self::NoMagicByte { .. } => "no_magic_byte",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_split_from_its_body() {
        assert_eq!(split(&[0, 0, 0, 1, 2, 7, 8]), Ok((SchemaId(258), &[7, 8][..])));
        assert_eq!(split(&[0, 0, 0, 0, 0]), Ok((SchemaId(0), &[][..])), "id 0 and an empty body are legal");
        assert_eq!(split(&header(SchemaId(u32::MAX))), Ok((SchemaId(u32::MAX), &[][..])));
    }

    #[test]
    fn what_is_no_header_is_an_error() {
        assert_eq!(split(&[]), Err(WireError::Empty));
        assert_eq!(split(&[0, 0, 0, 1]), Err(WireError::TooShort { length: 4 }));
        assert_eq!(split(b"{\"a\":1}"), Err(WireError::NoMagicByte { found: b'{' }));
        assert_eq!(split(&[3]), Err(WireError::NoMagicByte { found: 3 }));
    }
}
