//! Keeping secrets out of texts that leave the program.
//!
//! What fails often says what it was given: a URL with its user, a header, a token in an answer. The
//! texts of errors go to logs, dead letters and pages, so each passes through here first.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::Url;
use url::form_urlencoded::byte_serialize;

/// What stands for a secret.
const HIDDEN: &str = "…";

/// A shorter secret would be found in any text, and hide what it says.
pub(crate) const SHORTEST_BYTES: usize = 4;

/// A shorter part of a secret is a word as any other.
const SHORTEST_PART_BYTES: usize = 6;

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

/// Secret values, of one recipe for instance. `Debug` shows how many there are.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The longest first, so that a secret inside another one does not leave half of that.
    values: Vec<String>,
}

impl Secrets {
    /// No secrets.
    pub const fn none() -> Self {
        Self { values: Vec::new() }
    }

    /// Adds a value, and what errors quote of it: of `user:password`, as registries take it, the password and
    /// the form that basic authentication sends; of a URL its normal form, path, query, user and password; of
    /// `Bearer abc` the second word. What ends like `host:9092` is taken for an address, of which the port is no
    /// secret: a login that is known to be one goes to [`Secrets::add_login`].
    pub fn add(&mut self, value: &str) {
        self.insert(value);
        // `user:password` parses as a URL too, of the scheme `user`.
        if let Some(url) = Url::parse(value).ok().filter(Url::has_host) {
            self.add_url(&url);
        } else if let Some((user, password)) = value.split_once(':') {
            if !user.is_empty() && !is_port(password) {
                self.add_login(user, password);
            }
        } else if let Some((scheme, token)) = value.trim().split_once(' ')
            && scheme.bytes().all(|byte| byte.is_ascii_alphabetic())
        {
            self.insert_part(token.trim());
        }
    }

    /// Adds what is known to be a login: both of its parts together, the password, and the form that basic
    /// authentication sends.
    pub fn add_login(&mut self, user: &str, password: &str) {
        let login = format!("{user}:{password}");
        self.insert(password);
        self.insert(&STANDARD.encode(&login));
        self.insert(&login);
    }

    /// Adds all of another set.
    pub fn add_all(&mut self, other: &Self) {
        other.values.iter().for_each(|value| self.place(value.clone()));
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

    fn add_url(&mut self, url: &Url) {
        // As errors quote it: in its normal form, and what is below it without a second slash.
        self.insert(url.as_str().trim_end_matches('/'));
        // As the other end does, which has never seen the host.
        let path_and_query = &url[url::Position::BeforePath..url::Position::AfterQuery];
        for part in [path_and_query, url.path(), url.query().unwrap_or_default()] {
            self.insert_part(part);
        }
        if let Some(password) = url.password() {
            self.insert(password);
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            self.add_login(&decoded(url.username()), &decoded(password));
        } else {
            self.insert_part(url.username());
        }
    }

    fn insert_part(&mut self, part: &str) {
        if part.len() >= SHORTEST_PART_BYTES {
            self.insert(part);
        }
    }

    /// Inserts a value as it is, as it stands in JSON and between quotes, and as a form sends it.
    fn insert(&mut self, value: &str) {
        let quoted = |text: String| text[1..text.len() - 1].to_owned();
        self.place(value.to_owned());
        self.place(quoted(serde_json::Value::from(value).to_string()));
        self.place(quoted(format!("{value:?}")));
        self.place(byte_serialize(value.as_bytes()).collect());
    }

    fn place(&mut self, value: String) {
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

/// Whether the text is the number of a port. Hidden wherever it stands, it would be missing in every address.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
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
    fn the_port_of_an_address_is_no_password_unless_it_is_known_to_be_one() {
        let mut secrets = secrets(&["broker-1:9092", "me:65536", "you:+9093"]);
        let text = "broker-1:9092 at other:9092, 65536, +9093, 9093";
        assert_eq!(secrets.redact(text), "… at other:9092, …, …, 9093");
        secrets.add_login("me", "9092");
        assert_eq!(secrets.redact("9092 or me:9092 or Basic bWU6OTA5Mg=="), "… or … or Basic …");
    }

    #[test]
    fn a_url_is_hidden_in_the_form_in_which_errors_quote_it_too() {
        let secrets = secrets(&["HTTP://host:1/my t0ken/"]);
        assert_eq!(secrets.redact("GET http://host:1/my%20t0ken/schemas/ids/0"), "GET …/schemas/ids/0");
    }

    #[test]
    fn what_the_other_end_quotes_of_a_url_or_a_header_is_hidden() {
        let secrets = secrets(&["https://h/hooks/T01/c4n?key=c4n", "Bearer c4n4ry", "http://u:p%40ss-w@h"]);
        assert_eq!(
            secrets.redact("POST /hooks/T01/c4n?key=c4n: c4n4ry is no token"),
            "POST …: … is no token"
        );
        assert_eq!(secrets.redact("404 for /hooks/T01/c4n"), "404 for …");
        assert_eq!(secrets.redact("p%40ss-w, p@ss-w, Basic dTpwQHNzLXc="), "…, …, Basic …");
    }

    #[test]
    fn a_secret_is_hidden_as_it_stands_in_json_in_quotes_and_in_a_form() {
        let secrets = secrets(&["a\"b c\n"]);
        for text in [r#"{"x":"a\"b c\n"}"#, r#"x="a\"b c\n""#, "x=a%22b+c%0A", "a\"b c\n"] {
            assert!(!secrets.redact(text).contains("b c") && !secrets.redact(text).contains("22b"), "{text}");
        }
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
