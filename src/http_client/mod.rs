//! How this program speaks HTTP to others: registries, webhooks, whoever gives tokens.

#[cfg(test)]
pub(crate) mod authority;
mod certificates;
mod pem_files;

use std::error::Error;

use reqwest::ClientBuilder;
use url::Url;

pub use certificates::CertificateError;
pub(crate) use certificates::{authorities, identity};
pub(crate) use pem_files::{FoundFiles, PemFiles};

/// A client for addresses of this scheme.
pub(crate) fn builder(scheme: &str) -> ClientBuilder {
    // rustls is built without a default for its cryptography, so that only ring is linked. An error
    // says that this has been done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().user_agent(concat!("datahub-relay/", env!("CARGO_PKG_VERSION")));
    if scheme == "https" {
        return client;
    }
    // Loading the system's authorities fails where there are none, as in a slim container, and plain
    // HTTP must not need them.
    client.tls_certs_only([])
}

/// Whether this client can be sent there: a URL of http or https, with a host.
pub(crate) fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// An error and what caused it, for a person, outermost first, each text once.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut shown = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !shown.contains(&text) {
            shown.push_str(": ");
            shown.push_str(&text);
        }
        source = cause.source();
    }
    shown
}
