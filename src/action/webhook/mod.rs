//! The action that posts each event to an HTTP endpoint.
//!
//! `config` is what a recipe says, `answer` what an answer means, `addresses` which addresses are refused,
//! `client` how the request is made.

mod addresses;
mod answer;
mod client;
mod config;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::{Client, Method, Response, StatusCode};
use url::form_urlencoded::byte_serialize;

use self::answer::{Kept, Meaning, advice_on, meaning_of, retry_after};
use super::{Action, ActionError, Reach};
use crate::event::{Envelope, Position};
use crate::http_client::with_causes;
use crate::redaction::Secrets;

pub use client::WebhookSetupError;
pub use config::{WebhookConfig, WebhookSettings};

/// Standard Webhooks' name for what identifies an event to its receiver.
const WEBHOOK_ID: &str = "webhook-id";

/// Posts each event's JSON to one URL. An answer of 2xx is a success; see `answer` for the others.
///
/// Every request carries a `webhook-id` of pipeline, topic, partition and offset. It is the same each
/// time that an event comes, so a receiver that must not act twice can tell.
pub struct Webhook {
    client: Client,
    settings: WebhookSettings,
    /// The URL without path and query, which may hold a secret: what errors call the endpoint.
    endpoint: String,
    /// The pipeline's name as it stands in `webhook-id`.
    id_prefix: String,
    /// What must not show up in an error, also where the other side sends it back.
    secrets: Secrets,
}

impl Webhook {
    /// Reads the certificates that the settings name. Does not touch the network.
    ///
    /// # Errors
    /// [`WebhookSetupError`]: a file cannot be read, or holds something else.
    pub fn new(settings: WebhookSettings, pipeline: &str) -> Result<Self, WebhookSetupError> {
        Ok(Self {
            client: client::build(&settings)?,
            endpoint: settings.endpoint(),
            // A pipeline may have any name, a header may not.
            id_prefix: byte_serialize(pipeline.as_bytes()).collect(),
            secrets: settings.secrets(),
            settings,
        })
    }

    /// Asks the endpoint for what it takes, with OPTIONS: whatever it answers, it is there.
    pub(super) async fn reach(&self) -> Reach {
        let asked = self.client.request(Method::OPTIONS, self.settings.url.clone()).send().await;
        let endpoint = &self.endpoint;
        match asked.map(|response| response.status()) {
            // 501 says that the endpoint does not know OPTIONS, which nothing else asks of it.
            Ok(status)
                if matches!(status.as_u16(), 401 | 403 | 404)
                    || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED) =>
            {
                Reach::Doubtful(format!("the webhook {endpoint} is there, but answers {status} to OPTIONS"))
            }
            Ok(status) => Reach::Ok(format!("the webhook {endpoint} is there (answers {status} to OPTIONS)")),
            Err(error) => Reach::Failed(format!(
                "{}; check url and certificates of action.config",
                self.unanswered(error, "cannot connect")
            )),
        }
    }

    fn id_of(&self, Position { source, offset }: &Position) -> String {
        format!("{}/{}/{}/{offset}", self.id_prefix, source.topic, source.partition)
    }

    /// Whether the answer is a success. Its body is read to the end where that is near, so that the
    /// connection can be used again.
    async fn judge(&self, mut response: Response) -> Result<(), ActionError> {
        let status = response.status();
        let meaning = meaning_of(status);
        let wait = retry_after(response.headers(), jiff::Timestamp::now());
        let mut kept = Kept::default();
        let broken = loop {
            match response.chunk().await {
                // An endpoint that sends without end has said all that counts in its status; dropping
                // the answer closes the connection.
                Ok(Some(chunk)) if kept.take(&chunk) => {}
                Ok(Some(_) | None) => break None,
                Err(error) => break Some(error),
            }
        };
        if meaning == Meaning::Success {
            return match broken {
                None => Ok(()),
                // Whoever breaks off may have failed at what it had begun to confirm.
                Some(error) => Err(self.unanswered(error, "its answer broke off")),
            };
        }
        let said = kept.quoted(&self.secrets);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let message = format!("the webhook {} answered {status}{said}{}", self.endpoint, advice_on(status));
        let http_status = Some(status.as_u16());
        Err(match meaning {
            Meaning::Retry | Meaning::Success => {
                ActionError::Retryable { message, retry_after: wait, http_status }
            }
            Meaning::Refusal => ActionError::Permanent { message, http_status },
        })
    }

    /// There was no whole answer: whatever the reason, another attempt may get one.
    fn unanswered(&self, error: reqwest::Error, what: &str) -> ActionError {
        let message = if error.is_timeout() {
            let seconds = self.settings.timeout.as_secs_f64();
            let began = if error.is_connect() { "no connection" } else { "no whole answer" };
            format!("the webhook {} gave {began} within {seconds} s", self.endpoint)
        } else {
            // The URL may hold a secret.
            let causes = with_causes(&error.without_url());
            format!("the webhook {}: {what}: {}", self.endpoint, self.secrets.redact(&causes))
        };
        ActionError::retryable(message)
    }
}

/// Shows where events go, and nothing that may be a secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[async_trait]
impl Action for Webhook {
    async fn act(&self, event: &Envelope) -> Result<(), ActionError> {
        let body = serde_json::to_vec(event).map_err(|error| {
            ActionError::permanent(format!("the event cannot be written as JSON: {error}"))
        })?;
        let request = self.client.post(self.settings.url.clone());
        let sent = request.header(WEBHOOK_ID, self.id_of(&event.position)).body(body).send().await;
        match sent {
            Ok(response) => self.judge(response).await,
            Err(error) => {
                let what = if error.is_connect() { "cannot connect" } else { "gave no answer" };
                Err(self.unanswered(error, what))
            }
        }
    }
}

/// Builds the action of a pipeline.
pub(super) fn build(
    settings: &WebhookSettings,
    pipeline: &Arc<str>,
) -> Result<Arc<dyn Action>, WebhookSetupError> {
    Ok(Arc::new(Webhook::new(settings.clone(), pipeline)?))
}
