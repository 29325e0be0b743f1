//! Tokens of an OpenID provider, by OAuth 2.0's client-credentials grant (RFC 6749, section 4.4).
//!
//! librdkafka could fetch them itself only if it were built with libcurl.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use secrecy::SecretString;
use serde::Deserialize;

use super::exchange::{TokenAnswer, ask, client};
use super::tokens::now_ms;
use super::{OidcSettings, Token, TokenError, TokenSource};

/// How long a token is taken to hold that says nothing of it: as long as librdkafka's own default.
const USUAL_LIFE_MS: i64 = 3_600_000;

pub(super) struct Oidc {
    client: Client,
    settings: OidcSettings,
}

/// What is read of a token; it is the broker that verifies it.
#[derive(Deserialize, Default)]
struct Claims {
    #[serde(default)]
    sub: Option<String>,
    /// Seconds since the Unix epoch.
    #[serde(default)]
    exp: Option<f64>,
}

impl Oidc {
    pub(super) fn new(settings: OidcSettings) -> Result<Self, TokenError> {
        Ok(Self { client: client()?, settings })
    }
}

#[async_trait]
impl TokenSource for Oidc {
    async fn fetch(&self) -> Result<Token, TokenError> {
        let OidcSettings { token_endpoint, client_id, client_secret, scope } = &self.settings;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        let request = self
            .client
            .post(token_endpoint.clone())
            .basic_auth(client_id, Some(client_secret))
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode_form(&form));
        let answer: TokenAnswer = ask("the token endpoint", request).await?;
        let claims = claims_of(&answer.access_token);
        let by_answer = answer.expires_in.and_then(|seconds| seconds.ms()).map(|ms| now_ms() + ms);
        let by_claim = claims.exp.map(|seconds| (seconds.clamp(0.0, 1e12) * 1000.0) as i64);
        Ok(Token {
            principal: claims.sub.unwrap_or_default(),
            expires_ms: by_claim.or(by_answer).unwrap_or_else(|| now_ms() + USUAL_LIFE_MS),
            value: SecretString::from(answer.access_token),
        })
    }
}

/// `a=b&c=d`, encoded as a form.
pub(super) fn encode_form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The claims of a JSON web token; nothing of one that is opaque.
fn claims_of(token: &str) -> Claims {
    let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}
