//! What a recipe says about its webhook.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

use super::addresses::is_refused;
use crate::findings::{Findings, KeyPath};
use crate::http_client::PemFiles;
use crate::redaction::Secrets;

/// An attempt that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Headers that the client writes itself, or that say which event this is.
const OURS: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "transfer-encoding",
    "trailer",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// `action.config` of `webhook`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where each event is posted to, `http://` or `https://`.
    #[schemars(required, length(min = 1), extend("x-secret" = true))]
    pub url: Option<String>,
    /// Further headers of each request, name and value; a value may be a secret.
    #[serde(default)]
    #[schemars(extend("x-secret" = true, "x-secret-keys" = "*"))]
    pub headers: BTreeMap<String, String>,
    /// How long an attempt may take, in seconds (default 10).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 3600))]
    pub timeout_seconds: Option<f64>,
    /// Hosts that may be link-local or metadata addresses, which are refused otherwise.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// File with the certificates of the authorities to trust, PEM (default: the system's).
    pub ca_certificate_path: Option<String>,
    /// File with the client's certificate, PEM.
    pub client_certificate_path: Option<String>,
    /// File with the client's key, PEM, not encrypted.
    pub client_key_path: Option<String>,
    /// Whether to believe any certificate (default false).
    #[serde(default)]
    pub disable_ssl_verification: bool,
}

/// A webhook with every default resolved and checked.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where events are posted to. May hold secrets.
    pub url: Url,
    /// Headers of each request, `content-type` among them. May hold secrets.
    pub headers: HeaderMap,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Hosts that may be link-local or metadata addresses, in lower case.
    pub allowed_hosts: Vec<String>,
    /// PEM file with the authorities to trust; `None` trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM files with the client's certificate and its key.
    pub identity_files: Option<(PathBuf, PathBuf)>,
    /// Whether the endpoint has to prove who it is.
    pub verify_certificates: bool,
}

/// Shows nothing that may be a secret.
impl std::fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSettings")
            .field("endpoint", &self.endpoint())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl WebhookConfig {
    /// Fills in every default and checks what can be checked without the network; `at` is the path of
    /// `action.config`.
    pub fn resolve(&self, at: &KeyPath, findings: &mut Findings) -> Option<WebhookSettings> {
        let errors = findings.errors();
        let allowed_hosts: Vec<String> =
            self.allowed_hosts.iter().map(|host| host.trim().to_lowercase()).collect();
        let url = self.url(&at.key("url"), &allowed_hosts, findings);
        let headers = self.headers(url.as_ref(), &at.key("headers"), findings);
        let files = PemFiles {
            authorities: ("ca_certificate_path", self.ca_certificate_path.as_deref()),
            certificate: ("client_certificate_path", self.client_certificate_path.as_deref()),
            key: ("client_key_path", self.client_key_path.as_deref()),
            key_password: None,
        };
        let files = files.check(at, findings);
        if self.disable_ssl_verification {
            let at = at.key("disable_ssl_verification");
            findings.warning(
                &at,
                "certificates are not verified: name the authority in ca_certificate_path instead",
            );
        }
        let settings = WebhookSettings {
            url: url?,
            headers,
            timeout: self.timeout_seconds.map_or(TIMEOUT, Duration::from_secs_f64),
            allowed_hosts,
            ca_file: files.authorities,
            identity_files: files.identity,
            verify_certificates: !self.disable_ssl_verification,
        };
        (findings.errors() == errors).then_some(settings)
    }

    /// The text itself is never shown: path, query and user information may be secrets.
    fn url(&self, at: &KeyPath, allowed_hosts: &[String], findings: &mut Findings) -> Option<Url> {
        // That it is missing, or its variable is, has been found with the whole.
        let url = match Url::parse(self.url.as_deref()?.trim()) {
            Ok(url) => url,
            Err(error) => {
                findings.error(at, format!("expected a URL such as https://host/path: {error}"));
                return None;
            }
        };
        if !matches!(url.scheme(), "http" | "https") {
            findings.error(at, "expected a URL that begins with http:// or https://");
            return None;
        }
        // A name is looked up for each connection, and refused there.
        let address = match url.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        };
        if address.is_some_and(is_refused) && !is_allowed(&url, allowed_hosts) {
            findings.error(
                at,
                "is a link-local or metadata address, which a webhook does not reach; if it is meant, add it to allowed_hosts",
            );
        }
        Some(url)
    }

    fn headers(&self, url: Option<&Url>, at: &KeyPath, findings: &mut Findings) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &self.headers {
            let at = at.key(name);
            let Ok(header) = HeaderName::try_from(name.as_str()) else {
                findings.error(&at, "cannot be the name of a header: expected letters, digits and -");
                continue;
            };
            if OURS.contains(&header.as_str()) {
                findings.error(&at, "is written by this program; remove it");
                continue;
            }
            let has_user = url.is_some_and(|url| !url.username().is_empty() || url.password().is_some());
            if header == AUTHORIZATION && has_user {
                findings.error(&at, "the URL has user information too; remove one of the two");
            }
            // A file's or a variable's last line end is no part of a secret.
            match HeaderValue::try_from(value.trim()) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    headers.insert(header, value);
                }
                Err(_) => findings.error(
                    &at,
                    "cannot be sent in a header: it holds a line break or another control character",
                ),
            }
        }
        headers
    }
}

