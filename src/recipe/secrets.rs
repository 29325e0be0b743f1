//! Which of a recipe's values are secrets.
//!
//! The schema says it: a key that it marks (`x-secret`, `x-secret-keys`) is noted while it is read, however it
//! is given. Beside those there are values that came from variables, and what hides in URLs.

use secrecy::ExposeSecret as _;
use url::Url;

use crate::avro::{RegistryAuth, RegistrySettings};
use crate::datahub::{DatahubAuth, DatahubSettings};
use crate::findings::{Findings, KeyPath};
use crate::kafka::{ConsumerSettings, is_secret_property};
use crate::redaction::Secrets;
use crate::yaml::{Content, Node};

/// Keys whose values stand in metrics, in records' positions and at the brokers, so that hiding them in the
/// log would hide nothing but what the log is about; and where dead letters are kept, which whoever is told
/// that they cannot be stored has to know.
const PUBLIC: [&str; 10] = [
    "name",
    "source.type",
    "source.config.connection.bootstrap",
    "source.config.connection.consumer_config[\"bootstrap.servers\"]",
    "source.config.connection.consumer_config[\"group.id\"]",
    "source.config.connection.schema_registry_url",
    "source.config.topic",
    "source.config.dead_letter_topic",
    "action.type",
    "options.failed_events_dir",
];

/// Every value that was noted as a secret, or came from a variable and is not public: see [`PUBLIC`].
pub(super) fn secrets_of(root: &Node, findings: &Findings) -> Secrets {
    let mut secrets = Secrets::default();
    let mut public = Vec::new();
    add_from_variables(root, &KeyPath::root(), &mut public, &mut secrets);
    // Of a value that was made of several parts, each is one.
    for value in findings.values_of_variables().map(|value| value.expose_secret()) {
        if !public.iter().any(|text| text.contains(value)) {
            secrets.add(value);
        }
    }
    findings.secrets().for_each(|value| secrets.add(value.expose_secret()));
    secrets
}

/// What is a secret of the way to Kafka and to the registry, wherever it was given.
pub fn secrets_of_connection(consumer: &ConsumerSettings, registry: &RegistrySettings) -> Secrets {
    let mut secrets = Secrets::default();
    for (_, value) in consumer.properties.iter().filter(|(name, _)| is_secret_property(name)) {
        secrets.add(value);
    }
    match &registry.auth {
        RegistryAuth::None => {}
        RegistryAuth::Basic { user, password } => {
            secrets.add_login(user, password.expose_secret());
        }
        RegistryAuth::Bearer(token) => secrets.add(token.expose_secret()),
    }
    for value in [&registry.key_password, &registry.proxy].into_iter().flatten() {
        secrets.add(value.expose_secret());
    }
    secrets
}

/// Adds what is a secret of the way to DataHub's own API, wherever it was given.
pub(super) fn add_datahub(datahub: &DatahubSettings, secrets: &mut Secrets) {
    match &datahub.auth {
        DatahubAuth::None => {}
        DatahubAuth::Token(token) => secrets.add(token.expose_secret()),
        DatahubAuth::SystemClient { secret, .. } => secrets.add(secret.expose_secret()),
    }
    datahub.extra_headers.iter().for_each(|(_, value)| secrets.add(value.expose_secret()));
}

/// Adds what came from variables, apart from what is public, which is gathered.
fn add_from_variables<'a>(node: &'a Node, at: &KeyPath, public: &mut Vec<&'a str>, secrets: &mut Secrets) {
    match &node.content {
        Content::Map(entries) => {
            for entry in entries {
                add_from_variables(&entry.value, &at.key(&entry.key), public, secrets);
            }
        }
        Content::List(items) => {
            for (index, item) in items.iter().enumerate() {
                add_from_variables(item, &at.index(index), public, secrets);
            }
        }
        Content::Text(text) if node.from_variable && !matches!(text.as_str(), "true" | "false") => {
            if is_public(at, text) {
                public.push(text)
            } else {
                secrets.add(text)
            }
        }
        _ => {}
    }
}

fn is_public(at: &KeyPath, text: &str) -> bool {
    let at = at.to_string();
    // Topics may be a list, and routes are a map.
    let is_topic = at.starts_with("source.config.topics") || at.starts_with("source.config.topic_routes.");
    // A URL may hold a password.
    let holds_a_login =
        || text.split(',').any(|part| Url::parse(part).is_ok_and(|url| !url.username().is_empty()));
    (is_topic || PUBLIC.contains(&at.as_str())) && !holds_a_login()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml::Document;

    fn redacted(recipe: &str, text: &str) -> String {
        let mut document = Document::parse(Path::new("r.yml"), recipe).unwrap();
        let environment = crate::environment::Environment::from([
            ("NAME", "governance"),
            ("BROKERS", "broker-1:9092"),
            ("TOPIC", "prod.events"),
            ("REGISTRY", "http://registry:8081/api"),
            ("OWN_REGISTRY", "http://me:c4n4ry@registry:8081/api"),
            ("PLACE", "/secret/place"),
        ]);
        let mut findings = Findings::default();
        crate::recipe::variables::expand_all(
            &mut document.root,
            &KeyPath::root(),
            &environment,
            &mut findings,
        );
        secrets_of(&document.root, &findings).redact(text).into_owned()
    }

    #[test]
    fn what_a_variable_holds_is_a_secret_unless_metrics_and_brokers_show_it_anyway() {
        let recipe = "name: ${NAME}\nsource: {type: kafka, config: {topic_routes: {mcl: \"a-${TOPIC}\"}, \
            connection: {bootstrap: \"${BROKERS}\", schema_registry_url: \"${REGISTRY}\"}}}\n\
            action: {type: file, config: {path: \"${PLACE}/x\"}}\n";
        let text = "governance reads a-prod.events of broker-1:9092 and http://registry:8081/api";
        assert_eq!(redacted(recipe, text), text);
        assert_eq!(redacted(recipe, "cannot write /secret/place/x"), "cannot write …");
        let recipe = "source: {config: {connection: {schema_registry_url: \"${OWN_REGISTRY}\"}}}\n";
        assert_eq!(
            redacted(recipe, "no c4n4ry for http://registry:8081/api"),
            "no … for http://registry:8081/api"
        );
    }
}
