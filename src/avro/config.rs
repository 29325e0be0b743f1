//! What a recipe says about the schema registry, beside its URL.

use schemars::JsonSchema;
use serde::Deserialize;

/// `source.config.connection.schema_registry_config`, with the names of Confluent's clients.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// `user:password` for basic authentication.
    #[serde(rename = "basic.auth.user.info")]
    #[schemars(extend("x-secret" = true))]
    pub basic_auth_user_info: Option<String>,
    /// Accepted for compatibility: this program takes `basic.auth.user.info`, or the URL's.
    #[serde(rename = "basic.auth.credentials.source")]
    pub basic_auth_credentials_source: Option<String>,
    /// File with the certificates of the authorities to trust, PEM.
    #[serde(rename = "ssl.ca.location")]
    pub ssl_ca_location: Option<String>,
    /// File with the client's certificate, PEM.
    #[serde(rename = "ssl.certificate.location")]
    pub ssl_certificate_location: Option<String>,
    /// File with the client's key, PEM.
    #[serde(rename = "ssl.key.location")]
    pub ssl_key_location: Option<String>,
    /// Password of the client's key, which must then be PKCS#8.
    #[serde(rename = "ssl.key.password")]
    #[schemars(extend("x-secret" = true))]
    pub ssl_key_password: Option<String>,
    /// URL of the HTTP proxy that requests go through.
    pub proxy: Option<String>,
    /// Bearer token.
    #[serde(rename = "bearer.auth.token")]
    #[schemars(extend("x-secret" = true))]
    pub bearer_auth_token: Option<String>,
    /// Time-out of one request, in seconds (default 5).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 3600))]
    pub timeout: Option<f64>,
    /// Accepted for compatibility: a look-up is repeated until it is answered.
    #[serde(rename = "max.retries")]
    pub max_retries: Option<u32>,
    /// The wait before a request is repeated, in milliseconds; it doubles each time (default 1000).
    #[serde(rename = "retries.wait.ms")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub retries_wait_ms: Option<u64>,
    /// The longest such wait, in milliseconds (default 60000).
    #[serde(rename = "retries.max.wait.ms")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub retries_max_wait_ms: Option<u64>,
    /// Accepted for compatibility: every schema that was resolved is kept.
    #[serde(rename = "cache.capacity")]
    pub cache_capacity: Option<u64>,
    /// Accepted for compatibility: an id never changes its meaning.
    #[serde(rename = "cache.latest.ttl.sec")]
    pub cache_latest_ttl_sec: Option<f64>,
}

/// Shows which keys are set, not their values: some are secrets.
impl std::fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryConfig")
            .field("basic_auth", &self.basic_auth_user_info.is_some())
            .field("bearer_auth", &self.bearer_auth_token.is_some())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
