//! How DataHub's own API is reached: what a recipe says under `datahub`, and the environment where the
//! recipe is silent.
//!
//! The one place that decides it. Only actions that call the API need it; Kafka and the schema registry
//! are reached without.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};
use crate::http_client::{FoundFiles, PemFiles, is_http};

/// `datahub` of a recipe. Unknown keys are ignored, as the Python framework ignores them.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(extend("x-unknown-keys" = "ignore"))]
pub struct DatahubConfig {
    /// The URL of DataHub's metadata service, such as `http://localhost:8080`.
    #[schemars(required)]
    pub server: Option<String>,
    /// Access token.
    #[schemars(extend("x-secret" = true))]
    pub token: Option<String>,
    /// A provider of tokens, `{type: static, config: {token: …}}`, instead of `token`.
    #[schemars(extend("x-secret" = true))]
    pub auth: Option<Map<String, Value>>,
    /// Time-out of one request, in seconds (default 30).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 3600))]
    pub timeout_sec: Option<f64>,
    /// Further headers of each request, name and value; a value may be a secret.
    #[schemars(extend("x-secret" = true, "x-secret-keys" = "*"))]
    pub extra_headers: Option<BTreeMap<String, String>>,
    /// `true` accepts any certificate (default false).
    pub disable_ssl_verification: Option<bool>,
    /// File with the certificates of the authorities to trust, PEM.
    pub ca_certificate_path: Option<String>,
    /// File with the client's certificate, PEM.
    pub client_certificate_path: Option<String>,
    /// File with the client's key, PEM.
    pub client_key_path: Option<String>,
}

/// How DataHub's own API is reached, with every default filled in.
#[derive(Debug, Clone)]
pub struct DatahubSettings {
    /// The metadata service, with any path prefix.
    pub server: Url,
    /// How the client says who it is.
    pub auth: DatahubAuth,
    /// Further headers of each request; their values may be secrets.
    pub extra_headers: Vec<(String, SecretString)>,
    /// Time-out of one request.
    pub timeout: Duration,
    /// Whether the server's certificate is checked.
    pub verify_certificates: bool,
    /// PEM file with the authorities to trust; `None` trusts those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the client's certificate.
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the client's key.
    pub key_file: Option<PathBuf>,
}

/// How the client says who it is.
#[derive(Debug, Clone, Default)]
pub enum DatahubAuth {
    /// Not at all, or by one of the further headers.
    #[default]
    None,
    /// `Authorization: Bearer TOKEN`.
    Token(SecretString),
    /// `Authorization: Basic ID:SECRET`, as DataHub's own services say it to each other: the pair is not
    /// encoded.
    SystemClient {
        /// `DATAHUB_SYSTEM_CLIENT_ID`.
        id: String,
        /// `DATAHUB_SYSTEM_CLIENT_SECRET`.
        secret: SecretString,
    },
}

impl DatahubSettings {
    /// Time-out of one request where nobody sets another.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// Where nothing in the recipe says how DataHub is reached, the environment does:
    /// `DATAHUB_GMS_PROTOCOL`, `_HOST`, `_PORT` and `_BASE_PATH`. What it says wrong is a warning: the
    /// recipe did not ask for it.
    pub fn of_environment(environment: &Environment, at: &KeyPath, findings: &mut Findings) -> Option<Self> {
        let of = |name: &str, default: &'static str| environment.get(name).unwrap_or(default).to_owned();
        let (protocol, host, port) = (
            of("DATAHUB_GMS_PROTOCOL", "http"),
            of("DATAHUB_GMS_HOST", "localhost"),
            of("DATAHUB_GMS_PORT", "8080"),
        );
        let url = format!("{protocol}://{host}:{port}{}", gms_base_path(environment));
        let Some(server) = http_url(&url) else {
            // What comes from a variable is not shown.
            findings.warning(
                at,
                "DATAHUB_GMS_PROTOCOL, DATAHUB_GMS_HOST, DATAHUB_GMS_PORT and DATAHUB_GMS_BASE_PATH make no URL such as http://localhost:8080; correct them, or give datahub.server",
            );
            return None;
        };
        let config = DatahubConfig::default();
        Some(config.settings(server, (system_client(environment), FoundFiles::default()), findings, at))
    }
}

