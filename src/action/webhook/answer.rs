//! What an answer means.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::redaction::Secrets;

/// Of an answer's body, no more is read.
const READ_BYTES: usize = 64 << 10;

/// Of an answer's body, no more is kept.
const KEPT_BYTES: usize = 4 << 10;

/// Of an answer's body, no more is quoted.
const QUOTED_CHARS: usize = 200;

/// What a status means for the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The other side has it.
    Success,
    /// It may take it another time.
    Retry,
    /// It does not want this event, now or later.
    Refusal,
}

/// Classifies a status: 2xx is a success; 408, 425, 429 and 5xx are passing; the rest is final.
pub(super) fn meaning_of(status: StatusCode) -> Meaning {
    match status {
        _ if status.is_success() => Meaning::Success,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Meaning::Retry,
        _ if status.is_server_error() => Meaning::Retry,
        // 3xx too: a redirect could lead anywhere, so it is not followed.
        _ => Meaning::Refusal,
    }
}

/// What a person may do about a status, as the end of a sentence.
pub(super) fn advice_on(status: StatusCode) -> &'static str {
    match status {
        _ if status.is_redirection() => " (redirects are not followed: give the final address as `url`)",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " (see the credentials in `headers`)",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
            " (see whether `url` takes a POST)"
        }
        StatusCode::PAYLOAD_TOO_LARGE => " (the event is larger than it takes)",
        _ => "",
    }
}

/// How long the other side asks to wait: seconds, or an HTTP date after `now`.
pub(super) fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// The beginning of an answer's body.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    seen: usize,
}

impl Kept {
    /// Takes a piece of the body. Whether more should be read.
    pub(super) fn take(&mut self, chunk: &[u8]) -> bool {
        // More than is quoted: a secret has to be there whole to be found.
        let room = KEPT_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        self.seen = self.seen.saturating_add(chunk.len());
        self.seen < READ_BYTES
    }

    /// The beginning as text on one line, without these secrets.
    pub(super) fn quoted(&self, secrets: &Secrets) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| !word.is_empty())
            .collect();
        let line = words.join(" ");
        let line = secrets.redact(&line);
        match line.char_indices().nth(QUOTED_CHARS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        let table = [
            (Meaning::Success, vec![200, 201, 202, 204, 299]),
            (Meaning::Retry, vec![408, 425, 429, 500, 501, 502, 503, 504, 599]),
            (
                Meaning::Refusal,
                vec![301, 302, 304, 307, 308, 400, 401, 403, 404, 409, 410, 413, 422, 451, 600],
            ),
        ];
        for (meaning, statuses) in table {
            for status in statuses {
                assert_eq!(meaning_of(StatusCode::from_u16(status).unwrap()), meaning, "{status}");
            }
        }
    }

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        let now: jiff::Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked(" 0 "), Some(0));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0), "past");
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-5"), None);
        assert_eq!(asked("99999999999999999999999"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_secret_at_the_place_of_the_cut_is_not_shown_in_part() {
        let mut secrets = Secrets::default();
        secrets.add("c4n4ry-0f-s3cr3ts");
        let mut kept = Kept::default();
        assert!(kept.take(format!("{} c4n4ry-0f-s3cr3ts", "x".repeat(QUOTED_CHARS - 5)).as_bytes()));
        assert!(kept.quoted(&secrets).ends_with("x …"), "{}", kept.quoted(&secrets));
    }

    #[test]
    fn an_answer_is_quoted_on_one_line_and_cut() {
        let mut kept = Kept::default();
        assert!(kept.take(b"{\n  \"error\":\t\"no\x1b[31m such \xff\"\r\n}"));
        assert_eq!(kept.quoted(&Secrets::default()), "{ \"error\": \"no [31m such \u{fffd}\" }");
        let mut kept = Kept::default();
        assert!(!kept.take("ü".repeat(READ_BYTES).as_bytes()));
        assert_eq!(kept.quoted(&Secrets::default()), format!("{}…", "ü".repeat(QUOTED_CHARS)));
    }

    #[test]
    fn reading_ends_at_the_bound() {
        let mut kept = Kept::default();
        let reads = (0..100).take_while(|_| kept.take(&[b'x'; 4096])).count();
        assert_eq!(reads, READ_BYTES / 4096 - 1);
        assert!(kept.bytes.len() <= KEPT_BYTES);
    }
}
