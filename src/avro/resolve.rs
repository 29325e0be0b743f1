//! From what a recipe and the environment say about the registry to [`RegistrySettings`].

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::config::RegistryConfig;
use super::settings::{Patience, RegistryAuth, RegistrySettings};
use crate::datahub::gms_base_path;
use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};
use crate::http_client::{PemFiles, is_http};

impl RegistryConfig {
    /// Fills in every default. `url` is the recipe's `schema_registry_url`; `at` is the path of
    /// `connection`.
    pub fn resolve(
        &self,
        url: Option<&str>,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Option<RegistrySettings> {
        let errors = findings.errors();
        let url_key = at.key("schema_registry_url");
        let at = at.key("schema_registry_config");
        let mut urls = Vec::new();
        let mut from_url = None;
        for (url, user_info) in registry_urls(url, environment, &url_key, findings) {
            urls.push(url);
            match (&from_url, user_info) {
                (_, None) => {}
                (None, Some(user_info)) => from_url = Some(user_info),
                (Some(first), Some(other)) if *first == other => {}
                _ => findings
                    .error(&url_key, "the URLs have different user information; one user serves them all"),
            }
        }
        let auth = self.auth(from_url, &at, findings);
        let key_password = given(&self.ssl_key_password).map(SecretString::from);
        let files = PemFiles {
            authorities: ("ssl.ca.location", self.ssl_ca_location.as_deref()),
            certificate: ("ssl.certificate.location", self.ssl_certificate_location.as_deref()),
            key: ("ssl.key.location", self.ssl_key_location.as_deref()),
            key_password: Some(("ssl.key.password", key_password.as_ref())),
        };
        let files = files.check(&at, findings);
        let (certificate_file, key_file) = files.identity.unzip();
        let settings = RegistrySettings {
            urls,
            auth,
            ca_file: files.authorities,
            certificate_file,
            key_file,
            key_password,
            proxy: self.proxy(&at, findings),
            timeout: self.timeout.map_or(RegistrySettings::DEFAULT_TIMEOUT, Duration::from_secs_f64),
            patience: self.patience(&at, findings),
        };
        (findings.errors() == errors).then_some(settings)
    }

    fn proxy(&self, at: &KeyPath, findings: &mut Findings) -> Option<SecretString> {
        let proxy = given(&self.proxy)?;
        let sound = Url::parse(&proxy).is_ok_and(|url| is_http(&url));
        if !sound {
            // The text itself is not shown: it may hold a password.
            findings.error(&at.key("proxy"), "expected a URL such as http://proxy:3128");
        }
        Some(SecretString::from(proxy))
    }

    /// The waits between two requests, and a word on what Confluent's clients know and this one need
    /// not be told.
    fn patience(&self, at: &KeyPath, findings: &mut Findings) -> Patience {
        let default = Patience::default();
        let wait = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        let mut patience = Patience {
            first_wait: wait(self.retries_wait_ms, default.first_wait),
            longest_wait: wait(self.retries_max_wait_ms, default.longest_wait),
            ..default
        };
        if patience.longest_wait < patience.first_wait {
            if self.retries_max_wait_ms.is_some() {
                findings.error(&at.key("retries.max.wait.ms"), "must not be shorter than retries.wait.ms");
            }
            patience.longest_wait = patience.first_wait;
        }
        let without_effect = [
            ("max.retries", self.max_retries.is_some(), "a look-up is repeated until it is answered"),
            ("cache.capacity", self.cache_capacity.is_some(), "every schema that was resolved is kept"),
            ("cache.latest.ttl.sec", self.cache_latest_ttl_sec.is_some(), "an id never changes its meaning"),
        ];
        for (key, _, why) in without_effect.into_iter().filter(|(_, is_given, _)| *is_given) {
            findings.warning(&at.key(key), format!("has no effect: {why}"));
        }
        patience
    }

    fn auth(
        &self,
        from_url: Option<(String, String)>,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> RegistryAuth {
        if self.basic_auth_credentials_source.as_deref() == Some("SASL_INHERIT") {
            let text = "SASL_INHERIT is not taken, since the registry has settings of its own; give basic.auth.user.info";
            findings.error(&at.key("basic.auth.credentials.source"), text);
        }
        let user_info_key = at.key("basic.auth.user.info");
        let user_info = given(&self.basic_auth_user_info).and_then(|user_info| {
            let pair =
                user_info.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()));
            if pair.is_none() {
                findings.error(&user_info_key, "expected user:password");
            }
            pair
        });
        let token = given(&self.bearer_auth_token);
        if from_url.is_some() && user_info.is_some() {
            findings.error(&user_info_key, "the URL has user information too; remove one of the two");
        }
        match (user_info.or(from_url), token) {
            (Some(_), Some(_)) => {
                let text = "a user and password are given too; remove one of the two";
                findings.error(&at.key("bearer.auth.token"), text);
                RegistryAuth::None
            }
            (Some((user, password)), None) => {
                RegistryAuth::Basic { user, password: SecretString::from(password) }
            }
            (None, Some(token)) => RegistryAuth::Bearer(SecretString::from(token)),
            (None, None) => RegistryAuth::None,
        }
    }
}