impl DatahubConfig {
    /// Checks what the recipe says and fills in the rest. `at` is the path of `datahub`.
    pub fn resolve(
        &self,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Option<DatahubSettings> {
        let errors = findings.errors();
        // That it is missing has been found with the whole.
        let server = self.server.as_deref().map(http_url);
        if server == Some(None) {
            findings.error(&at.key("server"), "expected a URL such as http://localhost:8080");
        }
        let auth = self.auth(environment, at, findings);
        let files = self.files().check(at, findings);
        let settings = self.settings(server.flatten()?, (auth, files), findings, at);
        (findings.errors() == errors).then_some(settings)
    }

    fn settings(
        &self,
        server: Url,
        (auth, files): (DatahubAuth, FoundFiles),
        findings: &mut Findings,
        at: &KeyPath,
    ) -> DatahubSettings {
        if self.disable_ssl_verification == Some(true) {
            let text = "accepts any certificate: whoever is in between reads and changes what is sent";
            findings.warning(&at.key("disable_ssl_verification"), text);
        }
        let (certificate_file, key_file) = files.identity.unzip();
        DatahubSettings {
            server,
            auth,
            extra_headers: self
                .extra_headers
                .iter()
                .flatten()
                .map(|(name, value)| (name.clone(), SecretString::from(value.as_str())))
                .collect(),
            timeout: self.timeout_sec.map_or(DatahubSettings::DEFAULT_TIMEOUT, Duration::from_secs_f64),
            verify_certificates: self.disable_ssl_verification != Some(true),
            ca_file: files.authorities,
            certificate_file,
            key_file,
        }
    }

    fn files(&self) -> PemFiles<'_> {
        PemFiles {
            authorities: ("ca_certificate_path", self.ca_certificate_path.as_deref()),
            certificate: ("client_certificate_path", self.client_certificate_path.as_deref()),
            key: ("client_key_path", self.client_key_path.as_deref()),
            key_password: None,
        }
    }

    fn auth(&self, environment: &Environment, at: &KeyPath, findings: &mut Findings) -> DatahubAuth {
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        match (token, &self.auth) {
            (Some(_), Some(_)) => {
                findings.error(&at.key("auth"), "token is given too; remove one of the two");
                DatahubAuth::None
            }
            (Some(token), None) => DatahubAuth::Token(SecretString::from(token)),
            (None, Some(auth)) => static_token(auth).map_or_else(
                || {
                    let text = "expected {type: static, config: {token: …}}; other providers of tokens are not supported";
                    findings.error(&at.key("auth"), text);
                    DatahubAuth::None
                },
                DatahubAuth::Token,
            ),
            (None, None) if self.names_authorization() => DatahubAuth::None,
            (None, None) => system_client(environment),
        }
    }

    fn names_authorization(&self) -> bool {
        self.extra_headers.iter().flatten().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    }
}

fn static_token(auth: &Map<String, Value>) -> Option<SecretString> {
    let is_static = auth.get("type").and_then(Value::as_str) == Some("static");
    let token = auth.get("config")?.get("token")?.as_str().filter(|token| is_static && !token.is_empty())?;
    Some(SecretString::from(token))
}

fn system_client(environment: &Environment) -> DatahubAuth {
    match (environment.get("DATAHUB_SYSTEM_CLIENT_ID"), environment.get("DATAHUB_SYSTEM_CLIENT_SECRET")) {
        (Some(id), Some(secret)) => {
            DatahubAuth::SystemClient { id: id.to_owned(), secret: SecretString::from(secret) }
        }
        _ => DatahubAuth::None,
    }
}

/// The path in front of all that the metadata service serves, from `DATAHUB_GMS_BASE_PATH`: empty, or with
/// a slash in front and none behind, however the variable writes it.
pub(crate) fn gms_base_path(environment: &Environment) -> String {
    let path = environment.get("DATAHUB_GMS_BASE_PATH").unwrap_or_default().trim_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

fn http_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(is_http)
}

