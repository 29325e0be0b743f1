//! What a recipe says about filters.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::event::{EventType, KnownFields};
use crate::findings::{Findings, KeyPath, nearest, suggestion};

/// `filters`: every one of them must let an event pass.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct FiltersConfig(pub Vec<EventTypeFilterConfig>);

/// `config` of a filter of type `event_type`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTypeFilterConfig {
    /// What is wanted of each type of event. A type that is not named is dropped; one that is named
    /// with nothing below it passes as a whole.
    pub filter: BTreeMap<String, Option<EventTypeSpec>>,
}

/// What is wanted of one type of event.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTypeSpec {
    /// Predicates, of which one must match. Without the key every event of the type passes; an empty
    /// list lets none pass.
    pub event: Option<Vec<Map<String, Value>>>,
}

/// `filter`, the older style.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// The type of event that passes, or a list of types.
    pub event_type: OneOrMany,
    /// A predicate that must match.
    pub event: Option<Map<String, Value>>,
}

/// A name or a list of names.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any of these.
    Many(Vec<String>),
}

impl EventTypeFilterConfig {
    /// Warns of types that no event has. `event_types` are those of the topics that the recipe reads.
    pub fn review(&self, event_types: &[EventType], at: &KeyPath, findings: &mut Findings) {
        for name in self.filter.keys() {
            review_event_type(name, event_types, &at.key("filter").key(name), findings);
        }
        for (name, spec) in &self.filter {
            let at = at.key("filter").key(name).key("event");
            let predicates = spec.as_ref().and_then(|spec| spec.event.as_deref()).unwrap_or_default();
            for (index, predicate) in predicates.iter().enumerate() {
                review_fields(std::slice::from_ref(name), predicate, &at.index(index), findings);
            }
        }
    }
}

impl FilterConfig {
    /// Warns of types that no event has. `event_types` are those of the topics that the recipe reads.
    pub fn review(&self, event_types: &[EventType], at: &KeyPath, findings: &mut Findings) {
        self.event_type.review(event_types, &at.key("event_type"), findings);
        if let Some(predicate) = &self.event {
            review_fields(self.event_type.names(), predicate, &at.key("event"), findings);
        }
    }
}

impl OneOrMany {
    /// Warns of names that are of no type of event among `event_types`; `at` is the key's path.
    pub fn review(&self, event_types: &[EventType], at: &KeyPath, findings: &mut Findings) {
        for name in self.names() {
            review_event_type(name, event_types, at, findings);
        }
    }

    /// All names.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// Warns of fields that no event of these types has: what looks at one matches nothing.
fn review_fields(types: &[String], predicate: &Map<String, Value>, at: &KeyPath, findings: &mut Findings) {
    let known: Option<Vec<&KnownFields>> =
        types.iter().map(|name| EventType::standard(name)?.known_fields()).collect();
    let Some(known) = known.filter(|known| !known.is_empty()) else { return };
    let complete = known.iter().all(|fields| fields.complete);
    let names: Vec<&str> = known.iter().flat_map(|fields| &fields.names).map(String::as_str).collect();
    for field in predicate.keys().filter(|field| !names.contains(&field.as_str())) {
        // Where events may have other fields too, only what looks like a slip is worth a word.
        if complete || nearest(field, &names).is_some() {
            let suggestion = suggestion(field, &names);
            let text =
                format!("no event of this type has such a field, so this matches nothing; {suggestion}");
            findings.warning(&at.key(field), text);
        }
    }
}

fn review_event_type(name: &str, event_types: &[EventType], at: &KeyPath, findings: &mut Findings) {
    if event_types.iter().any(|event_type| event_type.as_str() == name) {
        return;
    }
    let remedy = match EventType::standard(name) {
        Some(EventType::PlatformEvent) => "set source.config.platform_events to all",
        Some(EventType::MetadataChangeProposal) => "name its topic under source.config.topic_routes.mcp",
        Some(EventType::FailedMetadataChangeProposal) => {
            "name its topic under source.config.topic_routes.fmcp"
        }
        // A recipe may read a part of the standard topics with a filter for all of them.
        Some(_) => return,
        None => {
            let known: Vec<&str> = event_types.iter().map(EventType::as_str).collect();
            let known = known.join(", ");
            findings.warning(
                at,
                format!("no event has the type \"{name}\", so this matches nothing; types are {known}"),
            );
            return;
        }
    };
    findings.warning(at, format!("no event of this type is read, so this matches nothing; {remedy}"));
}

/// Which fields are looked at, not what they are compared with: a value may come from a variable.
impl fmt::Debug for EventTypeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Option<Vec<Vec<&String>>> = self
            .event
            .as_ref()
            .map(|predicates| predicates.iter().map(|predicate| predicate.keys().collect()).collect());
        f.debug_struct("EventTypeSpec").field("event", &fields).finish()
    }
}

/// As for [`EventTypeSpec`].
impl fmt::Debug for FilterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Option<Vec<&String>> = self.event.as_ref().map(|predicate| predicate.keys().collect());
        f.debug_struct("FilterConfig").field("event_type", &self.event_type).field("event", &fields).finish()
    }
}
