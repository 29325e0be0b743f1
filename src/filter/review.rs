//! What is worth a word about a filter that is right: it matches less than its author means.

use serde_json::{Map, Value};

use super::arriving::Arriving;
use super::config::{EventTypeFilterConfig, FilterConfig, OneOrMany};
use super::letter_case::review_letter_case;
use crate::findings::{Findings, KeyPath};

impl EventTypeFilterConfig {
    /// Warns of types and fields that no event has, and of what matches nothing. `arriving` is what comes
    /// to the filter, and then what passes it; `at` is the path of its `config`.
    pub fn review(&self, arriving: &mut Arriving, at: &KeyPath, findings: &mut Findings) {
        let at = at.key("filter");
        let mut noted = Findings::default();
        if self.filter.is_empty() {
            noted.warning(
                &at,
                "names no type of event, so nothing passes; name one, such as EntityChangeEvent_v1",
            );
        }
        for name in self.filter.keys() {
            arriving.review_type(name, &at.key(name), &mut noted);
        }
        for (name, spec) in &self.filter {
            let predicates = spec.as_ref().and_then(|spec| spec.event.as_deref());
            let names = std::slice::from_ref(name);
            review_predicates(predicates, names, (arriving, &mut noted), &at.key(name).key("event"));
        }
        let passes = |name: &str| match self.filter.get(name) {
            None => false,
            Some(spec) => {
                spec.as_ref().and_then(|spec| spec.event.as_ref()).is_none_or(|some| !some.is_empty())
            }
        };
        arriving.narrow(passes, &at, &mut noted);
        findings.append(noted);
    }
}

impl FilterConfig {
    /// As [`EventTypeFilterConfig::review`]; `at` is the path of `filter`.
    pub fn review(&self, arriving: &mut Arriving, at: &KeyPath, findings: &mut Findings) {
        let mut noted = Findings::default();
        self.event_type.review(arriving, &at.key("event_type"), &mut noted);
        if let Some(predicate) = &self.event {
            review_predicate(predicate, self.event_type.names(), (arriving, &mut noted), &at.key("event"));
        }
        let passes = |name: &str| self.event_type.names().iter().any(|passing| passing == name);
        arriving.narrow(passes, &at.key("event_type"), &mut noted);
        findings.append(noted);
    }
}

impl OneOrMany {
    /// Warns of names that are of no type of event which the recipe reads, and if there is none; `at` is
    /// the key's path.
    pub(crate) fn review(&self, arriving: &Arriving, at: &KeyPath, findings: &mut Findings) {
        if self.names().is_empty() {
            let text =
                "names no type of event, so this matches nothing; name one, such as EntityChangeEvent_v1";
            findings.warning(at, text);
        }
        for name in self.names() {
            arriving.review_type(name, at, findings);
        }
    }
}

/// A list of predicates, of which one must match; none where every event matches.
pub(crate) fn review_predicates(
    predicates: Option<&[Map<String, Value>]>,
    names: &[String],
    (arriving, findings): (&Arriving, &mut Findings),
    at: &KeyPath,
) {
    if predicates.is_some_and(<[_]>::is_empty) {
        findings.warning(
            at,
            "an empty list matches nothing; write a predicate, or remove the key to match every event",
        );
    }
    for (index, predicate) in predicates.unwrap_or_default().iter().enumerate() {
        review_predicate(predicate, names, (arriving, findings), &at.index(index));
    }
}

/// A predicate on events of the types `names`.
pub(crate) fn review_predicate(
    predicate: &Map<String, Value>,
    names: &[String],
    (arriving, findings): (&Arriving, &mut Findings),
    at: &KeyPath,
) {
    if let Some(level) = arriving.level(Some(names)) {
        level.review_predicate(predicate, at, findings);
        review_letter_case(predicate, at, findings);
    }
    review_lists(predicate, at, findings);
}

/// Warns of lists of which an item, or all, can equal nothing. What stands there is not shown: it may be
/// a secret.
fn review_lists(predicate: &Map<String, Value>, at: &KeyPath, findings: &mut Findings) {
    for (key, value) in predicate {
        let at = at.key(key);
        match value {
            Value::Array(items) if items.is_empty() => {
                findings.warning(&at, "an empty list matches nothing; name the texts that match");
            }
            Value::Array(items) => {
                for (index, _) in items.iter().enumerate().filter(|(_, item)| !item.is_string()) {
                    findings.warning(
                        &at.index(index),
                        "matches nothing: of a list only texts match; put it in quotes if it is text in the event, or give it a predicate of its own",
                    );
                }
            }
            Value::Object(below) => review_lists(below, &at, findings),
            _ => {}
        }
    }
}
