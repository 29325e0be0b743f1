//! Authorities to trust and identities to show, from PEM files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::SecretDocument;
use pkcs8::der::pem::LineEnding;
use reqwest::{Certificate, Identity};
use secrecy::{ExposeSecret, SecretString};

use super::with_causes;

/// What an encrypted key is called in PEM.
const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";

/// Why a file with certificates or a key cannot be used. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not hold what it should.
    #[error("{} does not hold {expected} as PEM: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What was found.
        reason: String,
    },
    /// The key is encrypted, and no password is given.
    #[error("{} is encrypted and needs its password", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
    /// The key can't be decrypted.
    #[error(
        "{} cannot be decrypted: the password is wrong, or the cipher is not AES; convert the key with openssl pkcs8 -topk8 -v2 aes-256-cbc",
        path.display()
    )]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
}

/// The authorities in a file.
///
/// # Errors
/// If it can't be read, or holds none: trusting nobody would show up only as a handshake that fails.
pub(crate) fn authorities(path: &Path) -> Result<Vec<Certificate>, CertificateError> {
    let not_pem = |reason| CertificateError::Pem { path: path.to_owned(), expected: "certificates", reason };
    let found = Certificate::from_pem_bundle(&read(path)?).map_err(|error| not_pem(with_causes(&error)))?;
    if found.is_empty() {
        return Err(not_pem("there are none in it".to_owned()));
    }
    Ok(found)
}

/// The identity of a certificate and its key, which may be encrypted (PKCS#8).
///
/// # Errors
/// If a file can't be read, holds something else, or is encrypted with another password or none.
pub(crate) fn identity(
    certificate: &Path,
    key: &Path,
    password: Option<&SecretString>,
) -> Result<Identity, CertificateError> {
    let mut pem = read(certificate)?;
    pem.push(b'\n');
    pem.extend(read_key(key, password)?);
    Identity::from_pem(&pem).map_err(|error| CertificateError::Pem {
        path: key.to_owned(),
        expected: "the certificate's key",
        reason: with_causes(&error),
    })
}

/// The key as rustls takes it, which knows no encrypted one.
fn read_key(path: &Path, password: Option<&SecretString>) -> Result<Vec<u8>, CertificateError> {
    let pem = read(path)?;
    let text = String::from_utf8_lossy(&pem);
    // OpenSSL's older way to encrypt a key is not PKCS#8.
    let is_legacy = text.contains("Proc-Type: 4,ENCRYPTED");
    if !is_legacy && !text.contains(ENCRYPTED_KEY) {
        return Ok(pem);
    }
    let Some(password) = password else {
        return Err(CertificateError::NoPassword { path: path.to_owned() });
    };
    decrypted(&text, password).ok_or_else(|| CertificateError::Encrypted { path: path.to_owned() })
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

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })
}
