//! Tokens for Azure Event Hubs, from Microsoft Entra ID. The ways to show who one is are those of
//! `DefaultAzureCredential` that work without a person: a client's secret, a workload identity (a
//! service account's token), the managed identity of an app or a machine.

use std::fs;

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder};
use secrecy::SecretString;
use url::Url;

use super::exchange::{TokenAnswer, ask, client};
use super::oidc::encode_form;
use super::tokens::now_ms;
use super::{EventHubsSettings, Token, TokenError, TokenSource};

/// What the token is for, as Entra ID names it, and as a managed identity's endpoint does.
const SCOPE: &str = "https://eventhubs.azure.net/.default";
const RESOURCE: &str = "https://eventhubs.azure.net";

/// How long a token is taken to hold whose answer says nothing of it.
const SHORT_LIFE_MS: i64 = 600_000;

pub(super) struct EventHubs {
    client: Client,
    settings: EventHubsSettings,
}

impl EventHubs {
    pub(super) fn new(settings: EventHubsSettings) -> Result<Self, TokenError> {
        Ok(Self { client: client()?, settings })
    }

    fn request(&self) -> Result<(&'static str, RequestBuilder), TokenError> {
        let EventHubsSettings {
            tenant_id, client_id, client_secret, federated_token_file, app_service, ..
        } = &self.settings;
        if let (Some(tenant), Some(id), Some(secret)) = (tenant_id, client_id, client_secret) {
            let form = [("client_id", id.as_str()), ("client_secret", secret)];
            return Ok(("Microsoft Entra ID", self.grant(tenant, &form)?));
        }
        if let (Some(tenant), Some(id), Some(file)) = (tenant_id, client_id, federated_token_file) {
            let token = fs::read_to_string(file).map_err(|error| {
                let file = file.display();
                TokenError(format!("cannot read {file}, which AZURE_FEDERATED_TOKEN_FILE names: {error}"))
            })?;
            let form = [
                ("client_id", id.as_str()),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", token.trim()),
            ];
            return Ok(("Microsoft Entra ID", self.grant(tenant, &form)?));
        }
        if let Some((endpoint, header)) = app_service {
            let url = self.managed(endpoint.clone(), "2019-08-01");
            return Ok((
                "the app's identity endpoint",
                self.client.get(url).header("x-identity-header", header),
            ));
        }
        let what = "the Azure metadata service (AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET are not all set)";
        let url = self.managed(
            joined(&self.settings.metadata_service, "metadata/identity/oauth2/token")?,
            "2018-02-01",
        );
        Ok((what, self.client.get(url).header("metadata", "true")))
    }

    fn grant(&self, tenant: &str, form: &[(&str, &str)]) -> Result<RequestBuilder, TokenError> {
        let url = joined(&self.settings.authority, &format!("{tenant}/oauth2/v2.0/token"))?;
        let mut form = form.to_vec();
        form.extend([("grant_type", "client_credentials"), ("scope", SCOPE)]);
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded");
        Ok(request.body(encode_form(&form)))
    }

    fn managed(&self, mut url: Url, version: &str) -> Url {
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", RESOURCE);
        if let Some(id) = &self.settings.client_id {
            url.query_pairs_mut().append_pair("client_id", id);
        }
        url
    }
}

#[async_trait]
impl TokenSource for EventHubs {
    async fn fetch(&self) -> Result<Token, TokenError> {
        let (what, request) = self.request()?;
        let answer: TokenAnswer = ask(what, request).await?;
        let life_ms = answer.expires_in.and_then(|seconds| seconds.ms()).unwrap_or(SHORT_LIFE_MS);
        Ok(Token {
            value: SecretString::from(answer.access_token),
            principal: String::new(),
            expires_ms: now_ms() + life_ms,
        })
    }
}

/// A path below a base that may itself have one.
fn joined(base: &Url, path: &str) -> Result<Url, TokenError> {
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(path).map_err(|error| TokenError(format!("`{path}` is no path of a URL: {error}")))
}
