//! Which of a recipe's values are secrets.
//!
//! The schema says it: a key that it marks (`x-secret`, `x-secret-keys`) is noted while it is read, however it
//! is given. Beside those there are values that came from variables, and what hides in URLs.

use secrecy::ExposeSecret as _;

use crate::avro::{RegistryAuth, RegistrySettings};
use crate::findings::{Findings, KeyPath};
use crate::redaction::Secrets;
use crate::yaml::Node;

/// Where dead letters are kept. Who is told that they cannot be stored has to know where.
const STORES: [&[&str]; 2] = [&["source", "config", "dead_letter_topic"], &["options", "failed_events_dir"]];

/// Whether the value at this path says where dead letters are kept.
pub(super) fn names_a_store(at: &KeyPath) -> bool {
    let at = at.to_string();
    STORES.iter().any(|keys| at == keys.join("."))
}

/// Every value that came from a variable (unless it says where dead letters are kept), was noted as a secret, or
/// came from the environment without being named.
pub(super) fn secrets_of(root: &Node, registry: &RegistrySettings, findings: &Findings) -> Secrets {
    let mut secrets = Secrets::default();
    let at = |keys: &[&str]| keys.iter().try_fold(root, |node, key| node.get(key));
    let places = STORES.map(at);
    let is_place = |node: &Node| places.iter().flatten().any(|place| std::ptr::eq(*place, node));
    root.for_each_scalar(&mut |node| {
        let text = node.text().filter(|text| node.from_variable && !matches!(*text, "true" | "false"));
        let text = text.filter(|_| !is_place(node));
        text.into_iter().for_each(|text| secrets.add(text));
    });
    findings.secrets().iter().for_each(|secret| secrets.add(secret.expose_secret()));
    match &registry.auth {
        RegistryAuth::None => {}
        RegistryAuth::Basic { user, password } => {
            secrets.add(&format!("{user}:{}", password.expose_secret()));
        }
        RegistryAuth::Bearer(token) => secrets.add(token.expose_secret()),
    }
    if let Some(proxy) = &registry.proxy {
        secrets.add(proxy.expose_secret());
    }
    secrets
}
