//! What a recipe says about filters.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

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

impl OneOrMany {
    /// All names.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
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
