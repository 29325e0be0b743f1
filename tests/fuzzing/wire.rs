//! The wire header: any bytes.

use datahub_relay::avro::wire::{HEADER_BYTES, WireError, header, split};

/// A value either has a header, which is exactly its first five bytes, or the error says why not.
pub(crate) fn check(value: &[u8]) {
    match split(value) {
        Ok((id, body)) => {
            assert_eq!(header(id), value[..HEADER_BYTES]);
            assert_eq!(body, &value[HEADER_BYTES..]);
        }
        Err(WireError::Empty) => assert!(value.is_empty()),
        Err(WireError::NoMagicByte { found }) => {
            assert_ne!(found, 0);
            assert_eq!(value.first(), Some(&found));
        }
        Err(WireError::TooShort { length }) => {
            assert!(value[0] == 0 && length == value.len() && length < HEADER_BYTES);
        }
    }
}
