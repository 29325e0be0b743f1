//! HTTP requests for tokens and credentials, and what is read of their answers.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::TokenError;
use crate::http_client::{self, with_causes};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

/// So much of an answer is read at most; tokens are a few kilobytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// What an OAuth 2.0 token endpoint answers.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: String,
    /// Seconds; some of Microsoft's services write it as text.
    #[serde(default)]
    pub(super) expires_in: Option<Seconds>,
}

/// A number of seconds, as a number or as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    /// The same in milliseconds.
    pub(super) fn ms(&self) -> Option<i64> {
        let seconds = match self {
            Self::Number(seconds) => *seconds,
            Self::Text(text) => text.parse().ok()?,
        };
        // Years beyond counting are as good as for ever.
        (seconds > 0.0).then_some((seconds.min(1e12) * 1000.0) as i64)
    }
}

/// A client for these requests.
pub(super) fn client() -> Result<Client, TokenError> {
    http_client::builder("https")
        .timeout(REQUEST)
        // A token must go to nobody but who was asked for it.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| TokenError(format!("cannot set up the HTTP client for tokens: {error}")))
}

/// Sends a request and reads its answer as JSON. Errors say who was asked, and nothing of the request.
pub(super) async fn ask<T: DeserializeOwned>(what: &str, request: RequestBuilder) -> Result<T, TokenError> {
    let text = ask_for_text(what, request).await?;
    // What does not parse is not shown: it may hold a secret.
    serde_json::from_str(&text)
        .map_err(|error| TokenError(format!("{what} gave an unexpected answer: {error}")))
}

/// The same for an answer that is plain text.
pub(super) async fn ask_for_text(what: &str, request: RequestBuilder) -> Result<String, TokenError> {
    let failed = |error: reqwest::Error| {
        TokenError(format!("{what} cannot be asked: {}", with_causes(&error.without_url())))
    };
    let mut answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(TokenError(format!("{what} answers without end")));
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    // Refusals explain themselves and hold no secret of ours.
    let shown: String = text.chars().take(300).collect();
    Err(TokenError(format!("{what} answered {status}: {}", shown.trim())))
}
