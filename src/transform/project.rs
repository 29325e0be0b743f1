//! `project`: leaves out fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::concerned::Concerned;
use super::path::{FieldPath, remove, within_json};
use crate::event::{EventType, KnownFields};
use crate::filter::{Arriving, OneOrMany};
use crate::findings::{Findings, KeyPath};

/// `config` of a transform of type `project`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectConfig {
    /// Paths of the fields that stay; all others go.
    pub keep: Option<Vec<String>>,
    /// Paths of the fields that go; all others stay.
    pub drop: Option<Vec<String>>,
    /// The type of event that is changed, or a list of types (default: all).
    pub event_type: Option<OneOrMany>,
}

#[derive(Debug, Clone)]
pub(super) struct Project {
    concerned: Concerned,
    fields: Fields,
}

#[derive(Debug, Clone)]
enum Fields {
    Keep(Kept),
    Drop(Vec<FieldPath>),
}

/// What stays below a field.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// Everything.
    whole: bool,
    below: BTreeMap<String, Kept>,
}

impl ProjectConfig {
    /// See [`super::TransformConfig::review`].
    pub(super) fn review(&self, arriving: &mut Arriving, at: &KeyPath, findings: &mut Findings) {
        let names = self.event_type.as_ref().map(OneOrMany::names);
        if let Some(event_type) = &self.event_type {
            event_type.review(arriving, &at.key("event_type"), findings);
        }
        let (key, written) = match (&self.keep, &self.drop) {
            (Some(keep), None) => ("keep", keep),
            (None, Some(drop)) => ("drop", drop),
            // An error of its own.
            _ => return,
        };
        let at = at.key(key);
        let parsed = |(index, path): (usize, &String)| {
            // What is no path has been found before.
            Some((index, FieldPath::parse(path, &at, &mut Findings::default())?))
        };
        let paths: Vec<(usize, FieldPath)> = written.iter().enumerate().filter_map(parsed).collect();
        if let Some(level) = arriving.level(names) {
            for (index, path) in &paths {
                level.clone().review_path(path.keys(), &at.index(*index), findings);
            }
        }
        let paths: Vec<&[String]> = paths.iter().map(|(_, path)| path.keys()).collect();
        arriving.change(names, |fields| match key {
            "keep" => Some(KnownFields::only(fields.as_ref(), &paths)),
            _ => fields.map(|mut fields| {
                paths.iter().for_each(|path| fields.remove(path));
                fields
            }),
        });
    }

    pub(super) fn compile(&self, at: &KeyPath, findings: &mut Findings) -> Option<Project> {
        let (key, paths) = match (&self.keep, &self.drop) {
            (Some(keep), None) => ("keep", keep),
            (None, Some(drop)) => ("drop", drop),
            (None, None) => {
                findings.error(at, "needs `keep` or `drop`, a list of paths below `event`");
                return None;
            }
            (Some(_), Some(_)) => {
                findings.error(at, "`keep` and `drop` exclude each other; use two transforms");
                return None;
            }
        };
        let at = at.key(key);
        if paths.is_empty() {
            findings.error(&at, "is empty; name at least one path, or leave the transform out");
            return None;
        }
        let paths: Option<Vec<FieldPath>> = (0..)
            .zip(paths)
            .map(|(index, path)| FieldPath::parse(path, &at.index(index), findings))
            // Each is looked at, so that all errors are found.
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        let paths = paths?;
        let fields = match key {
            "keep" => Fields::Keep(Kept::of(&paths)),
            _ => Fields::Drop(paths),
        };
        Some(Project { concerned: Concerned::of(self.event_type.as_ref()), fields })
    }
}

impl Project {
    pub(super) fn concerns(&self, event_type: &EventType) -> bool {
        self.concerned.includes(event_type)
    }

    pub(super) fn apply(&self, event: &mut Map<String, Value>) {
        match &self.fields {
            Fields::Keep(kept) => kept.retain_in(event),
            Fields::Drop(paths) => {
                for path in paths {
                    remove(event, path.keys());
                }
            }
        }
    }
}

impl Kept {
    fn of(paths: &[FieldPath]) -> Self {
        let mut root = Self::default();
        for path in paths {
            let mut kept = &mut root;
            for key in path.keys() {
                kept = kept.below.entry(key.clone()).or_default();
            }
            kept.whole = true;
        }
        root
    }

    fn retain_in(&self, map: &mut Map<String, Value>) {
        map.retain(|key, value| self.below.get(key).is_some_and(|kept| kept.retain(value)));
    }

    /// Leaves of a value what stays; false if that is nothing.
    fn retain(&self, value: &mut Value) -> bool {
        if self.whole {
            return true;
        }
        match value {
            Value::Object(map) => {
                self.retain_in(map);
                !map.is_empty()
            }
            Value::Array(items) => {
                items.retain_mut(|item| self.retain(item));
                !items.is_empty()
            }
            Value::String(text) => within_json(text, |json| (self.retain(json), true)).unwrap_or(false),
            // The path goes on below something that has nothing below it.
            _ => false,
        }
    }
}
