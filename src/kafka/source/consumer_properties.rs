//! Which of librdkafka's properties a user may set, and whether librdkafka takes them.

use std::collections::BTreeMap;
use std::fs::File;

use rdkafka::ClientConfig;

use super::config::PropertyValue;
use super::environment_properties::Inherited;
use super::{aliases, property_names};
use crate::findings::{Findings, KeyPath};
use crate::kafka::oauth::OIDC_PROPERTIES;
use crate::redaction::hide;

/// Properties this program owns, with the value it gives them, and why.
const OURS: [(&str, &str, &str); 4] = [
    ("enable.auto.commit", "false", COMMITS),
    ("enable.auto.offset.store", "false", COMMITS),
    ("check.crcs", "true", "because a damaged record must be told as one and not be taken for another event"),
    ("enable.partition.eof", "false", "because a pipeline has no end at which it could do anything"),
];

/// Why the committer alone commits.
const COMMITS: &str = "because offsets are committed once an event is finished";

/// How often librdkafka tells its figures: at least so often as the lag and the watchdog need.
const STATISTICS: (&str, std::ops::RangeInclusive<u32>) = ("statistics.interval.ms", 1..=60_000);

/// Why another interval is not taken.
const TOO_RARE: &str =
    "the lag and /livez need librdkafka's statistics at least every 60000 ms; 5000 ms are used instead";

/// Why a property that counts something is not taken.
const NO_NUMBER: &str =
    "must be a number without a unit: librdkafka would read 10s as 10; the name says the unit";

/// Loads native code into the process.
const REFUSED: &str = "plugin.library.paths";

/// Properties that name a file, which librdkafka would open only once it connects.
const FILES: [&str; 3] = ["ssl.certificate.location", "ssl.key.location", "ssl.keystore.location"];

/// Properties whose value is a secret and may be given by `PROPERTY_file`: what librdkafka itself calls
/// sensitive, apart from paths.
pub(super) const SECRET_PROPERTIES: [&str; 10] = [
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.password",
    "sasl.username",
    "ssl.ca.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Whether a property's value is a secret.
pub fn is_secret_property(name: &str) -> bool {
    SECRET_PROPERTIES.contains(&name)
}

/// What to say where this lets a broker be somebody else.
fn unverified(name: &str, value: &str) -> Option<&'static str> {
    match (name, value.trim().to_lowercase().as_str()) {
        ("enable.ssl.certificate.verification", "false" | "0" | "f") => {
            Some("certificates are not verified: name the authority in ssl.ca.location instead")
        }
        ("ssl.endpoint.identification.algorithm", "none") => {
            Some("a certificate may be of another host: give brokers certificates of their own names instead")
        }
        _ => None,
    }
}

/// What the recipe gives under `consumer_config`, without empty values and without ours. Everything
/// that librdkafka does not take is an error at its key.
pub(super) fn of_recipe(
    given: &BTreeMap<String, PropertyValue>,
    at: &KeyPath,
    findings: &mut Findings,
) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for (name, value) in given {
        let at = at.key(name);
        let Some(value) = value.text() else { continue };
        if let Some((_, ours, why)) = OURS.iter().find(|(owned, ..)| owned == name) {
            if value != *ours {
                findings.warning(&at, format!("has no effect: it is always {ours} here, {why}"));
            }
        } else if name == REFUSED {
            findings.error(&at, "loads native code into this process, which is not allowed; remove the key");
        } else if is_too_rare(name, &value) {
            findings.warning(&at, format!("has no effect: {TOO_RARE}"));
        } else if is_ours_to_read(name) {
            properties.insert(name.clone(), value);
        } else if is_no_number(name, &value) {
            findings.error(&at, NO_NUMBER);
        } else if let Some(refusal) = refusal(name, &value) {
            let remedy = property_names::remedy(name, &refusal).map(|remedy| format!("; {remedy}"));
            let remedy = remedy.unwrap_or_default();
            findings.error(&at, format!("librdkafka does not take it: {refusal}{remedy}"));
        } else {
            if let Some(text) = unverified(name, &value) {
                findings.warning(&at, text);
            }
            if let Some(error) = FILES.contains(&name.as_str()).then(|| File::open(&value).err()).flatten() {
                findings.error(&at, format!("{value} cannot be read: {error}"));
            }
            properties.insert(name.clone(), value);
        }
    }
    for (name, other) in aliases::without_doubles(&mut properties) {
        findings.error(&at.key(other), format!("{name} means the same; remove one of the two"));
    }
    properties
}

