//! Keeping secrets out of texts that leave the program.
//!
//! What fails often says what it was given: a URL with its user, a header, a token in an answer. The
//! texts of errors go to logs, dead letters and pages, so each passes through here first.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands for a secret.
const HIDDEN: &str = "…";

/// A shorter secret would be found in any text, and hide what it says.
const SHORTEST_BYTES: usize = 4;

/// The text without the value in it. A short one is hidden only between quotes: elsewhere it would be found
/// in any word.
pub(crate) fn hide(text: &str, value: &str) -> String {
    if value.len() >= SHORTEST_BYTES {
        return text.replace(value, HIDDEN);
    }
    let quotes = if value.is_empty() { "" } else { "\"'`" };
    quotes.chars().fold(text.to_owned(), |text, quote| {
        text.replace(&format!("{quote}{value}{quote}"), &format!("{quote}{HIDDEN}{quote}"))
    })
}

/// The secret values of one recipe. `Debug` shows how many there are.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The longest first, so that a secret inside another one does not leave half of that.
    values: Vec<String>,
}

impl Secrets {
    /// Adds a value. Of `user:password`, as registries and URLs take it, the password alone and the
    /// form that basic authentication sends count as well; of a URL its password and its normal form do.
    pub fn add(&mut self, value: &str) {
        self.insert(value.to_owned());
        // `user:password` parses as a URL too, of the scheme `user`.
        if let Some(url) = url::Url::parse(value).ok().filter(url::Url::has_host) {
            self.insert(url.password().unwrap_or_default().to_owned());
            // As errors quote it: in its normal form, and what is below it without a second slash.
            self.insert(url.as_str().trim_end_matches('/').to_owned());
        } else if let Some((user, password)) = value.split_once(':').filter(|(user, _)| !user.is_empty()) {
            self.insert(password.to_owned());
            self.insert(STANDARD.encode(format!("{user}:{password}")));
        }
    }

    /// The text without the secrets in it.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), HIDDEN));
            }
        }
        text
    }

    fn insert(&mut self, value: String) {
        if value.len() >= SHORTEST_BYTES && !self.values.contains(&value) {
            let at = self.values.partition_point(|known| known.len() >= value.len());
            self.values.insert(at, value);
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        values.iter().for_each(|value| secrets.add(value));
        secrets
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands_and_the_rest_is_kept() {
        let secrets = secrets(&["hunter2", "hunter2-longer"]);
        assert_eq!(secrets.redact("hunter2-longer, (hunter2)hunter2"), "…, (…)…");
        assert!(matches!(secrets.redact("nothing to hide"), Cow::Borrowed("nothing to hide")));
    }

    #[test]
    fn the_password_of_a_user_or_a_url_is_hidden_by_itself_too() {
        let secrets = secrets(&["me:pass-word", "https://you:other-word@host/x"]);
        assert_eq!(secrets.redact("pass-word or other-word at https://you:other-word@host/x"), "… or … at …");
        assert_eq!(secrets.redact("Basic bWU6cGFzcy13b3Jk"), "Basic …");
    }

    #[test]
    fn a_url_is_hidden_in_the_form_in_which_errors_quote_it_too() {
        let secrets = secrets(&["HTTP://host:1/my t0ken/"]);
        assert_eq!(secrets.redact("GET http://host:1/my%20t0ken/schemas/ids/0"), "GET …/schemas/ids/0");
    }

    #[test]
    fn a_short_value_is_hidden_between_quotes_and_leaves_words_whole() {
        assert_eq!(hide("expected earliest, found \"e\"", "e"), "expected earliest, found \"…\"");
        assert_eq!(hide("expected earliest", ""), "expected earliest");
        assert_eq!(hide("the canary sings", "canary"), "the … sings");
    }

    #[test]
    fn what_is_too_short_to_be_a_secret_hides_nothing() {
        assert_eq!(secrets(&["", "abc", "a:b"]).redact("abc a:b"), "abc a:b");
    }

    #[test]
    fn nothing_is_shown_of_them() {
        assert_eq!(format!("{:?}", secrets(&["hunter2"])), "Secrets(1)");
    }
}
