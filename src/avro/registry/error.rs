//! What a look-up, or the building of the client, can fail with.

use std::time::Duration;

use crate::avro::wire::SchemaId;
use crate::http_client::CertificateError;

/// Why a schema could not be had. The text names what was asked, what was answered and what to do; it
/// holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The registry works and does not know the id: a property of the records that carry it.
    #[error(
        "the schema registry does not know schema id {id} ({url} answered {answer}), asked for {} s; was the record written with another registry?",
        waited.as_secs()
    )]
    UnknownSchema {
        /// The id.
        id: SchemaId,
        /// The address that was asked.
        url: String,
        /// What it answered.
        answer: String,
        /// For how long the id was asked for, again and again.
        waited: Duration,
    },
    /// The registry knows the id, but what it holds under it is no Avro schema: a property of the
    /// records that carry it, as their bodies can't be read by anybody.
    #[error(
        "the schema registry at {url} has no usable Avro schema under id {id}: {reason}; look at it with GET {url}/schemas/ids/{id}"
    )]
    InvalidSchema {
        /// The id.
        id: SchemaId,
        /// The address that was asked.
        url: String,
        /// What is wrong with the schema.
        reason: String,
    },
    /// The registry can't be reached, does not let us in, or is no registry: an outage, which says
    /// nothing against the record.
    #[error(
        "no answer from the schema registry for schema id {id}: GET {url}/schemas/ids/{id}: {answer}; {advice}"
    )]
    Unavailable {
        /// The id.
        id: SchemaId,
        /// The address that was asked.
        url: String,
        /// What was answered, or why nothing was.
        answer: String,
        /// What to do.
        advice: &'static str,
        /// When the registry will be asked again; until then the same error is given.
        retry_after: Duration,
    },
}

impl RegistryError {
    /// A short name of the kind of error, stable over versions.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::UnknownSchema { .. } => "unknown_schema",
            Self::InvalidSchema { .. } => "invalid_schema",
            Self::Unavailable { .. } => "registry_unavailable",
        }
    }

    /// How long to wait before another attempt makes sense; `None` if none does.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// Why the registry's client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySetupError {
    /// There is no address.
    #[error("no schema registry URL is given; set connection.schema_registry_url")]
    NoUrl,
    /// An address is not one of HTTP.
    #[error("the schema registry URL `{0}` must begin with http:// or https://")]
    Scheme(String),
    /// A file with certificates or a key can't be used.
    #[error(
        "the schema registry's TLS files: {0}; see ssl.ca.location, ssl.certificate.location, ssl.key.location and ssl.key.password"
    )]
    Certificates(#[from] CertificateError),
    /// A certificate without its key, or a key without its certificate.
    #[error(
        "ssl.certificate.location and ssl.key.location of the schema registry go together; set both or neither"
    )]
    HalfAnIdentity,
    /// The proxy's URL can't be used.
    #[error("the schema registry's `proxy` is no URL that can be used; write it as http://host:port")]
    Proxy,
    /// The HTTP client refused its settings.
    #[error("cannot set up the client of the schema registry: {0}")]
    Client(String),
}