/// Leaves out what librdkafka does not take, with a warning: the environment may hold variables that
/// are meant for another client.
pub(super) fn of_environment(
    given: BTreeMap<String, Inherited>,
    at: &KeyPath,
    findings: &mut Findings,
) -> BTreeMap<String, Inherited> {
    let mut ours = Vec::new();
    let taken = given
        .into_iter()
        .filter(|(name, Inherited { variable, value })| {
            let owned = OURS.iter().find(|(owned, ..)| owned == name);
            if owned.is_some() || name == REFUSED {
                if owned.is_none_or(|(_, always, _)| value != always) {
                    ours.push(variable.clone());
                }
                return false;
            }
            if is_too_rare(name, value) {
                findings.warning(at, format!("{variable} has no effect: {TOO_RARE}"));
                return false;
            }
            if is_ours_to_read(name) {
                return true;
            }
            if let Some(text) = unverified(name, value) {
                findings.warning(at, format!("{variable}: {text}"));
            }
            if is_no_number(name, value) {
                findings.warning(at, format!("{variable} has no effect: it {NO_NUMBER}"));
                return false;
            }
            let refusal = refusal(name, value);
            if let Some(refusal) = &refusal {
                // What comes from a variable is not shown, secret or not.
                let refusal = hide(refusal, value);
                let text = format!("{variable} has no effect, librdkafka does not take it: {refusal}");
                findings.warning(at, text);
            }
            refusal.is_none()
        })
        .collect();
    if !ours.is_empty() {
        findings.warning(at, format!("{}: this program decides it, no effect here", ours.join(", ")));
    }
    taken
}

/// The variable that sets a property.
pub(super) fn variable_of(property: &str) -> String {
    format!("KAFKA_PROPERTIES_{}", property.to_uppercase().replace('.', "_"))
}

/// Whether this turns off, in effect, what is made of librdkafka's statistics. What is no number is librdkafka's
/// to refuse.
fn is_too_rare(name: &str, value: &str) -> bool {
    let (statistics, often_enough) = STATISTICS;
    name == statistics && value.trim().parse().is_ok_and(|ms| !often_enough.contains(&ms))
}

/// Whether this is a number by its name and none by its value. librdkafka takes `10s` for 10 without a word, and
/// what follows is refused by brokers, if by anybody.
fn is_no_number(name: &str, value: &str) -> bool {
    [".ms", ".bytes", ".kbytes", ".seconds"].iter().any(|unit| name.ends_with(unit))
        && value.trim().parse::<f64>().is_err()
}

/// What librdkafka is never given: it says where tokens come from.
fn is_ours_to_read(name: &str) -> bool {
    name == "oauth_cb" || OIDC_PROPERTIES.contains(&name)
}

/// librdkafka's own words about a property that it does not take, without the value of a secret.
fn refusal(name: &str, value: &str) -> Option<String> {
    let error = ClientConfig::new().set(name, value).create_native_config().err()?;
    let words = match error {
        rdkafka::error::KafkaError::ClientConfig(_, words, _, _) => words,
        other => other.to_string(),
    };
    // Some of its texts end in a line feed, some in a full stop.
    let words = words.trim().trim_end_matches('.');
    Some(if is_secret_property(name) { hide(words, value) } else { words.to_owned() })
}
