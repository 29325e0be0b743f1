//! How the request is made: certificates, time-outs, connections.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::{Certificate, Client, Identity, redirect};

use super::addresses::GuardedResolver;
use super::answer::with_causes;
use super::config::WebhookSettings;

/// How long a connection may lie idle before it is used again. Shorter than what common servers allow
/// (Node, Apache and uvicorn close after 5 s): an event that is sent into a connection which the server
/// is just closing fails, and without `retry_count` that would be its end.
const IDLE: Duration = Duration::from_secs(4);

/// A connection is there within this time, or the endpoint is away.
const CONNECT: Duration = Duration::from_secs(10);

/// Why the client could not be built; the pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSetupError {
    /// A certificate or key cannot be read.
    #[error("{key}: cannot read {path}: {source}")]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{key}: {path} does not hold {expected} in PEM form: {reason}")]
    Pem {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What was found.
        reason: String,
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
    // rustls is built without a default for its cryptography, so that only ring is linked. An error
    // says that this has been done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder()
        .user_agent(concat!("datahub-relay/", env!("CARGO_PKG_VERSION")))
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
    if settings.url.scheme() == "http" {
        // Loading the system's authorities fails where there are none, as in a slim container, and
        // plain HTTP must not need them.
        client = client.tls_certs_only([]);
    } else if !settings.verify_certificates {
        client = client.tls_danger_accept_invalid_certs(true);
    } else if let Some(path) = &settings.ca_file {
        client = client.tls_certs_only(authorities(path)?);
    }
    if let Some((certificate, key)) = &settings.identity_files {
        client = client.identity(identity(certificate, key)?);
    }
    client.build().map_err(|error| WebhookSetupError::Client(with_causes(&error)))
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, WebhookSetupError> {
    const KEY: &str = "ca_certificate_path";
    let not_pem =
        |reason| WebhookSetupError::Pem { key: KEY, path: path.to_owned(), expected: "certificates", reason };
    let found = Certificate::from_pem_bundle(&read(KEY, path)?);
    let found = found.map_err(|error| not_pem(with_causes(&error)))?;
    if found.is_empty() {
        // Trusting nobody would show up only as a handshake that fails.
        return Err(not_pem("there are none in it".to_owned()));
    }
    Ok(found)
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, WebhookSetupError> {
    const KEY: &str = "client_key_path";
    let mut pem = read("client_certificate_path", certificate)?;
    pem.push(b'\n');
    pem.extend(read(KEY, key)?);
    Identity::from_pem(&pem).map_err(|error| WebhookSetupError::Pem {
        key: KEY,
        path: key.to_owned(),
        expected: "an unencrypted key for the certificate",
        reason: with_causes(&error),
    })
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, WebhookSetupError> {
    fs::read(path).map_err(|source| WebhookSetupError::File { key, path: path.to_owned(), source })
}
