use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use wiremock::matchers::{body_string_contains, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::aws_credentials::{AwsCredentials, AwsSources};
use super::tokens::now_ms;
use super::*;
use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};

fn settings(
    properties: &[(&str, &str)],
    environment: &Environment,
) -> Result<Option<OauthSettings>, Vec<String>> {
    let mut properties: BTreeMap<String, String> =
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut findings = Findings::default();
    let settings = settings_of(&mut properties, environment, &KeyPath::root(), &mut findings);
    assert!(properties.keys().all(|name| !name.contains("oauth")), "librdkafka would be given them");
    if findings.errors() > 0 {
        return Err(findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.at, finding.text))
            .collect());
    }
    Ok(settings)
}

async fn fetched(properties: &[(&str, &str)], environment: &Environment) -> Result<Token, TokenError> {
    let Ok(Some(settings)) = settings(properties, environment) else { panic!("settings are sound") };
    settings.source()?.fetch().await
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const MSK: [(&str, &str); 1] = [("oauth_cb", "datahub_actions.utils.kafka_msk_iam:oauth_cb")];
const EVENT_HUBS: [(&str, &str); 1] = [("oauth_cb", "datahub_actions.utils.kafka_eventhubs_auth:oauth_cb")];

/// The tokens are those of AWS's own signer (aws-msk-iam-sasl-signer-python 1.0.2) for the same
/// credentials, region and time, up to the name of the signer at the end.
#[test]
fn a_token_for_msk_is_what_awss_own_signer_makes() {
    let credentials = |session_token: Option<&str>| AwsCredentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: session_token.map(str::to_owned),
        expires_ms: None,
    };
    for (session_token, region, expected) in [
        (None, "us-west-2", include_str!("test_data/msk_token.txt")),
        (Some("FwoGZXIvYXdzEBYaD/+=="), "eu-central-1", include_str!("test_data/msk_token_of_session.txt")),
    ] {
        let token = msk_iam::signed(&credentials(session_token), region, 1_767_225_600_000).unwrap();
        // The order of the parameters is free: it is sorted before it is signed.
        let parts = |token: &str| {
            use base64::Engine as _;
            let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.trim()).unwrap();
            let url = String::from_utf8(url).unwrap();
            let mut parts: Vec<String> = url.split(['?', '&']).map(str::to_owned).collect();
            parts.retain(|part| !part.starts_with("User-Agent="));
            parts.sort();
            parts
        };
        assert_eq!(parts(&token), parts(expected));
    }
}

#[tokio::test]
async fn aws_credentials_come_from_a_web_identity() {
    let sts = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "of-the-account\n").unwrap();
    Mock::given(method("POST"))
        .and(body_string_contains("WebIdentityToken=of-the-account"))
        .and(body_string_contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"))
        .and(header("accept", "application/json"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "AssumeRoleWithWebIdentityResponse": {"AssumeRoleWithWebIdentityResult": {"Credentials": {
                "AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": 2.0e9
            }}}
        })))
        .mount(&sts)
        .await;
    let sources = AwsSources::of(&environment(&[
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &sts.uri()),
    ]));
    let found = sources.find(&exchange::client().unwrap(), "us-east-1").await.ok().unwrap();
    assert_eq!((found.access_key_id.as_str(), found.session_token.as_deref()), ("ASIA", Some("t")));
    assert_eq!(found.expires_ms, Some(2_000_000_000_000));
}

#[tokio::test]
async fn aws_credentials_come_from_a_containers_endpoint_and_from_the_instance() {
    let server = MockServer::start().await;
    let found = json!({"AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t", "Expiration": "2033-05-18T03:33:20Z"});
    let answer = |body: serde_json::Value| ResponseTemplate::new(200).set_body_json(body);
    Mock::given(path("/pod"))
        .and(header("authorization", "secret"))
        .respond_with(answer(found.clone()))
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .and(path("/latest/api/token"))
        .respond_with(ResponseTemplate::new(200).set_body_string("session"))
        .mount(&server)
        .await;
    let role = "/latest/meta-data/iam/security-credentials/";
    for (place, body) in [(role.to_owned(), "relay".to_owned()), (format!("{role}relay"), found.to_string())]
    {
        Mock::given(path(place))
            .and(header("x-aws-ec2-metadata-token", "session"))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&server)
            .await;
    }
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/pod", server.uri())),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret".to_owned()),
    ];
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.uri())];
    for variables in [&container[..], &instance[..]] {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let sources = AwsSources::of(&environment);
        let found = sources.find(&exchange::client().unwrap(), "us-east-1").await.ok().unwrap();
        assert_eq!(found.session_token.as_deref(), Some("t"));
        assert_eq!(found.expires_ms, Some(2_000_000_000_000));
    }
    let nowhere = AwsSources::of(&environment(&[("AWS_EC2_METADATA_DISABLED", "true")]));
    let error = nowhere.find(&exchange::client().unwrap(), "us-east-1").await.err().unwrap();
    assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
}

