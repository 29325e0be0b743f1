//! A place in an Avro body, and the primitive values that can be read from there.

use super::VALUES_LIMIT;
use super::error::ScanError;

/// Reads a body from its beginning to its end. Never reads past the end, never allocates.
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
    values_left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, values_left: VALUES_LIMIT }
    }

    /// How many bytes have been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.body.len() - self.at
    }

    /// Steps over `count` bytes of a value.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) -> Result<(), ScanError> {
        self.take(count).map(|_| ())
    }

    /// The next `count` bytes of a value.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], ScanError> {
        let taken = self.body[self.at..].get(..count).ok_or(ScanError::Truncated { at: self.at })?;
        self.at += count;
        Ok(taken)
    }

    /// A zigzag number of up to 64 bits.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, ScanError> {
        // Nearly every number of these records is a length, a union's branch or an enum's symbol, and
        // fits one byte.
        match self.body.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(zigzag(u64::from(byte)))
            }
            _ => self.long_of_many_bytes(),
        }
    }

    fn long_of_many_bytes(&mut self) -> Result<i64, ScanError> {
        let mut bits = 0_u64;
        for (index, &byte) in self.body[self.at..].iter().enumerate() {
            let low = u64::from(byte & 0x7f);
            // The tenth byte has room for the one bit that is left of 64.
            if index == 9 && byte > 1 {
                return Err(ScanError::NumberTooLarge { at: self.at });
            }
            bits |= low << (7 * index);
            if byte < 0x80 {
                self.at += index + 1;
                return Ok(zigzag(bits));
            }
        }
        Err(ScanError::Truncated { at: self.at })
    }

    /// A zigzag number of up to 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, ScanError> {
        let at = self.at;
        i32::try_from(self.long()?).map_err(|_| ScanError::NumberTooLarge { at })
    }

    /// A boolean.
    pub(super) fn boolean(&mut self) -> Result<bool, ScanError> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(ScanError::InvalidBoolean { at: self.at - 1 }),
        }
    }

    /// The bytes of a string or of a bytes value, behind their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], ScanError> {
        let length_at = self.at;
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| ScanError::InvalidLength { at: length_at })?;
        self.take(length)
    }

    /// A string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<&'a str, ScanError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| ScanError::InvalidUtf8 { at: self.at - bytes.len() })
    }

    /// The header of a block of items.
    #[inline]
    pub(super) fn block(&mut self) -> Result<Block, ScanError> {
        let at = self.at;
        let count = self.long()?;
        if count >= 0 {
            return Ok(Block { items: count.unsigned_abs(), size_bytes: None });
        }
        // A negative count says that the size of the block follows, in bytes, so that a reader can
        // step over it.
        let size = usize::try_from(self.long()?).map_err(|_| ScanError::InvalidLength { at })?;
        if size > self.left() {
            return Err(ScanError::Truncated { at });
        }
        Ok(Block { items: count.unsigned_abs(), size_bytes: Some(size) })
    }

    /// Accounts for a value.
    #[inline]
    pub(super) fn value(&mut self) -> Result<(), ScanError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(ScanError::TooManyValues { at: self.at })?;
        Ok(())
    }
}

/// The header of a block of items.
pub(super) struct Block {
    /// How many items it holds; 0 ends the array or map.
    pub(super) items: u64,
    /// How many bytes they take, if the writer said so.
    pub(super) size_bytes: Option<usize>,
}

const fn zigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -((bits & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_their_last_bit() {
        let max = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Cursor::new(&max).long(), Ok(i64::MAX));
        assert_eq!(Cursor::new(&min).long(), Ok(i64::MIN));
        assert_eq!(Cursor::new(&max).int(), Err(ScanError::NumberTooLarge { at: 0 }));
        assert_eq!(Cursor::new(&[0x01]).long(), Ok(-1));
        assert_eq!(Cursor::new(&[0x80]).long(), Err(ScanError::Truncated { at: 0 }));
        assert_eq!(Cursor::new(&[]).long(), Err(ScanError::Truncated { at: 0 }));
    }

    #[test]
    fn a_number_that_does_not_end_is_too_large() {
        assert_eq!(Cursor::new(&[0xff; 32]).long(), Err(ScanError::NumberTooLarge { at: 0 }));
        let mut eleven = [0x80; 11];
        eleven[10] = 0;
        assert_eq!(Cursor::new(&eleven).long(), Err(ScanError::NumberTooLarge { at: 0 }));
    }

    #[test]
    fn lengths_are_checked_against_what_is_left() {
        assert_eq!(Cursor::new(&[4, b'a']).bytes(), Err(ScanError::Truncated { at: 1 }));
        assert_eq!(Cursor::new(&[1, b'a']).bytes(), Err(ScanError::InvalidLength { at: 0 }));
        assert_eq!(Cursor::new(&[4, b'a', b'b']).string(), Ok("ab"));
        assert_eq!(Cursor::new(&[2, 0xff]).string(), Err(ScanError::InvalidUtf8 { at: 1 }));
    }
}
