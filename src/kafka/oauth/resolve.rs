//! From client properties and the environment to [`OauthSettings`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use super::aws_credentials::{AwsSources, region_of};
use super::{EventHubsSettings, MskIamSettings, NO_SOURCE, OauthSettings, OidcSettings};
use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};
use crate::http_client::is_http;

/// The callbacks of the Python framework that this program has an equivalent of.
const MSK_IAM: &str = "datahub_actions.utils.kafka_msk_iam:oauth_cb";
const EVENT_HUBS: &str = "datahub_actions.utils.kafka_eventhubs_auth:oauth_cb";

/// Properties of OIDC: librdkafka takes them only where it is built with libcurl.
pub(in crate::kafka) const OIDC_PROPERTIES: [&str; 6] = [
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.token.endpoint.url",
];

/// Two names of the same property.
const MECHANISM: [&str; 2] = ["sasl.mechanism", "sasl.mechanisms"];

/// Takes what concerns tokens out of `properties` and says where tokens come from; `None` if nowhere, or
/// if there is an error. `at` is the path of `connection`.
pub(in crate::kafka) fn settings_of(
    properties: &mut BTreeMap<String, String>,
    environment: &Environment,
    at: &KeyPath,
    findings: &mut Findings,
) -> Option<OauthSettings> {
    let at = at.key("consumer_config");
    let callback = properties.remove("oauth_cb");
    let mut oidc: BTreeMap<&str, String> =
        OIDC_PROPERTIES.into_iter().filter_map(|name| Some((name, properties.remove(name)?))).collect();
    if let Some(callback) = callback {
        for name in oidc.keys() {
            findings.warning(&at.key(name), "has no effect beside oauth_cb, which gives the tokens");
        }
        return of_callback(&callback, environment, &at.key("oauth_cb"), findings);
    }
    let method = oidc.remove("sasl.oauthbearer.method");
    match method.as_deref() {
        Some("oidc" | "OIDC") => of_oidc(&oidc, &at, findings),
        None | Some("default" | "DEFAULT") => {
            for name in oidc.keys() {
                findings.warning(&at.key(name), "has no effect without sasl.oauthbearer.method: oidc");
            }
            // Without SASL the mechanism has no effect, and it may come from an environment that is shared.
            let is_sasl = properties
                .get("security.protocol")
                .is_some_and(|protocol| protocol.to_ascii_lowercase().starts_with("sasl"));
            let asks = |name: &&str| properties.get(*name).is_some_and(|value| value == "OAUTHBEARER");
            match MECHANISM.into_iter().find(asks) {
                Some(name) if is_sasl => findings.error(&at.key(name), NO_SOURCE),
                Some(name) => {
                    let text = "has no effect without security.protocol: SASL_SSL or SASL_PLAINTEXT";
                    findings.warning(&at.key(name), text);
                }
                None => {}
            }
            None
        }
        Some(other) => {
            findings.error(
                &at.key("sasl.oauthbearer.method"),
                format!("expected default or oidc, found \"{other}\""),
            );
            None
        }
    }
}

fn of_callback(
    callback: &str,
    environment: &Environment,
    at: &KeyPath,
    findings: &mut Findings,
) -> Option<OauthSettings> {
    match callback {
        MSK_IAM => {
            for variable in [
                "AWS_ENDPOINT_URL_STS",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            ] {
                if environment
                    .get(variable)
                    .is_some_and(|url| !Url::parse(url).is_ok_and(|url| is_http(&url)))
                {
                    findings.error(at, format!("the variable {variable} holds no URL of http or https"));
                }
            }
            let (region, sources) = (region_of(environment), AwsSources::of(environment));
            Some(OauthSettings::MskIam(MskIamSettings { region, sources }))
        }
        EVENT_HUBS => event_hubs(environment, at, findings).map(OauthSettings::EventHubs),
        _ => {
            findings.error(
                at,
                format!("there is no such callback here; the built-in ones are {MSK_IAM} and {EVENT_HUBS}, and sasl.oauthbearer.method: oidc fetches tokens of an OpenID provider"),
            );
            None
        }
    }
}

fn event_hubs(environment: &Environment, at: &KeyPath, findings: &mut Findings) -> Option<EventHubsSettings> {
    let text = |name: &str| environment.get(name).map(str::to_owned);
    let mut url = |name: &str, default: &str| {
        let given = environment.get(name).unwrap_or(default);
        let url = Url::parse(given).or_else(|_| Url::parse(&format!("https://{given}"))).ok();
        let url = url.filter(is_http);
        if url.is_none() {
            findings.error(at, format!("the variable {name} holds no URL of http or https"));
        }
        url
    };
    let app_service = match (environment.get("IDENTITY_ENDPOINT"), text("IDENTITY_HEADER")) {
        (Some(_), Some(header)) => Some((url("IDENTITY_ENDPOINT", "")?, header)),
        _ => None,
    };
    Some(EventHubsSettings {
        authority: url("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com")?,
        tenant_id: text("AZURE_TENANT_ID"),
        client_id: text("AZURE_CLIENT_ID"),
        client_secret: text("AZURE_CLIENT_SECRET"),
        federated_token_file: text("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
        app_service,
        metadata_service: url("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254")?,
    })
}

fn of_oidc(given: &BTreeMap<&str, String>, at: &KeyPath, findings: &mut Findings) -> Option<OauthSettings> {
    if given.contains_key("sasl.oauthbearer.extensions") {
        findings.error(
            &at.key("sasl.oauthbearer.extensions"),
            "SASL extensions cannot be sent by this program; remove the key, or log in by another mechanism",
        );
    }
    let mut required = |name: &str| {
        let value = given.get(name).cloned();
        // One whose variable or file is not there has its error.
        if value.is_none() && !findings.has_error_at(&at.key(name)) {
            findings.error(&at.key(name), "is missing: sasl.oauthbearer.method: oidc needs it");
        }
        value
    };
    let client_id = required("sasl.oauthbearer.client.id");
    let client_secret = required("sasl.oauthbearer.client.secret");
    let endpoint = required("sasl.oauthbearer.token.endpoint.url")?;
    let Some(token_endpoint) = Url::parse(&endpoint).ok().filter(is_http) else {
        let at = at.key("sasl.oauthbearer.token.endpoint.url");
        findings.error(&at, "expected a URL such as https://login.example.com/oauth2/token");
        return None;
    };
    Some(OauthSettings::Oidc(OidcSettings {
        token_endpoint,
        client_id: client_id?,
        client_secret: client_secret?,
        scope: given.get("sasl.oauthbearer.scope").cloned(),
    }))
}
