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
    /// PEM file with the client's key.
    pub key_file: Option<PathBuf>,
    /// The password of an encrypted key.
    pub key_password: Option<SecretString>,
    /// The proxy that requests go through; its user information is a secret.
    pub proxy: Option<SecretString>,
    /// Time-out of one request.
    pub timeout: Duration,
    /// For how long, and how often, a registry is asked again.
    pub patience: Patience,
}

/// For how long, and how often, a registry is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For how long an unknown id is asked for before it counts as unknown; once per id.
    pub unknown_id: Duration,
    /// The first wait after a failure; it doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait after a failure.
    pub longest_wait: Duration,
}

impl RegistrySettings {
    /// Time-out of one request, where nobody sets another: the registry is asked once per schema id,
    /// and a partition waits for the answer.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// A registry at these addresses, with the default of everything else.
    pub fn at(urls: Vec<Url>) -> Self {
        Self {
            urls,
            auth: RegistryAuth::None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            key_password: None,
            proxy: None,
            timeout: Self::DEFAULT_TIMEOUT,
            patience: Patience::default(),
        }
    }
}

impl Patience {
    /// The wait after so many failures in a row.
    pub(super) fn wait_after(&self, failures: u32) -> Duration {
        self.first_wait.saturating_mul(2_u32.saturating_pow(failures)).min(self.longest_wait)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            unknown_id: Duration::from_secs(30),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
        }
    }
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
