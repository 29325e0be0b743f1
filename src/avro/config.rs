//! What a recipe says about the schema registry, beside its URL.

use schemars::JsonSchema;
use serde::Deserialize;

/// `source.config.connection.schema_registry_config`, with the names of Confluent's clients.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// `user:password` for basic authentication.
    #[serde(rename = "basic.auth.user.info")]
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
    /// Bearer token.
    #[serde(rename = "bearer.auth.token")]
    pub bearer_auth_token: Option<String>,
    /// Time-out of one request, in seconds (default 5).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 3600))]
    pub timeout: Option<f64>,
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