impl WebhookSettings {
    /// Scheme, host and port: what errors and logs may show of the URL.
    pub fn endpoint(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether the recipe allows this host whatever its address.
    pub(super) fn allows_any_address(&self) -> bool {
        is_allowed(&self.url, &self.allowed_hosts)
    }

    /// The texts that no error may show.
    pub(super) fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add(self.url.as_str());
        let sensitive = self.headers.values().filter(|value| value.is_sensitive());
        sensitive.filter_map(|value| value.to_str().ok()).for_each(|value| secrets.add(value));
        secrets
    }
}

fn is_allowed(url: &Url, allowed_hosts: &[String]) -> bool {
    let Some(host) = url.host_str() else { return false };
    allowed_hosts.iter().any(|allowed| allowed == host || host.trim_matches(['[', ']']) == allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resolved(config: Value) -> Result<WebhookSettings, String> {
        let config: WebhookConfig = serde_json::from_value(config).unwrap();
        let mut findings = Findings::default();
        config
            .resolve(&KeyPath::root(), &mut findings)
            .ok_or_else(|| findings.into_iter().map(|found| format!("{} {}", found.at, found.text)).collect())
    }

    #[test]
    fn a_url_is_all_that_is_needed() {
        let settings = resolved(json!({"url": "https://hooks.example.com/abc"})).unwrap();
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert_eq!(settings.headers[CONTENT_TYPE], "application/json");
        assert_eq!(settings.endpoint(), "https://hooks.example.com");
    }

    #[test]
    fn what_cannot_work_is_an_error_at_its_key_and_shows_no_value() {
        let cases = [
            (json!({"url": "hooks.example.com/canary"}), "url expected a URL"),
            (json!({"url": "ftp://example.com/canary"}), "url expected a URL that begins"),
            (json!({"url": "http://169.254.169.254/canary"}), "allowed_hosts"),
            (json!({"url": "http://[fe80::1]/canary"}), "allowed_hosts"),
            (json!({"url": "http://2852039166/canary"}), "allowed_hosts"),
            (json!({"url": "http://[::ffff:a9fe:a9fe]/canary"}), "allowed_hosts"),
            (json!({"url": "http://h", "headers": {"a b": "canary"}}), "headers.a b cannot be the name"),
            (json!({"url": "http://h", "headers": {"X": "canary\nX"}}), "headers.X cannot be sent"),
            (json!({"url": "http://h", "headers": {"Host": "canary"}}), "is written by this program"),
            (
                json!({"url": "http://u:canary@h", "headers": {"authorization": "canary"}}),
                "the URL has user information too",
            ),
            (json!({"url": "http://h", "ca_certificate_path": "/nonexistent"}), "cannot read /nonexistent"),
            (
                json!({"url": "http://h", "client_key_path": "/dev/null"}),
                "client_certificate_path is missing",
            ),
        ];
        for (config, expected) in cases {
            let text = resolved(config.clone()).unwrap_err();
            assert!(text.contains(expected), "{config}: {text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn a_metadata_address_can_be_allowed_by_name() {
        for (url, host) in [("http://169.254.169.254/x", "169.254.169.254"), ("http://[FE80::1]/", "fe80::1")]
        {
            let settings = resolved(json!({"url": url, "allowed_hosts": [host]})).unwrap();
            assert!(settings.allows_any_address());
        }
    }

    #[test]
    fn nothing_of_the_settings_that_may_be_a_secret_is_shown() {
        let settings = resolved(json!({
            "url": "https://user:canary-1@h/canary-2?key=canary-3",
            "headers": {"X-Token": "canary-4\n"},
        }))
        .unwrap();
        let shown = format!("{settings:?} {}", settings.endpoint());
        assert!(!shown.contains("canary"), "{shown}");
        let quoted = "POST /canary-2?key=canary-3, /canary-2, canary-1 and canary-4";
        assert_eq!(settings.secrets().redact(quoted), "POST …, …, … and …");
    }
}