/// An empty value counts as not given.
fn given(value: &Option<String>) -> Option<String> {
    value.clone().filter(|value| !value.is_empty())
}

/// User and password.
type UserInfo = (String, String);

fn registry_urls(
    url: Option<&str>,
    environment: &Environment,
    at: &KeyPath,
    findings: &mut Findings,
) -> Vec<(Url, Option<UserInfo>)> {
    let (text, origin) = match url.filter(|url| !url.is_empty()) {
        Some(url) => (url.to_owned(), String::new()),
        None => from_environment(environment),
    };
    let mut urls = Vec::new();
    for url in text.split(',').map(str::trim) {
        // The text itself is not shown: it may hold a password.
        match Url::parse(url) {
            Ok(url) if url.query().is_some() || url.fragment().is_some() => findings.error(
                at,
                format!("a query (`?…`) or fragment (`#…`) is not sent to a registry{origin}; leave it out, and percent-encode `?` and `#` where they are part of a password or path"),
            ),
            Ok(url) if is_http(&url) => {
                urls.push(without_user_info(url));
            }
            Ok(_) => findings.error(at, format!("expected a URL that begins with http:// or https://{origin}")),
            Err(error) => findings.error(
                at,
                format!("expected a URL such as http://localhost:8081, several separated by commas{origin}: {error}"),
            ),
        }
    }
    urls
}

/// DataHub's metadata service serves a registry of its own, below its base path.
fn from_environment(environment: &Environment) -> (String, String) {
    for name in ["SCHEMA_REGISTRY_URL", "KAFKA_SCHEMAREGISTRY_URL"] {
        if let Some(url) = environment.get(name) {
            return (url.to_owned(), format!(" in the variable {name}"));
        }
    }
    let base_path = gms_base_path(environment);
    let origin = if base_path.is_empty() { "" } else { " (from the variable DATAHUB_GMS_BASE_PATH)" };
    (format!("http://localhost:8080{base_path}/schema-registry/api/"), origin.to_owned())
}

fn without_user_info(mut url: Url) -> (Url, Option<UserInfo>) {
    let user_info = (!url.username().is_empty() || url.password().is_some())
        .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
    // Both fail only for a URL without a host, which was refused above.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    (url, user_info)
}

