//! OAUTHBEARER: where the tokens come from that a client shows its brokers.
//!
//! librdkafka asks for a token inside `poll`, where nothing may wait for the network. So a thread of its
//! own ([`Tokens`]) fetches one ahead of time, from the source that the recipe names: an OpenID provider,
//! AWS IAM for MSK, or Microsoft Entra ID for Azure Event Hubs.

mod aws_credentials;
mod event_hubs;
mod exchange;
mod msk_iam;
mod oidc;
mod resolve;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use tokens::Tokens;

use std::error::Error;

use async_trait::async_trait;
use rdkafka::client::OAuthToken;

use aws_credentials::AwsSources;
use event_hubs::EventHubs;
use msk_iam::MskIam;
use oidc::Oidc;
pub(super) use resolve::{OIDC_PROPERTIES, settings_of};

/// Where tokens come from.
///
/// Holds secrets, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum OauthSettings {
    /// An OpenID provider, by the client-credentials grant.
    Oidc(OidcSettings),
    /// AWS IAM, for Amazon MSK.
    MskIam(MskIamSettings),
    /// Microsoft Entra ID, for Azure Event Hubs.
    EventHubs(EventHubsSettings),
}

/// `sasl.oauthbearer.method: oidc` and what belongs to it.
#[derive(Clone, PartialEq, Eq)]
pub struct OidcSettings {
    pub(super) token_endpoint: url::Url,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) scope: Option<String>,
}

/// The region of the cluster, and where credentials may be found.
#[derive(Clone, PartialEq, Eq)]
pub struct MskIamSettings {
    pub(super) region: String,
    pub(super) sources: AwsSources,
}

/// How this process may show Entra ID who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct EventHubsSettings {
    pub(super) authority: url::Url,
    pub(super) tenant_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) federated_token_file: Option<std::path::PathBuf>,
    /// App Service and its like: endpoint and header.
    pub(super) app_service: Option<(url::Url, String)>,
    /// The metadata service of a virtual machine.
    pub(super) metadata_service: url::Url,
}

/// A token, whom it names, and when it expires.
#[derive(Clone)]
struct Token {
    value: secrecy::SecretString,
    /// What librdkafka calls the principal; empty where only the broker knows it.
    principal: String,
    /// In milliseconds since the Unix epoch.
    expires_ms: i64,
}

/// Why there is no token; without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(String);

/// What is said where OAUTHBEARER is asked for and nothing gives tokens.
const NO_SOURCE: &str = "nothing says where OAUTHBEARER tokens come from; set oauth_cb, or sasl.oauthbearer.method to oidc, in consumer_config";

/// What a client's context answers to librdkafka's request for a token.
///
/// # Errors
/// Why there is none; librdkafka asks again after ten seconds.
pub(crate) fn token_of(tokens: Option<&Tokens>) -> Result<OAuthToken, Box<dyn Error>> {
    match tokens {
        Some(tokens) => Ok(tokens.token()?),
        None => Err(NO_SOURCE.into()),
    }
}

/// Something that gives tokens.
#[async_trait]
trait TokenSource: Send + Sync + 'static {
    /// Fetches a token. May be dropped at any time.
    async fn fetch(&self) -> Result<Token, TokenError>;
}

impl OauthSettings {
    fn source(self) -> Result<Box<dyn TokenSource>, TokenError> {
        Ok(match self {
            Self::Oidc(settings) => Box::new(Oidc::new(settings)?),
            Self::MskIam(settings) => Box::new(MskIam::new(settings)?),
            Self::EventHubs(settings) => Box::new(EventHubs::new(settings)?),
        })
    }
}
