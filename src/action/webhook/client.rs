//! How the request is made: certificates, time-outs, connections.

use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::{Client, redirect};

use super::addresses::GuardedResolver;
use super::config::WebhookSettings;
use crate::http_client::{self, CertificateError, with_causes};

/// How long a connection may lie idle before it is used again. Shorter than what common servers allow
/// (Node, Apache and uvicorn close after 5 s): an event that is sent into a connection which the server
/// is just closing fails, and without `retry_count` that would be its end.
const IDLE: Duration = Duration::from_secs(4);

/// A connection is there within this time, or the endpoint is away.
const CONNECT: Duration = Duration::from_secs(10);

/// Why the client could not be built; the pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSetupError {
    /// A file with certificates or a key cannot be used.
    #[error("{key}: {source}")]
    Certificates {
        /// The key that names it.
        key: &'static str,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The client itself.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
}

/// The client of one webhook; its connections are kept and used again.
pub(super) fn build(settings: &WebhookSettings) -> Result<Client, WebhookSetupError> {
    build_with_resolver(settings, GuardedResolver)
}

/// The same, with what looks names up where the recipe does not allow the host whatever its address.
pub(super) fn build_with_resolver(
    settings: &WebhookSettings,
    resolver: impl Resolve + 'static,
) -> Result<Client, WebhookSetupError> {
    let mut client = http_client::builder(settings.url.scheme())
        .default_headers(settings.headers.clone())
        // The whole attempt, from the look-up of the name to the last byte of the answer.
        .timeout(settings.timeout)
        .connect_timeout(settings.timeout.min(CONNECT))
        .pool_idle_timeout(IDLE)
        // A redirect could lead to any address, and would turn the POST into a GET.
        .redirect(redirect::Policy::none());
    if !settings.allows_any_address() {
        client = client.dns_resolver(resolver);
    }
    // Plain HTTP has nobody to trust.
    if settings.url.scheme() == "https" {
        if !settings.verify_certificates {
            client = client.tls_danger_accept_invalid_certs(true);
        } else if let Some(path) = &settings.ca_file {
            let source = |source| WebhookSetupError::Certificates { key: "ca_certificate_path", source };
            client = client.tls_certs_only(http_client::authorities(path).map_err(source)?);
        }
    }
    if let Some((certificate, key)) = &settings.identity_files {
        let source = |source| WebhookSetupError::Certificates { key: "client_key_path", source };
        client = client.identity(http_client::identity(certificate, key, None).map_err(source)?);
    }
    client.build().map_err(|error| WebhookSetupError::Client(with_causes(&error)))
}
