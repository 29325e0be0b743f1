//! A webhook behind TLS, with authorities and identities made for the test.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::tests::{event, webhook};
use super::*;
use crate::http_client::authority::Authority;

/// An endpoint that lets in whoever shows a certificate of `authority`, and says yes to everything.
async fn start(authority: &Authority) -> String {
    let port = authority.serve("HTTP/1.1 204 Yes\r\nconnection: close\r\n\r\n".to_owned()).await;
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
fn files_that_held_something_else_by_the_time_it_starts_keep_the_pipeline_from_starting() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("relay");
    let resolved = |files: Value| {
        let mut config = files;
        config["url"] = "https://localhost".into();
        let config: WebhookConfig = serde_json::from_value(config).unwrap();
        let mut findings = crate::findings::Findings::default();
        config.resolve(&crate::findings::KeyPath::root(), &mut findings).unwrap()
    };
    let refused = |settings| Webhook::new(settings, "p").unwrap_err().to_string();
    let trusting = resolved(json!({"ca_certificate_path": authority.file()}));
    std::fs::copy(&key, authority.file()).unwrap();
    let text = refused(trusting);
    assert!(text.contains("does not hold certificates"), "{text}");
    let identified = resolved(json!({"client_certificate_path": certificate, "client_key_path": key}));
    std::fs::copy(&certificate, &key).unwrap();
    let text = refused(identified);
    assert!(text.contains("the certificate's key"), "{text}");
}
