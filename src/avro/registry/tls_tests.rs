//! The registry behind TLS, with authorities and identities made for the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::*;
use crate::avro::schemas;
use crate::avro::settings::RegistryAuth;

/// An authority, and files with what it signed.
struct Authority {
    folder: tempfile::TempDir,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate_pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), &certificate_pem).unwrap();
        Self { folder, certificate_pem, issuer: Issuer::new(params, key) }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The files of a certificate that this authority signed, and of its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        fs::write(path("crt"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("crt"), path("key"))
    }
}

/// A registry that lets in whoever shows a certificate of `authority`; answers every request with a schema.
async fn start(authority: &Authority) -> Url {
    let (certificate, key) = authority.sign("localhost");
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let body = json!({"schema": schemas::PLATFORM_EVENT_JSON}).to_string();
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        while let Ok((stream, _)) = listener.accept().await {
            // A client that is not let in, or does not trust us, ends here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    Url::parse(&format!("https://localhost:{port}")).unwrap()
}

fn settings(url: &Url, ca_file: &Path) -> RegistrySettings {
    RegistrySettings {
        urls: vec![url.clone()],
        auth: RegistryAuth::None,
        ca_file: Some(ca_file.to_owned()),
        certificate_file: None,
        key_file: None,
        timeout: RegistrySettings::DEFAULT_TIMEOUT,
    }
}

async fn look_up(settings: &RegistrySettings) -> Result<(), RegistryError> {
    SchemaRegistry::new(settings).unwrap().schema(SchemaId(4)).await.map(|_| ())
}

#[tokio::test]
async fn a_registry_of_the_given_authority_is_trusted_and_trusts_our_certificate() {
    let authority = Authority::new();
    let url = start(&authority).await;
    let (certificate, key) = authority.sign("relay");
    let with_identity = RegistrySettings {
        certificate_file: Some(certificate),
        key_file: Some(key),
        ..settings(&url, &authority.file())
    };
    assert_eq!(look_up(&with_identity).await, Ok(()));

    let without_identity = settings(&url, &authority.file());
    assert_eq!(look_up(&without_identity).await.unwrap_err().class(), "registry_unavailable");

    let another = Authority::new();
    let of_another_authority = RegistrySettings { ca_file: Some(another.file()), ..with_identity };
    let error = look_up(&of_another_authority).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[test]
fn files_that_hold_something_else_are_refused() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("relay");
    let url = Url::parse("https://localhost").unwrap();
    let refused = |settings: &RegistrySettings| SchemaRegistry::new(settings).unwrap_err().to_string();

    let no_key = RegistrySettings {
        certificate_file: Some(certificate.clone()),
        key_file: Some(certificate),
        ..settings(&url, &authority.file())
    };
    assert!(refused(&no_key).contains("unencrypted key"));
    assert!(refused(&settings(&url, &key)).contains("does not hold certificates"));
}
