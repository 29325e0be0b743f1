//! What a registry answers, and what its answers mean.

use std::error::Error;

use async_trait::async_trait;
use reqwest::{Request, Response, StatusCode};
use reqwest_middleware::{Error as MiddlewareError, Middleware, Next};
use serde::Deserialize;

/// No schema is larger; what a registry sends beyond it is not read.
const LARGEST_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How much of an answer an error shows, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// Confluent's code for "no schema of this id"; 404 has others, for paths, subjects and versions.
const SCHEMA_NOT_FOUND: u32 = 40403;

/// Looks at each answer before the registry's client library does.
///
/// The library reports a status only as text and drops a body that is not JSON, while status and body
/// together tell an unknown schema id from a wrong path. Any answer but success therefore ends here,
/// as an error that keeps both. It also bounds what is read.
pub(super) struct AnswerGuard;

#[async_trait]
impl Middleware for AnswerGuard {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> Result<Response, MiddlewareError> {
        let mut answer = next.run(request, extensions).await?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LARGEST_ANSWER_BYTES {
                return Err(MiddlewareError::middleware(OversizedAnswer));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(MiddlewareError::middleware(Refusal { status, body }));
        }
        let mut read = http::Response::new(body);
        *read.status_mut() = status;
        *read.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(read.into())
    }
}

/// An answer other than success.
#[derive(Debug, thiserror::Error)]
#[error("status {status}")]
pub(super) struct Refusal {
    status: StatusCode,
    body: Vec<u8>,
}

/// An answer without end.
#[derive(Debug, thiserror::Error)]
#[error("an answer of more than {LARGEST_ANSWER_BYTES} bytes")]
struct OversizedAnswer;

/// What a refusal says about the id that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The id is not known.
    UnknownId,
    /// The id is not known, if this is a registry at all: DataHub's answers an unknown id with 404 and
    /// no body, and so do many web servers that are no registry.
    UnknownIdOfARegistry,
    /// An outage, and what to do about it.
    Outage(&'static str),
}

impl Refusal {
    /// The refusal within an error of the client library, if it is one.
    pub(super) fn within<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(MiddlewareError::Middleware(error)) = error.downcast_ref() {
                return error.downcast_ref();
            }
            source = error.source();
        }
        None
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self.status.as_u16() {
            404 if self.body.is_empty() => Meaning::UnknownIdOfARegistry,
            404 if self.error_code() == Some(SCHEMA_NOT_FOUND) => Meaning::UnknownId,
            404 => Meaning::Outage("there is no registry at this path; check the path of the registry's URL"),
            401 | 403 => Meaning::Outage("check the registry's user name and password, or its token"),
            429 => Meaning::Outage("the registry asks for patience; the look-up is repeated by itself"),
            400..500 => Meaning::Outage("check the registry's URL and its path"),
            _ => Meaning::Outage("look at the registry's own log; the look-up is repeated by itself"),
        }
    }

    /// Status and body, for a person.
    pub(super) fn shown(&self) -> String {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(SHOWN_CHARACTERS).collect();
        match body.trim() {
            "" => format!("{} with an empty body", self.status),
            body => format!("{}: {body:?}", self.status),
        }
    }

    fn error_code(&self) -> Option<u32> {
        #[derive(Deserialize)]
        struct Body {
            error_code: u32,
        }
        serde_json::from_slice(&self.body).ok().map(|body: Body| body.error_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, body: &str) -> Meaning {
        Refusal { status: StatusCode::from_u16(status).unwrap(), body: body.into() }.meaning()
    }

    #[test]
    fn only_two_answers_mean_that_an_id_is_unknown() {
        assert_eq!(meaning(404, r#"{"error_code":40403,"message":"Schema not found"}"#), Meaning::UnknownId);
        assert_eq!(meaning(404, ""), Meaning::UnknownIdOfARegistry);
        for (status, body) in [
            (404, "<html>Not Found</html>"),
            (404, r#"{"error_code":40401}"#),
            (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
            (401, ""),
            (403, r#"{"error_code":40403}"#),
            (429, ""),
            (500, r#"{"error_code":40403}"#),
            (503, ""),
            (418, ""),
        ] {
            assert!(matches!(meaning(status, body), Meaning::Outage(_)), "{status} {body}");
        }
    }
}
