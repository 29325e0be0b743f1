//! Consumer properties from the environment: `KAFKA_PROPERTIES_SASL_MECHANISM` is `sasl.mechanism`.
//!
//! DataHub's charts set the same variables for its Java services, so some of them mean nothing to
//! librdkafka. None of them may keep a pipeline from starting.

use std::collections::BTreeMap;

use super::consumer_properties::variable_of;
use super::{aliases, jaas};
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

/// A property that the environment sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inherited {
    /// The variable that sets it.
    pub(super) variable: String,
    pub(super) value: String,
}

impl AsRef<str> for Inherited {
    fn as_ref(&self) -> &str {
        &self.value
    }
}

/// The properties that the environment sets and the recipe (`given`) does not.
pub(super) fn properties(
    environment: &Environment,
    given: &BTreeMap<String, String>,
    at: &KeyPath,
    findings: &mut Findings,
) -> BTreeMap<String, Inherited> {
    let switched_off = environment
        .get("DATAHUB_ACTIONS_KAFKA_ENV_PROPERTIES_ENABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("false"));
    let mut properties = BTreeMap::new();
    if switched_off {
        return properties;
    }
    let (mut ignored, mut trust_stores, mut key_stores) = (Vec::new(), Vec::new(), Vec::new());
    let mut jaas = None;
    for (rest, value) in environment.with_prefix(PREFIX).filter(|(_, value)| !value.is_empty()) {
        let property = match rest {
            "OAUTH_CB" => "oauth_cb".to_owned(),
            rest => rest.to_lowercase().replace('_', "."),
        };
        let variable = format!("{PREFIX}{rest}");
        if aliases::has(given, &property) {
            continue;
        }
        match property.as_str() {
            "sasl.jaas.config" => jaas = Some((variable, value)),
            name if name.starts_with("ssl.truststore") => trust_stores.push(variable),
            // Type and password of a PKCS#12 key store are the same in librdkafka; a JKS is not.
            name if name.starts_with("ssl.keystore") => key_stores.push(variable),
            name if IGNORED.contains(&name)
                || IGNORED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) =>
            {
                ignored.push(variable);
            }
            _ => {
                properties.insert(property, Inherited { variable, value: value.to_owned() });
            }
        }
    }
    for (name, other) in aliases::without_doubles(&mut properties) {
        let (counts, other) = (variable_of(name), variable_of(other));
        findings.warning(at, format!("{other} has no effect beside {counts}, which means the same"));
    }
    if let Some((variable, value)) = jaas {
        match jaas::user_and_password(value) {
            Some((user, password)) => {
                for (property, value) in [("sasl.username", user), ("sasl.password", password)] {
                    if !given.contains_key(property) {
                        let inherited = Inherited { variable: variable.clone(), value };
                        properties.entry(property.to_owned()).or_insert(inherited);
                    }
                }
            }
            None => findings.warning(
                at,
                format!("{variable} names no username and password and has no effect; set sasl.username and sasl.password"),
            ),
        }
    }
    for (variables, why) in [
        (
            trust_stores,
            "for Java, no effect here; give the authorities' certificates as PEM in ssl.ca.location",
        ),
        (
            key_stores,
            "for Java, no effect here; give the client's key as PEM in ssl.certificate.location and ssl.key.location, or as PKCS#12 in ssl.keystore.location of consumer_config",
        ),
        (ignored, "not for this consumer, no effect here"),
    ] {
        if !variables.is_empty() {
            findings.warning(at, format!("{}: {why}", variables.join(", ")));
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(variables: [(&str, &str); N]) -> (BTreeMap<String, String>, Vec<String>) {
        let given = BTreeMap::from([("client.id".to_owned(), "recipe".to_owned())]);
        let mut findings = Findings::default();
        let properties = properties(&Environment::from(variables), &given, &KeyPath::root(), &mut findings);
        let values = properties.into_iter().map(|(name, inherited)| (name, inherited.value)).collect();
        (values, findings.into_iter().map(|finding| finding.text).collect())
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
    fn javas_key_stores_name_the_properties_to_use_instead() {
        let (properties, texts) = read([
            ("KAFKA_PROPERTIES_SSL_TRUSTSTORE_LOCATION", "/x.jks"),
            ("KAFKA_PROPERTIES_SSL_TRUSTSTORE_PASSWORD", "canary"),
            ("KAFKA_PROPERTIES_SSL_TRUSTSTORE_TYPE", "JKS"),
            ("KAFKA_PROPERTIES_SSL_KEYSTORE_LOCATION", "/x.jks"),
            ("KAFKA_PROPERTIES_SSL_KEYSTORE_PASSWORD", "canary"),
        ]);
        assert!(properties.is_empty());
        assert_eq!(
            texts,
            [
                "KAFKA_PROPERTIES_SSL_TRUSTSTORE_LOCATION, KAFKA_PROPERTIES_SSL_TRUSTSTORE_PASSWORD, KAFKA_PROPERTIES_SSL_TRUSTSTORE_TYPE: for Java, no effect here; give the authorities' certificates as PEM in ssl.ca.location",
                "KAFKA_PROPERTIES_SSL_KEYSTORE_LOCATION, KAFKA_PROPERTIES_SSL_KEYSTORE_PASSWORD: for Java, no effect here; give the client's key as PEM in ssl.certificate.location and ssl.key.location, or as PKCS#12 in ssl.keystore.location of consumer_config",
            ]
        );
    }

    #[test]
    fn what_is_for_others_is_ignored_with_one_line() {
        let (properties, texts) = read([
            ("KAFKA_PROPERTIES_SSL_PROTOCOL", "TLS"),
            ("KAFKA_PROPERTIES_SSL_ENABLED_PROTOCOLS", "TLSv1.3"),
            (
                "KAFKA_PROPERTIES_PARTITION_ASSIGNMENT_STRATEGY",
                "org.apache.kafka.clients.consumer.RangeAssignor",
            ),
            ("KAFKA_PROPERTIES_KAFKASTORE_SECURITY_PROTOCOL", "SSL"),
            ("KAFKA_PROPERTIES_BASIC_AUTH_USER_INFO", "a:b"),
            ("KAFKA_PROPERTIES_SCHEMA_REGISTRY_URL", "http://r"),
            ("KAFKA_PROPERTIES_SASL_LOGIN_CLASS", "x"),
            ("KAFKA_PROPERTIES_SASL_LOGIN_CALLBACK_HANDLER_CLASS", "x"),
            ("KAFKA_PROPERTIES_SASL_CLIENT_CALLBACK_HANDLER_CLASS", "x"),
            ("KAFKA_PROPERTIES_GROUP_ID", "x"),
        ]);
        assert!(properties.is_empty());
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert_eq!(texts[0].matches("KAFKA_PROPERTIES_").count(), 10, "{texts:?}");
        assert!(texts[0].ends_with("not for this consumer, no effect here"), "{texts:?}");
    }

    #[test]
    fn a_property_with_two_names_is_one_property() {
        let variables = Environment::from([
            ("KAFKA_PROPERTIES_SASL_MECHANISM", "PLAIN"),
            ("KAFKA_PROPERTIES_SASL_MECHANISMS", "SCRAM-SHA-256"),
            ("KAFKA_PROPERTIES_FETCH_MESSAGE_MAX_BYTES", "7"),
            ("KAFKA_PROPERTIES_MAX_PARTITION_FETCH_BYTES", "7"),
        ]);
        let of = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let mut findings = Findings::default();
            let properties = properties(&variables, &given, &KeyPath::root(), &mut findings);
            (properties, findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>())
        };
        let (silent, texts) = of(&[]);
        assert_eq!(
            silent.into_iter().map(|(name, value)| format!("{name}={}", value.value)).collect::<Vec<_>>(),
            ["max.partition.fetch.bytes=7", "sasl.mechanism=PLAIN"]
        );
        assert_eq!(
            texts,
            [
                "KAFKA_PROPERTIES_SASL_MECHANISMS has no effect beside KAFKA_PROPERTIES_SASL_MECHANISM, which means the same"
            ]
        );
        for name in ["sasl.mechanism", "sasl.mechanisms"] {
            let (beside_the_recipe, texts) = of(&[(name, "GSSAPI")]);
            assert!(
                beside_the_recipe.keys().all(|name| !name.starts_with("sasl")),
                "the recipe wins: {name}"
            );
            assert!(texts.is_empty(), "{texts:?}");
        }
    }

    #[test]
    fn a_callback_keeps_the_name_that_it_has_in_python() {
        let (properties, texts) =
            read([("KAFKA_PROPERTIES_OAUTH_CB", "datahub_actions.utils.kafka_msk_iam:oauth_cb")]);
        assert_eq!(properties["oauth_cb"], "datahub_actions.utils.kafka_msk_iam:oauth_cb");
        assert!(texts.is_empty(), "{texts:?}");
    }

    #[test]
    fn a_user_of_its_own_wins_over_javas_login_line_and_the_recipe_over_both() {
        let line = "PlainLoginModule required username=\"java\" password=\"pw\";";
        let variables = Environment::from([
            ("KAFKA_PROPERTIES_SASL_JAAS_CONFIG", line),
            ("KAFKA_PROPERTIES_SASL_USERNAME", "own"),
        ]);
        let of = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            properties(&variables, &given, &KeyPath::root(), &mut Findings::default())
        };
        let silent = of(&[]);
        assert_eq!(
            (silent["sasl.username"].value.as_str(), silent["sasl.password"].value.as_str()),
            ("own", "pw")
        );
        assert_eq!(silent["sasl.password"].variable, "KAFKA_PROPERTIES_SASL_JAAS_CONFIG");
        assert!(of(&[("sasl.username", "recipe"), ("sasl.password", "recipe")]).is_empty());
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