#[tokio::test]
async fn an_openid_provider_gives_a_token_for_a_clients_secret() {
    let provider = MockServer::start().await;
    // {"sub":"relay","exp":2000000000}
    let token = "e30.eyJzdWIiOiJyZWxheSIsImV4cCI6MjAwMDAwMDAwMH0.";
    Mock::given(method("POST"))
        .and(path("/token"))
        .and(header("authorization", "Basic aWQ6Y2FuYXJ5"))
        .and(body_string_contains("grant_type=client_credentials&scope=kafka"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"access_token": token, "expires_in": 60})),
        )
        .mount(&provider)
        .await;
    let endpoint = format!("{}/token", provider.uri());
    let properties = |secret| {
        [
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.client.id", "id"),
            ("sasl.oauthbearer.client.secret", secret),
            ("sasl.oauthbearer.scope", "kafka"),
            ("sasl.oauthbearer.token.endpoint.url", endpoint.as_str()),
        ]
    };
    let fetched_token = fetched(&properties("canary"), &Environment::default()).await.ok().unwrap();
    assert_eq!(fetched_token.value.expose_secret(), token);
    assert_eq!((fetched_token.principal.as_str(), fetched_token.expires_ms), ("relay", 2_000_000_000_000));
    let error = fetched(&properties("another-canary"), &Environment::default()).await.err().unwrap();
    assert!(error.to_string().contains("answered 404") && !error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn entra_id_gives_a_token_for_a_secret_a_service_account_or_a_machine() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "federated").unwrap();
    let answer = |token: &str| {
        ResponseTemplate::new(200).set_body_json(json!({"access_token": token, "expires_in": "3599"}))
    };
    for (part, token) in [("client_secret=s3cret", "by-secret"), ("client_assertion=federated", "by-account")]
    {
        Mock::given(path("/tenant/oauth2/v2.0/token"))
            .and(body_string_contains(part))
            .and(body_string_contains("scope=https%3A%2F%2Feventhubs.azure.net%2F.default"))
            .respond_with(answer(token))
            .mount(&server)
            .await;
    }
    Mock::given(path("/metadata/identity/oauth2/token"))
        .and(header("metadata", "true"))
        .and(query_param("resource", "https://eventhubs.azure.net"))
        .respond_with(answer("by-machine"))
        .mount(&server)
        .await;
    Mock::given(path("/msi"))
        .and(header("x-identity-header", "h"))
        .respond_with(answer("by-app"))
        .mount(&server)
        .await;
    let (uri, msi) = (server.uri(), format!("{}/msi", server.uri()));
    let always =
        [("AZURE_AUTHORITY_HOST", uri.as_str()), ("AZURE_POD_IDENTITY_AUTHORITY_HOST", uri.as_str())];
    let account = [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "id")];
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[account[0], account[1], ("AZURE_CLIENT_SECRET", "s3cret")], "by-secret"),
        (&[account[0], account[1], ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap())], "by-account"),
        (&[("IDENTITY_ENDPOINT", &msi), ("IDENTITY_HEADER", "h")], "by-app"),
        (&[], "by-machine"),
    ];
    for (variables, expected) in cases {
        let token = fetched(&EVENT_HUBS, &environment(&[&always, variables].concat())).await.ok().unwrap();
        assert_eq!(token.value.expose_secret(), expected);
        assert!(token.expires_ms > now_ms() + 3_500_000);
    }
}

