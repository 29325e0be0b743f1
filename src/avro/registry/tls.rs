//! What the HTTP client of a registry is made of: certificates, keys, a proxy.

use std::fs;
use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::SecretDocument;
use pkcs8::der::pem::LineEnding;
use reqwest::{Certificate, ClientBuilder, Identity, Proxy};
use secrecy::{ExposeSecret, SecretString};

use super::answer::with_causes;
use super::error::RegistrySetupError;
use crate::avro::settings::RegistrySettings;

/// What an encrypted key is called in PEM.
const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";

/// The certificates and keys that the settings name, read, and the proxy.
pub(super) struct HttpParts {
    authorities: Option<Vec<Certificate>>,
    identity: Option<Identity>,
    proxy: Option<Proxy>,
}

impl HttpParts {
    /// Reads the files.
    pub(super) fn read(settings: &RegistrySettings) -> Result<Self, RegistrySetupError> {
        let authorities = match &settings.ca_file {
            None => None,
            Some(path) => {
                let pem = read_file("ssl.ca.location", path)?;
                let found = Certificate::from_pem_bundle(&pem)
                    .map_err(|error| not_pem(path, "certificates", with_causes(&error)))?;
                if found.is_empty() {
                    // Trusting nobody would show up only as a handshake that fails.
                    return Err(not_pem(path, "certificates", "there are none in it".to_owned()));
                }
                Some(found)
            }
        };
        let identity = match (&settings.certificate_file, &settings.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                let mut pem = read_file("ssl.certificate.location", certificate)?;
                pem.push(b'\n');
                pem.extend(read_key(key, settings.key_password.as_ref())?);
                let identity = Identity::from_pem(&pem)
                    .map_err(|error| not_pem(key, "the certificate's key", with_causes(&error)))?;
                Some(identity)
            }
            _ => return Err(RegistrySetupError::HalfAnIdentity),
        };
        let proxy = match &settings.proxy {
            None => None,
            // What is wrong with it is not said: the URL may hold a password.
            Some(proxy) => Some(Proxy::all(proxy.expose_secret()).map_err(|_| RegistrySetupError::Proxy)?),
        };
        Ok(Self { authorities, identity, proxy })
    }

    /// A client for an address.
    pub(super) fn client(&self, url: &str) -> ClientBuilder {
        let mut client = http_client(url);
        if let Some(authorities) = &self.authorities {
            client = client.tls_certs_only(authorities.iter().cloned());
        }
        if let Some(identity) = &self.identity {
            client = client.identity(identity.clone());
        }
        if let Some(proxy) = &self.proxy {
            client = client.proxy(proxy.clone());
        }
        client
    }
}

fn http_client(url: &str) -> ClientBuilder {
    // rustls is built without a default for its cryptography, so that only ring is linked. An error
    // says that this has been done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().user_agent(concat!("datahub-relay/", env!("CARGO_PKG_VERSION")));
    if url.starts_with("https:") {
        return client;
    }
    // Loading the system's authorities fails where there are none, as in a slim container, and plain
    // HTTP must not need them.
    client.tls_certs_only([])
}

/// The key as PEM that rustls takes, which knows no encrypted one.
fn read_key(path: &Path, password: Option<&SecretString>) -> Result<Vec<u8>, RegistrySetupError> {
    let pem = read_file("ssl.key.location", path)?;
    let text = String::from_utf8_lossy(&pem);
    let refused = |reason: &str| not_pem(path, "a key that can be used", reason.to_owned());
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(refused("it is encrypted in OpenSSL's older form; convert it with openssl pkcs8 -topk8"));
    }
    if !text.contains(ENCRYPTED_KEY) {
        return Ok(pem);
    }
    let Some(password) = password else {
        return Err(refused("it is encrypted; give its password as ssl.key.password"));
    };
    decrypted(&text, password).ok_or_else(|| {
        refused(
            "it cannot be decrypted: ssl.key.password is wrong, or the cipher is not one of PBES2 with AES",
        )
    })
}

fn decrypted(pem: &str, password: &SecretString) -> Option<Vec<u8>> {
    // A file may hold more than the key, and anything may stand before it.
    let begin = pem.find(&format!("-----BEGIN {ENCRYPTED_KEY}-----"))?;
    let end_line = format!("-----END {ENCRYPTED_KEY}-----");
    let end = begin + pem[begin..].find(&end_line)? + end_line.len();
    let (_, encrypted) = SecretDocument::from_pem(&pem[begin..end]).ok()?;
    let key = EncryptedPrivateKeyInfoRef::try_from(encrypted.as_bytes()).ok()?;
    let key = key.decrypt(password.expose_secret()).ok()?;
    key.to_pem("PRIVATE KEY", LineEnding::LF).ok().map(|pem| pem.as_bytes().to_vec())
}

fn read_file(key: &'static str, path: &Path) -> Result<Vec<u8>, RegistrySetupError> {
    fs::read(path).map_err(|source| RegistrySetupError::File { key, path: path.to_owned(), source })
}

fn not_pem(path: &Path, expected: &'static str, reason: String) -> RegistrySetupError {
    RegistrySetupError::Pem { path: path.to_owned(), expected, reason }
}