/// `%40` is `@`.
fn decoded(text: &str) -> String {
    // A form's `+` means a space, a URL's does not.
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B").replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn resolved(
        config: &RegistryConfig,
        url: Option<&str>,
        environment: &Environment,
    ) -> Result<RegistrySettings, String> {
        let mut findings = Findings::default();
        config
            .resolve(url, environment, &KeyPath::root(), &mut findings)
            .ok_or_else(|| findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>().join("\n"))
    }

    fn urls(url: Option<&str>, environment: &Environment) -> Vec<String> {
        let settings = resolved(&RegistryConfig::default(), url, environment).unwrap();
        settings.urls.iter().map(Url::to_string).collect()
    }

    #[test]
    fn the_recipe_wins_then_our_variable_then_the_frameworks_then_datahub() {
        let mut variables = vec![
            ("SCHEMA_REGISTRY_URL", "http://ours:8081"),
            ("KAFKA_SCHEMAREGISTRY_URL", "http://theirs:8081"),
            ("DATAHUB_GMS_BASE_PATH", "/gms"),
        ];
        let mut expected = vec![
            "http://ours:8081/",
            "http://theirs:8081/",
            "http://localhost:8080/gms/schema-registry/api/",
        ];
        let environment = |variables: &[(&str, &str)]| {
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<Environment>()
        };
        assert_eq!(urls(Some("https://r/p/"), &environment(&variables)), ["https://r/p/"]);
        while !expected.is_empty() {
            assert_eq!(urls(None, &environment(&variables)), [expected.remove(0)]);
            variables.remove(0);
        }
        assert_eq!(urls(None, &Environment::default()), ["http://localhost:8080/schema-registry/api/"]);
        for (base_path, expected) in [
            ("/", "http://localhost:8080/schema-registry/api/"),
            ("gms/", "http://localhost:8080/gms/schema-registry/api/"),
        ] {
            let environment = Environment::from([("DATAHUB_GMS_BASE_PATH", base_path)]);
            assert_eq!(urls(None, &environment), [expected], "{base_path}");
        }
    }

    #[test]
    fn user_information_leaves_the_url_and_becomes_basic_authentication() {
        let settings = resolved(
            &RegistryConfig::default(),
            Some("http://me:p%40ss+w@a:1/x, http://b:2"),
            &Environment::default(),
        )
        .unwrap();
        assert_eq!(
            settings.urls.iter().map(Url::as_str).collect::<Vec<_>>(),
            ["http://a:1/x", "http://b:2/"]
        );
        let RegistryAuth::Basic { user, password } = settings.auth else { panic!("expected basic") };
        assert_eq!((user.as_str(), password.expose_secret()), ("me", "p@ss+w"));
    }

    #[test]
    fn one_way_to_log_in_is_enough() {
        let config = RegistryConfig {
            basic_auth_user_info: Some("a:b".to_owned()),
            bearer_auth_token: Some("canary".to_owned()),
            ..Default::default()
        };
        let error = resolved(&config, Some("http://u:p@r"), &Environment::default()).unwrap_err();
        assert!(
            error.contains("the URL has user information too") && error.contains("remove one of the two")
        );
        assert!(!error.contains("canary"));
    }

    #[test]
    fn a_wrong_url_is_refused_without_showing_it() {
        for wrong in ["localhost:8081", "ftp://r", "http://", "http://r,", "http://u:canary@r:99999"] {
            let error =
                resolved(&RegistryConfig::default(), Some(wrong), &Environment::default()).unwrap_err();
            assert!(error.contains("expected a URL") && !error.contains("canary"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_query_or_a_fragment_is_refused_without_showing_it() {
        for wrong in
            ["http://r/?key=canary", "http://r/#canary", "http://r?", "http://a:1,http://b:2/x?canary"]
        {
            let error =
                resolved(&RegistryConfig::default(), Some(wrong), &Environment::default()).unwrap_err();
            assert!(error.starts_with("a query") && !error.contains("canary"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_source_of_credentials_is_accepted_unless_it_is_the_login_to_kafka() {
        let with = |source: &str| RegistryConfig {
            basic_auth_credentials_source: Some(source.to_owned()),
            basic_auth_user_info: Some("a:b".to_owned()),
            ..Default::default()
        };
        for source in ["USER_INFO", "URL"] {
            let settings = resolved(&with(source), None, &Environment::default()).unwrap();
            assert!(matches!(settings.auth, RegistryAuth::Basic { .. }), "{source}");
        }
        let error = resolved(&with("SASL_INHERIT"), None, &Environment::default()).unwrap_err();
        assert!(error.starts_with("SASL_INHERIT is not taken"), "{error}");
    }

    #[test]
    fn what_confluents_clients_know_is_taken_or_has_no_effect_and_says_so() {
        let config = RegistryConfig {
            retries_wait_ms: Some(200),
            retries_max_wait_ms: Some(3_000),
            max_retries: Some(9),
            cache_capacity: Some(10),
            cache_latest_ttl_sec: Some(1.0),
            ssl_key_password: Some("p".to_owned()),
            proxy: Some("http://proxy:3128".to_owned()),
            ..Default::default()
        };
        let mut findings = Findings::default();
        let settings =
            config.resolve(None, &Environment::default(), &KeyPath::root(), &mut findings).unwrap();
        assert_eq!(settings.patience.first_wait, Duration::from_millis(200));
        assert_eq!(settings.patience.longest_wait, Duration::from_secs(3));
        assert!(settings.key_password.is_some() && settings.proxy.is_some());
        let warned: Vec<String> = findings.into_iter().map(|finding| finding.at.to_string()).collect();
        assert_eq!(
            warned,
            ["max.retries", "cache.capacity", "cache.latest.ttl.sec"]
                .map(|key| format!("schema_registry_config[\"{key}\"]"))
        );
    }

    #[test]
    fn a_proxy_or_waits_that_make_no_sense_are_refused() {
        for proxy in ["proxy:3128", "socks://canary", "http://"] {
            let config = RegistryConfig { proxy: Some(proxy.to_owned()), ..Default::default() };
            let error = resolved(&config, None, &Environment::default()).unwrap_err();
            assert!(error.contains("http://proxy:3128") && !error.contains("canary"), "{proxy}: {error}");
        }
        let config = RegistryConfig { retries_max_wait_ms: Some(10), ..Default::default() };
        let error = resolved(&config, None, &Environment::default()).unwrap_err();
        assert_eq!(error, "must not be shorter than retries.wait.ms");
    }
}
