//! What the registry's client is built from: everything resolved and checked.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// How the schema registry is reached.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// The registry's addresses, tried in their order; each with any path prefix, with or without a
    /// trailing slash, and without user information (that is in `auth`).
    pub urls: Vec<Url>,
    /// How the client says who it is.
    pub auth: RegistryAuth,
    /// PEM file with the authorities to trust; `None` trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client's certificate.
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the client's key, not encrypted.
    pub key_file: Option<PathBuf>,
    /// Time-out of one request.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// Time-out of one request, where nobody sets another: the registry is asked once per schema id,
    /// and a partition waits for the answer.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
}

/// How the registry's client says who it is.
#[derive(Debug, Clone, Default)]
pub enum RegistryAuth {
    /// Not at all.
    #[default]
    None,
    /// With a user's name and password.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// With a token.
    Bearer(SecretString),
}
