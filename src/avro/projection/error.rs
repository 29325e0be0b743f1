//! Why a body is not a record of its writer's schema.

use super::VALUES_LIMIT;

/// What is wrong with a record's Avro body. Offsets count bytes from the body's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The body ends in the middle of a value.
    #[error("the Avro body is cut: a value that begins at byte {at} goes past the end")]
    Truncated {
        /// Where the value begins.
        at: usize,
    },
    /// There are bytes behind the record.
    #[error("{count} bytes follow the end of the Avro record; was it written with another schema?")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A string is not UTF-8.
    #[error("the string at byte {at} of the Avro body is not UTF-8")]
    InvalidUtf8 {
        /// Where its text begins.
        at: usize,
    },
    /// A number takes more bytes or bits than its type has.
    #[error("the number at byte {at} of the Avro body is larger than its type")]
    NumberTooLarge {
        /// Where it begins.
        at: usize,
    },
    /// A boolean is neither 0 nor 1.
    #[error("the boolean at byte {at} of the Avro body is neither 0 nor 1")]
    InvalidBoolean {
        /// Where it stands.
        at: usize,
    },
    /// A union names a branch that the schema does not have.
    #[error("the union at byte {at} of the Avro body names a branch that the schema does not have")]
    UnionIndex {
        /// Where it begins.
        at: usize,
    },
    /// An enum names a symbol that the schema does not have.
    #[error("the enum at byte {at} of the Avro body names a symbol that the schema does not have")]
    EnumIndex {
        /// Where it begins.
        at: usize,
    },
    /// A length, or the size of a block, is negative or does not fit what it holds.
    #[error("the length at byte {at} of the Avro body can't be right")]
    InvalidLength {
        /// Where it begins.
        at: usize,
    },
    /// Values are nested deeper than [`super::NESTING_LIMIT`].
    #[error("values are nested too deeply at byte {at} of the Avro body")]
    NestedTooDeeply {
        /// Where the limit was met.
        at: usize,
    },
    /// More than [`VALUES_LIMIT`] values.
    #[error(
        "the Avro body holds more than {VALUES_LIMIT} values, counted up to byte {at}; write smaller records"
    )]
    TooManyValues {
        /// Where the limit was met.
        at: usize,
    },
}

impl ScanError {
    /// A short name of the kind of error, stable over versions.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::NumberTooLarge { .. } => "number_too_large",
            Self::InvalidBoolean { .. } => "invalid_boolean",
            Self::UnionIndex { .. } => "union_index",
            Self::EnumIndex { .. } => "enum_index",
            Self::InvalidLength { .. } => "invalid_length",
            Self::NestedTooDeeply { .. } => "nested_too_deeply",
            Self::TooManyValues { .. } => "too_many_values",
        }
    }
}