#[test]
fn what_says_where_tokens_come_from_is_checked() {
    let nothing = Environment::default();
    assert!(settings(&[], &nothing).unwrap().is_none());
    assert!(settings(&[("sasl.oauthbearer.method", "default")], &nothing).unwrap().is_none());
    let alone = [("sasl.oauthbearer.client.id", "id")];
    assert!(settings(&alone, &nothing).unwrap().is_none());
    let errors = settings(&[("oauth_cb", "my.module:callback")], &nothing).err().unwrap();
    assert!(errors[0].starts_with("consumer_config.oauth_cb: there is no such callback here"), "{errors:?}");
    assert!(
        errors[0].contains("kafka_msk_iam:oauth_cb") && errors[0].contains("kafka_eventhubs_auth:oauth_cb")
    );
    let errors = settings(&[("sasl.oauthbearer.method", "oidc")], &nothing).err().unwrap();
    assert_eq!(errors.len(), 3, "{errors:?}");
    let region = |variables: &[(&str, &str)]| match settings(&MSK, &environment(variables)) {
        Ok(Some(OauthSettings::MskIam(settings))) => settings.region,
        _ => panic!("these settings are sound"),
    };
    assert_eq!(region(&[]), "us-east-1");
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "eu-west-1")]), "eu-west-1");
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "eu-west-3")]), "eu-west-3");
}

#[test]
fn oauthbearer_without_anything_that_gives_tokens_is_an_error_at_the_mechanism() {
    let nothing = Environment::default();
    for name in ["sasl.mechanism", "sasl.mechanisms"] {
        for more in [None, Some(("sasl.oauthbearer.method", "default"))] {
            let sasl = ("security.protocol", "sasl_ssl");
            let given: Vec<_> = [(name, "OAUTHBEARER"), sasl].into_iter().chain(more).collect();
            let errors = settings(&given, &nothing).err().unwrap();
            let at = format!("consumer_config[\"{name}\"]: nothing says where OAUTHBEARER tokens come from");
            assert!(errors.len() == 1 && errors[0].starts_with(&at), "{errors:?}");
        }
        assert!(settings(&[(name, "OAUTHBEARER"), MSK[0]], &nothing).unwrap().is_some());
        assert!(settings(&[(name, "PLAIN")], &nothing).unwrap().is_none());
        let without_sasl = [(name, "OAUTHBEARER"), ("security.protocol", "SSL")];
        assert!(settings(&without_sasl, &nothing).unwrap().is_none());
    }
}

#[test]
fn what_an_openid_provider_needs_has_no_effect_beside_a_callback() {
    let mut properties = BTreeMap::from(
        [MSK[0], ("sasl.oauthbearer.method", "oidc"), ("sasl.oauthbearer.client.id", "id")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let mut findings = Findings::default();
    let settings = settings_of(&mut properties, &Environment::default(), &KeyPath::root(), &mut findings);
    assert!(matches!(settings, Some(OauthSettings::MskIam(_))));
    let texts: Vec<String> =
        findings.into_iter().map(|finding| format!("{}: {}", finding.at, finding.text)).collect();
    assert_eq!(
        texts,
        ["client.id", "method"].map(|name| format!(
            "consumer_config[\"sasl.oauthbearer.{name}\"]: has no effect beside oauth_cb, which gives the tokens"
        ))
    );
}

/// Fails once, then gives tokens that are numbered and live for a second.
struct Scripted(AtomicI64);

#[async_trait]
impl TokenSource for Scripted {
    async fn fetch(&self) -> Result<Token, TokenError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            return Err(TokenError("not yet".to_owned()));
        }
        let value = SecretString::from(number.to_string());
        Ok(Token { value, principal: String::new(), expires_ms: now_ms() + 3_000 })
    }
}

#[test]
fn a_token_is_replaced_before_it_expires_and_a_failure_is_told_until_then() {
    let tokens = Tokens::from_source(Box::new(Scripted(AtomicI64::new(0)))).unwrap();
    assert_eq!(tokens.token().err(), Some(TokenError("not yet".to_owned())));
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while seen.len() < 2 && Instant::now() < deadline {
        if let Ok(token) = tokens.token() {
            assert!(token.lifetime_ms > now_ms());
            if seen.last() != Some(&token.token) {
                seen.push(token.token);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(seen, ["1", "2"]);
}
