//! The registry behind TLS, with authorities and identities made for the test.

use std::fs;
use std::path::Path;

use rcgen::KeyPair;
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use super::*;
use crate::avro::schemas;
use crate::http_client::authority::Authority;

/// Made by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6EavIEKlYh2lRmGn
IgFQPv+P207HicLBfthVlOcHU8GhRANCAATiYffke4U7sJ4NDyBqxNXm7XON2Ejx
b4UhmssnBCk5ZPCFcMzoEaeTy4yNtwm7bXdJ7gbrvdNrUgRs8uugjewW
-----END PRIVATE KEY-----
";

/// [`KEY`] as `openssl pkcs8 -topk8 -v2 aes-256-cbc` encrypts it, with the password `canary`.
const ENCRYPTED_KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAirNH9s8TgRuAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEENtIirIll8GEQC+lHM4wtSAEgZDa
4JRzfIisLJznMevWtI4IJOP7/bAHMaYBVBGq6kgYFaC4yc2SCMRD5mNriKiiOTfT
iY7XTphGLhhp7QlxSTjD1p597m8Qjoe9CAyi9qZW1nAKOn+QIczDJ5i66tMrskFU
lkBhdv+aMqLuInBpeg6E+Xkj4ESbBoc4bAAd8+SEe98FgVduxC40CrfGAKB2BXQ=
-----END ENCRYPTED PRIVATE KEY-----
";

/// A registry that lets in whoever shows a certificate of `authority`; answers every request with a schema.
async fn start(authority: &Authority) -> Url {
    let body = json!({"schema": schemas::PLATFORM_EVENT_JSON}).to_string();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let port = authority.serve(answer).await;
    Url::parse(&format!("https://localhost:{port}")).unwrap()
}

fn settings(url: &Url, ca_file: &Path) -> RegistrySettings {
    RegistrySettings { ca_file: Some(ca_file.to_owned()), ..RegistrySettings::at(vec![url.clone()]) }
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
    assert!(refused(&no_key).contains("the certificate's key"));
    assert!(refused(&settings(&url, &key)).contains("does not hold certificates"));
}

#[tokio::test]
async fn an_encrypted_key_serves_with_its_password_and_no_other() {
    let authority = Authority::new();
    let url = start(&authority).await;
    let (certificate, key) = authority.sign_for("relay", &KeyPair::from_pem(KEY).unwrap());
    fs::write(&key, format!("a line before it\n{ENCRYPTED_KEY}")).unwrap();
    let with_password = |password: Option<&str>| RegistrySettings {
        certificate_file: Some(certificate.clone()),
        key_file: Some(key.clone()),
        key_password: password.map(SecretString::from),
        ..settings(&url, &authority.file())
    };
    assert_eq!(look_up(&with_password(Some("canary"))).await, Ok(()));
    let refused = |settings: &RegistrySettings| SchemaRegistry::new(settings).unwrap_err().to_string();
    assert!(refused(&with_password(None)).contains("is encrypted and needs its password"));
    let wrong = refused(&with_password(Some("wr0ng")));
    assert!(wrong.contains("cannot be decrypted") && !wrong.contains("wr0ng"), "{wrong}");
    fs::write(&key, "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n").unwrap();
    assert!(refused(&with_password(Some("canary"))).contains("openssl pkcs8 -topk8"));
}