/// The server alone: the rest may be secrets.
impl fmt::Debug for DatahubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatahubConfig").field("token", &self.token.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::http_client::authority::Authority;

    const SYSTEM: [(&str, &str); 2] =
        [("DATAHUB_SYSTEM_CLIENT_ID", "__datahub_system"), ("DATAHUB_SYSTEM_CLIENT_SECRET", "canary")];

    fn config(json: Value) -> DatahubConfig {
        serde_json::from_value(json).unwrap()
    }

    fn resolved(json: Value, environment: &Environment) -> Result<DatahubSettings, String> {
        let mut findings = Findings::default();
        config(json).resolve(environment, &KeyPath::root(), &mut findings).ok_or_else(|| {
            findings.into_iter().map(|finding| format!("{}: {}", finding.at, finding.text)).collect()
        })
    }

    #[test]
    fn a_silent_recipe_takes_server_and_system_client_from_the_environment() {
        let mut findings = Findings::default();
        let mut of = |environment: &Environment| {
            DatahubSettings::of_environment(environment, &KeyPath::root(), &mut findings)
        };
        assert_eq!(of(&Environment::default()).unwrap().server.as_str(), "http://localhost:8080/");
        let variables = [
            ("DATAHUB_GMS_PROTOCOL", "https"),
            ("DATAHUB_GMS_HOST", "gms"),
            ("DATAHUB_GMS_PORT", "8443"),
            ("DATAHUB_GMS_BASE_PATH", "/datahub"),
            SYSTEM[0],
            SYSTEM[1],
        ];
        let settings = of(&Environment::from(variables)).unwrap();
        assert_eq!(settings.server.as_str(), "https://gms:8443/datahub");
        assert!(!format!("{settings:?}").contains("canary"));
        let DatahubAuth::SystemClient { id, secret } = settings.auth else { panic!("the system client") };
        assert_eq!((id.as_str(), secret.expose_secret()), ("__datahub_system", "canary"));
        assert!(of(&Environment::from([("DATAHUB_GMS_PORT", "99999")])).is_none());
        assert_eq!(findings.errors(), 0, "nobody asked for it");
    }

    #[test]
    fn the_base_path_may_be_written_with_slashes_or_without() {
        for (written, expected) in [
            ("datahub", "/datahub"),
            ("/datahub/", "/datahub"),
            ("/a/b", "/a/b"),
            ("/", ""),
            ("//", ""),
            ("", ""),
        ] {
            let environment = Environment::from([("DATAHUB_GMS_BASE_PATH", written)]);
            assert_eq!(gms_base_path(&environment), expected, "{written}");
        }
        let environment = Environment::from([("DATAHUB_GMS_BASE_PATH", "datahub/")]);
        let settings =
            DatahubSettings::of_environment(&environment, &KeyPath::root(), &mut Findings::default());
        assert_eq!(settings.unwrap().server.as_str(), "http://localhost:8080/datahub");
    }

    #[test]
    fn what_the_recipe_says_of_who_asks_wins_over_the_system_client() {
        let environment = Environment::from(SYSTEM);
        let auth = |json: Value| resolved(json, &environment).unwrap().auth;
        let server = "http://gms:8080";
        let token = |auth| match auth {
            DatahubAuth::Token(token) => token.expose_secret().to_owned(),
            other => panic!("a token, not {other:?}"),
        };
        assert_eq!(token(auth(serde_json::json!({"server": server, "token": "t"}))), "t");
        let provider = serde_json::json!({"type": "static", "config": {"token": "u"}});
        assert_eq!(token(auth(serde_json::json!({"server": server, "auth": provider}))), "u");
        let headers = serde_json::json!({"authorization": "Basic a:b"});
        let by_header = auth(serde_json::json!({"server": server, "extra_headers": headers}));
        assert!(matches!(by_header, DatahubAuth::None));
        let silent = auth(serde_json::json!({"server": server, "token": ""}));
        assert!(matches!(silent, DatahubAuth::SystemClient { .. }));
    }

    #[test]
    fn what_is_not_said_has_a_default_and_everything_that_is_said_arrives() {
        let silent =
            resolved(serde_json::json!({"server": "http://gms:8080"}), &Environment::default()).unwrap();
        assert_eq!(silent.timeout, Duration::from_secs(30));
        assert!(silent.verify_certificates && silent.extra_headers.is_empty());
        assert!(matches!(silent.auth, DatahubAuth::None));
        assert_eq!((silent.ca_file, silent.certificate_file, silent.key_file), (None, None, None));

        let authority = Authority::new();
        let (certificate, key) = authority.sign("relay");
        let all = serde_json::json!({
            "server": "https://gms:8443/prefix", "timeout_sec": 2.5, "extra_headers": {"X-Team": "data"},
            "disable_ssl_verification": true, "ca_certificate_path": authority.file(),
            "client_certificate_path": certificate, "client_key_path": key,
        });
        let mut findings = Findings::default();
        let at = KeyPath::root().key("datahub");
        let settings = config(all).resolve(&Environment::default(), &at, &mut findings).unwrap();
        assert_eq!(settings.server.as_str(), "https://gms:8443/prefix");
        assert_eq!(settings.timeout, Duration::from_millis(2_500));
        let headers: Vec<_> = settings
            .extra_headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        assert_eq!(headers, [("X-Team", "data")]);
        assert!(!settings.verify_certificates);
        assert_eq!(
            (settings.ca_file, settings.certificate_file, settings.key_file),
            (Some(authority.file()), Some(certificate), Some(key))
        );
        let warned: Vec<String> = findings.into_iter().map(|finding| finding.at.to_string()).collect();
        assert_eq!(warned, ["datahub.disable_ssl_verification"]);
    }

    #[test]
    fn what_cannot_be_used_is_an_error_at_its_key() {
        let error = |json: Value| resolved(json, &Environment::default()).unwrap_err();
        let server = "http://gms:8080";
        assert!(error(serde_json::json!({"server": "gms:8080"})).starts_with("server: expected a URL"));
        let both = serde_json::json!({"server": server, "token": "t", "auth": {"type": "static"}});
        assert!(error(both).starts_with("auth: token is given too"));
        let other = serde_json::json!({"server": server, "auth": {"type": "azure"}});
        assert!(error(other).starts_with("auth: expected {type: static"));
    }
}
