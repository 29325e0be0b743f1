//! A webhook behind TLS, with authorities and identities made for the test.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::tests::{event, webhook};
use super::*;

/// An authority, and files with what it signed.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The files of a certificate that this authority signed, and of its key.
    fn sign(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        fs::write(path("crt"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("crt"), path("key"))
    }
}

/// An endpoint that lets in whoever shows a certificate of `authority`, and says yes to everything.
async fn start(authority: &Authority) -> String {
    let (certificate, key) = authority.sign("localhost");
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
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
        while let Ok((stream, _)) = listener.accept().await {
            // A client that is not let in, or does not trust us, ends here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 204 Yes\r\nconnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    format!("https://localhost:{port}/hook")
}

async fn post(config: Value) -> Result<(), ActionError> {
    webhook(config).act(&event(1)).await
}

#[tokio::test]
async fn an_endpoint_of_the_given_authority_is_trusted_and_trusts_our_certificate() {
    let authority = Authority::new();
    let url = start(&authority).await;
    let (certificate, key) = authority.sign("relay");
    let with = |ca: Option<PathBuf>, rest: Value| {
        let mut config = json!({"url": url, "ca_certificate_path": ca});
        config.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        config
    };
    let identity = json!({"client_certificate_path": certificate, "client_key_path": key});
    post(with(Some(authority.file()), identity.clone())).await.unwrap();

    let without_identity = post(with(Some(authority.file()), json!({}))).await.unwrap_err();
    assert!(matches!(without_identity, ActionError::Retryable { .. }), "{without_identity:?}");

    let another = Authority::new();
    let error = post(with(Some(another.file()), identity.clone())).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");

    let mut unverified = identity;
    unverified["disable_ssl_verification"] = true.into();
    post(with(None, unverified)).await.unwrap();
}

#[test]
fn files_that_hold_something_else_keep_the_pipeline_from_starting() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("relay");
    let refused = |config: Value| {
        let config: WebhookConfig = serde_json::from_value(config).unwrap();
        let settings =
            config.resolve(&crate::findings::KeyPath::root(), &mut crate::findings::Findings::default());
        Webhook::new(settings.unwrap(), "p").unwrap_err().to_string()
    };
    let url = "https://localhost";
    let text = refused(json!({"url": url, "ca_certificate_path": key}));
    assert!(text.contains("does not hold certificates"), "{text}");
    let text =
        refused(json!({"url": url, "client_certificate_path": certificate, "client_key_path": certificate}));
    assert!(text.contains("unencrypted key"), "{text}");
}
