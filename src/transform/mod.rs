//! What is changed about an event between the filters and the action.
//!
//! A recipe's `transform` is a list; each takes what the one before it made. One may let an event fall
//! (`filter`), leave out fields (`project`) or add some (`enrich`). All of them see and change what stands
//! below `event`; `event_type` and `meta` are never touched. Compiled once, and the same for every event,
//! so none is tried twice.

mod concerned;
mod enrich;
mod filter;
mod path;
mod project;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::event::{Envelope, Event};
use crate::filter::Arriving;
use crate::findings::{Findings, KeyPath};

pub use enrich::EnrichConfig;
pub use filter::{FilterTransformConfig, Matching, Predicates};
pub use project::ProjectConfig;

use enrich::Enrich;
use filter::FilterTransform;
use project::Project;

/// One transform as a recipe describes it.
#[derive(Debug, Clone, PartialEq)]
pub enum TransformConfig {
    /// Lets events fall.
    Filter(FilterTransformConfig),
    /// Leaves out fields.
    Project(ProjectConfig),
    /// Adds fields.
    Enrich(EnrichConfig),
}

/// A recipe's transforms, compiled.
#[derive(Debug, Clone, Default)]
pub struct Transforms(Vec<Transform>);

#[derive(Debug, Clone)]
enum Transform {
    Filter(FilterTransform),
    Project(Project),
    Enrich(Enrich),
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Transformed {
    /// It is what it was.
    Unchanged,
    /// It is another one now.
    Changed(Box<Envelope>),
    /// The transform at this place of the list, from 0, let it fall.
    Dropped(usize),
}

/// Why an event could not be transformed. Another attempt would fail in the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// The path leads through something that has no fields.
    #[error("transform[{index}] (enrich) cannot set `{path}`: {found} stands in its way, not a map")]
    NotAMap {
        /// Which transform of the list, from 0.
        index: usize,
        /// The whole path, as the recipe has it.
        path: String,
        /// What is there instead, by its kind: its value may be confidential.
        found: &'static str,
    },
}

impl TransformError {
    /// A short name of the kind of error, stable over versions.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::NotAMap { .. } => "not_a_map",
        }
    }
}

impl TransformConfig {
    /// Warns of types and fields that no event has, and of what matches nothing. `arriving` is what comes to
    /// the transform, and then what it hands on; `at` is the path of its `config`.
    pub fn review(&self, arriving: &mut Arriving, at: &KeyPath, findings: &mut Findings) {
        match self {
            Self::Filter(config) => config.review(arriving, at, findings),
            Self::Project(config) => config.review(arriving, at, findings),
            Self::Enrich(config) => config.review(arriving, at, findings),
        }
    }

    /// Compiles one transform; `at` is the path of its `config`. `None` if there was an error.
    fn compile(&self, at: &KeyPath, findings: &mut Findings) -> Option<Transform> {
        match self {
            Self::Filter(config) => Some(Transform::Filter(config.compile())),
            Self::Project(config) => config.compile(at, findings).map(Transform::Project),
            Self::Enrich(config) => config.compile(at, findings).map(Transform::Enrich),
        }
    }
}

impl Transforms {
    /// Adds a transform behind those that are there; `at` is the path of its `config`.
    pub fn push(&mut self, config: &TransformConfig, at: &KeyPath, findings: &mut Findings) {
        self.0.extend(config.compile(at, findings));
    }

    /// Takes an event through all transforms. The event itself stays as it is, for its dead letter.
    ///
    /// # Errors
    /// The first transform that cannot do what it is there for.
    pub fn apply(&self, envelope: &Envelope) -> Result<Transformed, TransformError> {
        let mut changed: Option<Box<Envelope>> = None;
        for (index, transform) in self.0.iter().enumerate() {
            let current = changed.as_deref().unwrap_or(envelope);
            match transform {
                Transform::Filter(filter) if filter.lets_pass(current) => {}
                Transform::Filter(_) => return Ok(Transformed::Dropped(index)),
                Transform::Project(project) if project.concerns(&current.event_type) => {
                    project.apply(object_in(&mut changed, envelope));
                }
                Transform::Enrich(enrich) if enrich.concerns(&current.event_type) => {
                    enrich.apply(object_in(&mut changed, envelope)).map_err(|not_a_map| {
                        let enrich::NotAMap { path, found } = not_a_map;
                        TransformError::NotAMap { index, path, found }
                    })?;
                }
                Transform::Project(_) | Transform::Enrich(_) => {}
            }
        }
        Ok(changed.map_or(Transformed::Unchanged, Transformed::Changed))
    }
}

/// The event's JSON, to be changed: a copy of the original before the first change.
fn object_in<'c>(changed: &'c mut Option<Box<Envelope>>, original: &Envelope) -> &'c mut Map<String, Value> {
    let envelope = changed.get_or_insert_with(|| {
        let Envelope { event_type, event, position, details } = original;
        Box::new(Envelope {
            event_type: event_type.clone(),
            event: Event::Object(event.to_object()),
            position: position.clone(),
            details: details.clone(),
        })
    });
    envelope.event.make_object()
}
