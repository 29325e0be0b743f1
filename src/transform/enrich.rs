//! `enrich`: adds constants.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::concerned::Concerned;
use super::path::{FieldPath, within_json};
use crate::event::EventType;
use crate::filter::{Arriving, OneOrMany};
use crate::findings::{Findings, KeyPath};

/// `config` of a transform of type `enrich`.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnrichConfig {
    /// Values by their paths; what stands there already stays.
    pub add: Map<String, Value>,
    /// Values by their paths; what stands there already is replaced.
    pub set: Map<String, Value>,
    /// The type of event that is changed, or a list of types (default: all).
    pub event_type: Option<OneOrMany>,
}

#[derive(Clone)]
pub(super) struct Enrich {
    concerned: Concerned,
    constants: Vec<Constant>,
}

#[derive(Clone)]
struct Constant {
    /// As the recipe has it.
    text: String,
    path: FieldPath,
    value: Value,
    replaces: bool,
}

/// Something without fields stands where a field was to be added.
pub(super) struct NotAMap {
    pub(super) path: String,
    pub(super) found: &'static str,
}

impl EnrichConfig {
    /// See [`super::TransformConfig::review`]. Its fields may be new, so none is misspelt.
    pub(super) fn review(&self, arriving: &mut Arriving, at: &KeyPath, findings: &mut Findings) {
        if let Some(event_type) = &self.event_type {
            event_type.review(arriving, &at.key("event_type"), findings);
        }
        let written = self.add.keys().chain(self.set.keys());
        // What is no path has been found before.
        let paths: Vec<FieldPath> =
            written.filter_map(|path| FieldPath::parse(path, at, &mut Findings::default())).collect();
        arriving.change(self.event_type.as_ref().map(OneOrMany::names), |fields| {
            fields.map(|mut fields| {
                paths.iter().for_each(|path| fields.insert(path.keys()));
                fields
            })
        });
    }

    pub(super) fn compile(&self, at: &KeyPath, findings: &mut Findings) -> Option<Enrich> {
        let errors = findings.errors();
        if self.add.is_empty() && self.set.is_empty() {
            findings.error(at, "needs `add` or `set`, a map from paths below `event` to values");
        }
        let mut constants = Vec::new();
        for (key, fields) in [("add", &self.add), ("set", &self.set)] {
            for (text, value) in fields {
                let at = at.key(key).key(text);
                if value.is_null() {
                    findings.error(&at, "expected a value; a transform of type project takes fields away");
                }
                let Some(path) = FieldPath::parse(text, &at, findings) else { continue };
                let replaces = key == "set";
                constants.push(Constant { text: text.clone(), path, value: value.clone(), replaces });
            }
        }
        let concerned = Concerned::of(self.event_type.as_ref());
        (findings.errors() == errors).then_some(Enrich { concerned, constants })
    }
}

impl Enrich {
    pub(super) fn concerns(&self, event_type: &EventType) -> bool {
        self.concerned.includes(event_type)
    }

    pub(super) fn apply(&self, event: &mut Map<String, Value>) -> Result<(), NotAMap> {
        self.constants.iter().try_for_each(|constant| {
            constant
                .put_into(event, constant.path.keys())
                .map(|_| ())
                .map_err(|found| NotAMap { path: constant.text.clone(), found })
        })
    }
}

impl Constant {
    /// Puts the value at `path`. Returns whether that changed anything, or what stands in the way.
    fn put_into(&self, map: &mut Map<String, Value>, path: &[String]) -> Result<bool, &'static str> {
        let Some((first, rest)) = path.split_first() else { return Ok(false) };
        if !rest.is_empty() {
            return self.put_below(map.entry(first).or_insert(Value::Null), rest);
        }
        let is_there = map.get(first).is_some_and(|value| !value.is_null());
        if is_there && !self.replaces {
            return Ok(false);
        }
        map.insert(first.clone(), self.value.clone());
        Ok(true)
    }

    fn put_below(&self, value: &mut Value, path: &[String]) -> Result<bool, &'static str> {
        match value {
            Value::Object(map) => self.put_into(map, path),
            Value::Array(items) => {
                let mut changed = false;
                for item in items {
                    changed |= self.put_below(item, path)?;
                }
                Ok(changed)
            }
            Value::Null => {
                let mut map = Map::new();
                let changed = self.put_into(&mut map, path);
                *value = Value::Object(map);
                changed
            }
            Value::String(text) => {
                let put = within_json(text, |json| {
                    let put = self.put_below(json, path);
                    (put, put == Ok(true))
                });
                put.unwrap_or(Err("text"))
            }
            Value::Bool(_) => Err("a boolean"),
            Value::Number(_) => Err("a number"),
        }
    }
}

/// Without the values: one may come from a variable.
impl fmt::Debug for EnrichConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = |fields: &Map<String, Value>| fields.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("EnrichConfig")
            .field("add", &paths(&self.add))
            .field("set", &paths(&self.set))
            .field("event_type", &self.event_type)
            .finish()
    }
}

/// As for [`EnrichConfig`].
impl fmt::Debug for Enrich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.constants.iter().map(|constant| &constant.text).collect();
        f.debug_struct("Enrich").field("paths", &paths).finish_non_exhaustive()
    }
}
