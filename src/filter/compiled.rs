//! A pipeline's filters, compiled once.

use std::fmt;

use serde_json::{Map, Value};

use super::config::{FilterConfig, FiltersConfig};
use super::predicate::Predicate;
use crate::event::{Envelope, EventType};

/// All filters of a recipe: an event reaches the action if every one lets it pass.
#[derive(Clone, Default)]
pub struct Filters(Box<[Filter]>);

/// One filter: what it wants of each type of event.
#[derive(Clone)]
pub(super) struct Filter([Wanted; EventType::ALL.len()]);

/// What a filter wants of one type of event.
#[derive(Clone)]
pub(super) enum Wanted {
    /// All of them.
    Everything,
    /// Those that one of the predicates matches; nothing, if there are none.
    AnyOf(Box<[Predicate]>),
}

impl Filters {
    /// Compiles what a recipe says under `filters` and under `filter`.
    pub fn compile(filters: &FiltersConfig, filter: Option<&FilterConfig>) -> Self {
        let of_type = filters.0.iter().map(|filter| {
            Filter::compile(|event_type| {
                let spec = filter.filter.get(event_type)?;
                Some(match spec.as_ref().and_then(|spec| spec.event.as_deref()) {
                    None => Wanted::Everything,
                    Some(predicates) => Wanted::any_of(predicates),
                })
            })
        });
        let older = filter.map(|filter| {
            Filter::compile(|event_type| {
                if filter.event_type.names().iter().all(|name| name != event_type) {
                    return None;
                }
                Some(match &filter.event {
                    None => Wanted::Everything,
                    Some(predicate) => Wanted::any_of(std::slice::from_ref(predicate)),
                })
            })
        });
        Self(of_type.chain(older).collect())
    }

    /// Whether the event passes all filters.
    pub fn matches(&self, envelope: &Envelope) -> bool {
        self.0.iter().all(|filter| match filter.wanted(envelope.event_type) {
            Wanted::Everything => true,
            Wanted::AnyOf(predicates) => {
                predicates.iter().any(|predicate| predicate.matches(|name| envelope.event.field(name)))
            }
        })
    }

    pub(super) fn all(&self) -> &[Filter] {
        &self.0
    }
}

impl Filter {
    fn compile(wanted: impl Fn(&str) -> Option<Wanted>) -> Self {
        Self(EventType::ALL.map(|event_type| wanted(event_type.as_str()).unwrap_or_else(Wanted::nothing)))
    }

    pub(super) fn wanted(&self, event_type: EventType) -> &Wanted {
        let [change_log, entity_change, relationship_change] = &self.0;
        match event_type {
            EventType::MetadataChangeLog => change_log,
            EventType::EntityChange => entity_change,
            EventType::RelationshipChange => relationship_change,
        }
    }
}

impl Wanted {
    fn nothing() -> Self {
        Self::AnyOf(Box::default())
    }

    fn any_of(predicates: &[Map<String, Value>]) -> Self {
        Self::AnyOf(predicates.iter().map(Predicate::compile).collect())
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::AnyOf(predicates) if predicates.is_empty())
    }
}

/// How many there are, not what they compare with: a value may come from a variable.
impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters").field("filters", &self.0.len()).finish_non_exhaustive()
    }
}
