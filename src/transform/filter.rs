//! `filter`: lets events fall, after other transforms perhaps. The Python framework's filter transformer
//! is this one without `matching`.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::event::Envelope;
use crate::filter::{
    Arriving, EventTypeFilterConfig, EventTypeSpec, Filters, FiltersConfig, OneOrMany, review_predicate,
    review_predicates,
};
use crate::findings::{Findings, KeyPath};

/// `config` of a transform of type `filter`.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterTransformConfig {
    /// The type of event that matches, or a list of types.
    pub event_type: OneOrMany,
    /// A predicate that must match, or a list of which one must (default: every event of the type matches).
    pub event: Option<Predicates>,
    /// `keep` (default): what does not match falls. `drop`: what matches falls.
    #[serde(default)]
    pub matching: Matching,
}

/// A predicate or a list of predicates.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Predicates {
    /// One.
    One(Map<String, Value>),
    /// Any of these.
    Many(Vec<Map<String, Value>>),
}

/// What is done with an event that matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// It passes, and every other event falls.
    #[default]
    Keep,
    /// It falls, and every other event passes.
    Drop,
}

#[derive(Debug, Clone)]
pub(super) struct FilterTransform {
    wanted: Filters,
    matching: Matching,
}

impl FilterTransformConfig {
    /// See [`super::TransformConfig::review`].
    pub(super) fn review(&self, arriving: &mut Arriving, at: &KeyPath, findings: &mut Findings) {
        let mut noted = Findings::default();
        let names = self.event_type.names();
        self.event_type.review(arriving, &at.key("event_type"), &mut noted);
        let at_event = at.key("event");
        match &self.event {
            None => {}
            Some(Predicates::One(predicate)) => {
                review_predicate(predicate, names, (arriving, &mut noted), &at_event);
            }
            Some(Predicates::Many(predicates)) => {
                review_predicates(Some(predicates), names, (arriving, &mut noted), &at_event);
            }
        }
        let named = |name: &str| names.iter().any(|named| named == name);
        let matches_all = self.event.is_none();
        let passes = |name: &str| match self.matching {
            Matching::Keep => named(name),
            Matching::Drop => !(matches_all && named(name)),
        };
        arriving.narrow(passes, &at.key("event_type"), &mut noted);
        findings.append(noted);
    }

    pub(super) fn compile(&self) -> FilterTransform {
        let predicates = self.event.as_ref().map(|event| match event {
            Predicates::One(predicate) => vec![predicate.clone()],
            Predicates::Many(predicates) => predicates.clone(),
        });
        let spec = EventTypeSpec { event: predicates };
        let names = self.event_type.names().iter();
        let filter: BTreeMap<_, _> = names.map(|name| (name.clone(), Some(spec.clone()))).collect();
        let filters = FiltersConfig(vec![EventTypeFilterConfig { filter }]);
        FilterTransform { wanted: Filters::compile(&filters, None), matching: self.matching }
    }
}

impl FilterTransform {
    pub(super) fn lets_pass(&self, envelope: &Envelope) -> bool {
        self.wanted.matches(envelope) == (self.matching == Matching::Keep)
    }
}

/// Without the predicates: a value may come from a variable.
impl fmt::Debug for FilterTransformConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterTransformConfig")
            .field("event_type", &self.event_type)
            .field("matching", &self.matching)
            .finish_non_exhaustive()
    }
}
