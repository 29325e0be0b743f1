//! Why a record could not be decoded.

use std::time::Duration;

use super::payload::PayloadError;
use super::projection::ScanError;
use super::registry::RegistryError;
use super::wire::WireError;
use crate::event::Stage;

/// Why a record could not be decoded. All but an outage of the registry are properties of the record:
/// [`DecodeError::stage`] says where it goes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecodeError {
    /// The value does not begin with a wire header.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The writer's schema can't be had: for now, or for good.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The body is not a record of its writer's schema.
    #[error(transparent)]
    Body(#[from] ScanError),
    /// The body is a record of its writer's schema, but not of a shape that can be read as an event.
    #[error("the record can't be read as {record}: {reason}")]
    Unreadable {
        /// Full name of the record.
        record: String,
        /// What is missing or has another type.
        reason: String,
    },
    /// The record is of another type than its topic carries.
    #[error("the topic carries {expected}, but this is {found}; check topic_routes")]
    WrongType {
        /// What the topic carries.
        expected: String,
        /// What the record is.
        found: String,
    },
    /// A platform event's payload.
    #[error("platform event `{name}`: {source}")]
    Payload {
        /// The platform event's name.
        name: String,
        /// What is wrong with its payload.
        source: PayloadError,
    },
}

impl DecodeError {
    /// The stage under which the record becomes a dead letter; `None` while the registry is out: then
    /// nothing is known against the record, and it is to be tried again.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Wire(_) => Some(Stage::Envelope),
            Self::Registry(RegistryError::Unavailable { .. }) => None,
            Self::Registry(_) => Some(Stage::Schema),
            Self::Body(_) | Self::Unreadable { .. } => Some(Stage::Avro),
            Self::WrongType { .. } => Some(Stage::Type),
            Self::Payload { .. } => Some(Stage::Payload),
        }
    }

    /// A short name of the kind of error, stable over versions.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Wire(error) => error.class(),
            Self::Registry(error) => error.class(),
            Self::Body(error) => error.class(),
            Self::Unreadable { .. } => "unreadable",
            Self::WrongType { .. } => "wrong_type",
            Self::Payload { source, .. } => source.class(),
        }
    }

    /// How long to wait before another attempt makes sense; `None` if none does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Registry(error) => error.retry_after(),
            _ => None,
        }
    }
}
