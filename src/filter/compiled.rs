//! A pipeline's filters, compiled once.

use std::fmt;

use serde_json::{Map, Value};

use super::config::{FilterConfig, FiltersConfig};
use super::place::FilterPlace;
use super::predicate::Predicate;
use crate::event::{Envelope, EventType};

/// All filters of a recipe: an event reaches the action if every one lets it pass.
#[derive(Clone, Default)]
pub struct Filters(Box<[Filter]>);

/// One filter: what it wants of each type of event.
#[derive(Clone)]
pub(super) struct Filter {
    /// Where it stands in the recipe.
    pub(super) place: FilterPlace,
    /// Of the types in [`EventType::STANDARD`], in their order.
    standard: [Wanted; EventType::STANDARD.len()],
    /// Of types that a recipe has given names to; one that is not here is not wanted.
    other: Box<[(Box<str>, Wanted)]>,
}

/// What a filter wants of one type of event.
#[derive(Clone)]
pub(super) enum Wanted {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// Those that one of the predicates matches, of which there is at least one.
    AnyOf(Box<[Predicate]>),
}

impl Filters {
    /// Compiles what a recipe says under `filters` and under `filter`.
    pub fn compile(filters: &FiltersConfig, filter: Option<&FilterConfig>) -> Self {
        let of_type = filters.0.iter().enumerate().map(|(index, filter)| {
            Filter::compile(FilterPlace::Filters(index), filter.filter.keys(), |event_type| {
                let spec = filter.filter.get(event_type)?;
                Some(match spec.as_ref().and_then(|spec| spec.event.as_deref()) {
                    None => Wanted::Everything,
                    Some(predicates) => Wanted::any_of(predicates),
                })
            })
        });
        Self(of_type.chain(filter.map(Filter::of_older_style)).collect())
    }

    /// Whether the event passes all filters.
    pub fn matches(&self, envelope: &Envelope) -> bool {
        self.rejecting(envelope).is_none()
    }

    /// The first filter that does not let the event pass.
    #[inline]
    pub fn rejecting(&self, envelope: &Envelope) -> Option<FilterPlace> {
        let rejecting = self.0.iter().find(|filter| match filter.wanted(&envelope.event_type) {
            Wanted::Nothing => true,
            Wanted::Everything => false,
            Wanted::AnyOf(predicates) => {
                !predicates.iter().any(|predicate| predicate.matches(|name| envelope.event.field(name)))
            }
        });
        rejecting.map(|filter| filter.place)
    }

    pub(super) fn all(&self) -> &[Filter] {
        &self.0
    }
}

impl Filter {
    /// `names` are the types that the filter names, `wanted` what it says of each.
    fn compile<'n>(
        place: FilterPlace,
        names: impl IntoIterator<Item = &'n String>,
        wanted: impl Fn(&str) -> Option<Wanted>,
    ) -> Self {
        let of_other = |name: &String| {
            let is_standard = EventType::standard(name).is_some();
            (!is_standard).then(|| Some((name.as_str().into(), wanted(name)?)))?
        };
        Self {
            place,
            standard: EventType::STANDARD
                .map(|event_type| wanted(event_type.as_str()).unwrap_or(Wanted::Nothing)),
            other: names.into_iter().filter_map(of_other).collect(),
        }
    }

    fn of_older_style(filter: &FilterConfig) -> Self {
        let names = filter.event_type.names();
        Self::compile(FilterPlace::Filter, names, |event_type| {
            names.iter().any(|name| name == event_type).then(|| match &filter.event {
                None => Wanted::Everything,
                Some(predicate) => Wanted::any_of(std::slice::from_ref(predicate)),
            })
        })
    }

    #[inline]
    pub(super) fn wanted(&self, event_type: &EventType) -> &Wanted {
        if let Some(index) = event_type.standard_index() {
            return &self.standard[index];
        }
        let name = event_type.as_str();
        self.other.iter().find(|(other, _)| **other == *name).map_or(&Wanted::Nothing, |(_, wanted)| wanted)
    }
}

impl Wanted {
    fn any_of(predicates: &[Map<String, Value>]) -> Self {
        match predicates {
            [] => Self::Nothing,
            _ => Self::AnyOf(predicates.iter().map(Predicate::compile).collect()),
        }
    }
}

/// How many there are, not what they compare with: a value may come from a variable.
impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters").field("filters", &self.0.len()).finish_non_exhaustive()
    }
}
