//! Which of a recipe's values are secrets.

use secrecy::ExposeSecret as _;

use crate::avro::{RegistryAuth, RegistrySettings};
use crate::findings::KeyPath;
use crate::kafka::ConsumerSettings;
use crate::redaction::Secrets;
use crate::yaml::{Content, Node};

/// Words in the name of a key that make its value a secret.
const SECRET_WORDS: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "user.info",
    "jaas",
    "key",
    "authorization",
    "cookie",
    "webhook_url",
];

/// Parts of a recipe whose keys are fields of events, not settings.
const ABOUT_EVENTS: [&str; 4] = ["filters", "filter", "transform", "tests"];

/// Where dead letters are kept. Who is told that they cannot be stored has to know where.
const STORES: [&[&str]; 2] = [&["source", "config", "dead_letter_topic"], &["options", "failed_events_dir"]];

/// Whether the value at this path says where dead letters are kept.
pub(super) fn names_a_store(at: &KeyPath) -> bool {
    let at = at.to_string();
    STORES.iter().any(|keys| at == keys.join("."))
}

/// Every value that came from a variable (unless it says where dead letters are kept), stands at a key whose
/// name says that it is a secret, or came from the environment without being named.
pub(super) fn secrets_of(root: &Node, consumer: &ConsumerSettings, registry: &RegistrySettings) -> Secrets {
    let mut secrets = Secrets::default();
    let at = |keys: &[&str]| keys.iter().try_fold(root, |node, key| node.get(key));
    let places = STORES.map(at);
    let is_place = |node: &Node| places.iter().flatten().any(|place| std::ptr::eq(*place, node));
    root.for_each_scalar(&mut |node| {
        let text = node.text().filter(|text| node.from_variable && !matches!(*text, "true" | "false"));
        let text = text.filter(|_| !is_place(node));
        text.into_iter().for_each(|text| secrets.add(text));
    });
    for entry in root.entries().iter().filter(|entry| !ABOUT_EVENTS.contains(&entry.key.as_str())) {
        add_named(&entry.key, &entry.value, &mut secrets);
    }
    for (_, value) in consumer.properties.iter().filter(|(name, _)| is_secret(name)) {
        secrets.add(value);
    }
    match &registry.auth {
        RegistryAuth::None => {}
        RegistryAuth::Basic { user, password } => {
            secrets.add(&format!("{user}:{}", password.expose_secret()));
        }
        RegistryAuth::Bearer(token) => secrets.add(token.expose_secret()),
    }
    secrets
}

/// Adds what stands below keys that are secrets by their name.
fn add_named(key: &str, node: &Node, secrets: &mut Secrets) {
    match &node.content {
        Content::Map(entries) => {
            entries.iter().for_each(|entry| add_named(&entry.key, &entry.value, secrets));
        }
        Content::List(items) => items.iter().for_each(|item| add_named(key, item, secrets)),
        Content::Text(text) if is_secret(key) => secrets.add(text),
        Content::Number(number) if is_secret(key) => secrets.add(&number.to_string()),
        _ => {}
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    // The place of a secret is none, and an error about a file has to name it.
    let is_a_place = key.ends_with("location") || key.ends_with("_file") || key.ends_with("_path");
    !is_a_place && SECRET_WORDS.iter().any(|word| key.contains(word))
}
