//! The schema registry's client with every default, environment variable and recipe key resolved.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// What the registry client is built from.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// The registries, tried in this order; each with its path prefix, none with user information.
    pub urls: Vec<Url>,
    /// How the client says who it is.
    pub auth: RegistryAuth,
    /// Certificates of the authorities to trust, PEM; `None` is the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate, PEM.
    pub certificate_file: Option<PathBuf>,
    /// The client's key, PEM.
    pub key_file: Option<PathBuf>,
    /// Time-out of one request.
    pub timeout: Duration,
}

/// How the registry client says who it is.
#[derive(Debug, Clone)]
pub enum RegistryAuth {
    /// It does not.
    None,
    /// HTTP basic authentication.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A bearer token.
    Bearer(SecretString),
}
