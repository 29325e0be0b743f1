//! Consumer properties from the environment: `KAFKA_PROPERTIES_SASL_MECHANISM` is `sasl.mechanism`.
//!
//! DataHub's charts set the same variables for its Java services, so some of them mean nothing to
//! librdkafka. None of them may keep a pipeline from starting.

use std::collections::BTreeMap;

use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};

const PREFIX: &str = "KAFKA_PROPERTIES_";

/// Properties of Java clients and of registry clients, and the group, which a pipeline's name sets.
const IGNORED: [&str; 7] = [
    "group.id",
    "partition.assignment.strategy",
    "sasl.client.callback.handler.class",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "ssl.enabled.protocols",
    "ssl.protocol",
];

/// The same, whatever follows.
const IGNORED_PREFIXES: [&str; 3] = ["kafkastore.", "basic.auth.", "schema.registry."];

/// The properties that the environment sets and the recipe (`given`) does not.
pub(super) fn properties(
    environment: &Environment,
    given: &BTreeMap<String, String>,
    at: &KeyPath,
    findings: &mut Findings,
) -> BTreeMap<String, String> {
    let switched_off = environment
        .get("DATAHUB_ACTIONS_KAFKA_ENV_PROPERTIES_ENABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("false"));
    let mut properties = BTreeMap::new();
    if switched_off {
        return properties;
    }
    let mut ignored = Vec::new();
    let mut jaas = None;
    for (rest, value) in environment.with_prefix(PREFIX).filter(|(_, value)| !value.is_empty()) {
        let property = match rest {
            "OAUTH_CB" => "oauth_cb".to_owned(),
            rest => rest.to_lowercase().replace('_', "."),
        };
        let variable = format!("{PREFIX}{rest}");
        if given.contains_key(&property) {
            continue;
        }
        match property.as_str() {
            "oauth_cb" => findings.error(
                at,
                format!("{variable} is not supported yet by this version; unset it, or set sasl.mechanism to PLAIN or SCRAM"),
            ),
            "sasl.jaas.config" => jaas = Some((variable, value)),
            name if name.starts_with("ssl.truststore") => findings.warning(
                at,
                format!("{variable} is for Java and has no effect; give the authorities' certificates as PEM in ssl.ca.location"),
            ),
            // Type and password of a PKCS#12 key store are the same in librdkafka; a JKS is not.
            name if name.starts_with("ssl.keystore") => findings.warning(
                at,
                format!("{variable} is for Java and has no effect; give the client's key as PEM in ssl.certificate.location and ssl.key.location, or as PKCS#12 in ssl.keystore.location of consumer_config"),
            ),
            name if IGNORED.contains(&name) || IGNORED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => {
                ignored.push(variable);
            }
            _ => {
                properties.insert(property, value.to_owned());
            }
        }
    }
    if let Some((variable, value)) = jaas {
        match user_and_password(value) {
            Some((user, password)) => {
                for (property, value) in [("sasl.username", user), ("sasl.password", password)] {
                    if !given.contains_key(property) {
                        properties.entry(property.to_owned()).or_insert(value);
                    }
                }
            }
            None => findings.warning(
                at,
                format!("{variable} names no username and password and has no effect; set sasl.username and sasl.password"),
            ),
        }
    }
    if !ignored.is_empty() {
        findings
            .warning(at, format!("{} mean nothing to this consumer and have no effect", ignored.join(", ")));
    }
    properties
}

/// `org.apache…PlainLoginModule required username="me" password="p\"w";`
fn user_and_password(jaas: &str) -> Option<(String, String)> {
    Some((jaas_option(jaas, "username")?, jaas_option(jaas, "password")?))
}

fn jaas_option(jaas: &str, name: &str) -> Option<String> {
    let (at, _) = jaas.match_indices(name).find(|(at, _)| {
        let before = jaas[..*at].chars().next_back();
        before.is_some_and(char::is_whitespace) && jaas[at + name.len()..].trim_start().starts_with('=')
    })?;
    let value = jaas[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(value.len());
        return Some(value[..end].to_owned());
    };
    let mut text = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(variables: [(&str, &str); N]) -> (BTreeMap<String, String>, Vec<String>) {
        let given = BTreeMap::from([("client.id".to_owned(), "recipe".to_owned())]);
        let mut findings = Findings::default();
        let properties = properties(&Environment::from(variables), &given, &KeyPath::root(), &mut findings);
        (properties, findings.into_iter().map(|finding| finding.text).collect())
    }

    #[test]
    fn variables_become_properties_where_the_recipe_is_silent() {
        let (properties, texts) = read([
            ("KAFKA_PROPERTIES_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_PROPERTIES_SSL_CA_LOCATION", ""),
            ("KAFKA_PROPERTIES_CLIENT_ID", "environment"),
            ("OTHER", "x"),
        ]);
        assert_eq!(properties, BTreeMap::from([("security.protocol".to_owned(), "SASL_SSL".to_owned())]));
        assert!(texts.is_empty());
    }

    #[test]
    fn what_is_for_java_only_does_not_break_the_start() {
        let (properties, texts) = read([
            ("KAFKA_PROPERTIES_SSL_PROTOCOL", "TLS"),
            ("KAFKA_PROPERTIES_KAFKASTORE_SECURITY_PROTOCOL", "SSL"),
            ("KAFKA_PROPERTIES_SSL_TRUSTSTORE_LOCATION", "/x.jks"),
        ]);
        assert!(properties.is_empty());
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("ssl.ca.location"));
        assert!(
            texts[1]
                .starts_with("KAFKA_PROPERTIES_KAFKASTORE_SECURITY_PROTOCOL, KAFKA_PROPERTIES_SSL_PROTOCOL")
        );
    }

    #[test]
    fn javas_login_line_becomes_user_and_password() {
        let line = r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="p\"w;";"#;
        let (properties, texts) = read([("KAFKA_PROPERTIES_SASL_JAAS_CONFIG", line)]);
        assert_eq!(properties["sasl.username"], "me");
        assert_eq!(properties["sasl.password"], "p\"w;");
        assert!(texts.is_empty());
    }

    #[test]
    fn the_environments_properties_can_be_switched_off() {
        let (properties, _) = read([
            ("DATAHUB_ACTIONS_KAFKA_ENV_PROPERTIES_ENABLED", "False"),
            ("KAFKA_PROPERTIES_SECURITY_PROTOCOL", "SSL"),
        ]);
        assert!(properties.is_empty());
    }
}
