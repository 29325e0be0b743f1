//! What one predicate matches: the rules of the Python framework, entry by entry.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::event::Field;

/// A map of entries, all of which must match.
#[derive(Clone)]
pub(super) struct Predicate(Box<[(Box<str>, Matcher)]>);

/// What one entry matches.
#[derive(Clone)]
pub(super) enum Matcher {
    /// Nothing there, or null.
    Null,
    /// An equal number. True is 1 and false is 0, as in Python.
    Number(Number),
    /// Equal text.
    Text(Box<str>),
    /// Text equal to one of these; nothing but text.
    AnyOf(Box<[Box<str>]>),
    /// A map, or text that holds a JSON map, all of whose entries match.
    Map(Predicate),
}

impl Predicate {
    pub(super) fn compile(entries: &Map<String, Value>) -> Self {
        let mut entries: Vec<(Box<str>, Matcher)> =
            entries.iter().map(|(name, value)| (name.as_str().into(), Matcher::compile(value))).collect();
        // All must match, so the order is free: what may have to parse JSON comes last.
        entries.sort_by_key(|(_, matcher)| matches!(matcher, Matcher::Map(_)));
        Self(entries.into())
    }

    pub(super) fn entries(&self) -> &[(Box<str>, Matcher)] {
        &self.0
    }

    /// Whether all entries match what `field` says is in the event.
    pub(super) fn matches<'a>(&self, field: impl Fn(&str) -> Field<'a>) -> bool {
        self.0.iter().all(|(name, matcher)| matcher.matches(&field(name)))
    }

    fn matches_map(&self, map: &Map<String, Value>) -> bool {
        self.matches(|name| match map.get(name) {
            None | Some(Value::Null) => Field::Absent,
            Some(Value::String(text)) => Field::Text(text),
            Some(value) => Field::Value(Cow::Borrowed(value)),
        })
    }
}

impl Matcher {
    fn compile(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Number(Number::from(u8::from(*flag))),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.as_str().into()),
            // Only text is ever equal to text, so a list's other items can be left out.
            Value::Array(items) => {
                Self::AnyOf(items.iter().filter_map(Value::as_str).map(Box::from).collect())
            }
            Value::Object(entries) => Self::Map(Predicate::compile(entries)),
        }
    }

    pub(super) fn matches(&self, field: &Field<'_>) -> bool {
        match (self, field) {
            (Self::Null, Field::Absent) => true,
            (Self::Map(predicate), Field::Text(text)) => {
                matches!(serde_json::from_str(text), Ok(Value::Object(map)) if predicate.matches_map(&map))
            }
            (matcher, Field::Text(text)) => matcher.matches_text(text),
            (matcher, Field::Value(value)) => matcher.matches_value(value),
            _ => false,
        }
    }

    /// Whether text matches; for a map, whether it might, since only parsing could tell.
    pub(super) fn may_match_text(&self, text: &str) -> bool {
        match self {
            Self::Map(_) => text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{'),
            _ => self.matches_text(text),
        }
    }

    fn matches_text(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => **wanted == *text,
            Self::AnyOf(wanted) => wanted.iter().any(|wanted| **wanted == *text),
            _ => false,
        }
    }

    fn matches_value(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Number(wanted), Value::Number(number)) => equal(wanted, number),
            (Self::Number(wanted), Value::Bool(flag)) => equal(wanted, &Number::from(u8::from(*flag))),
            (Self::Map(predicate), Value::Object(map)) => predicate.matches_map(map),
            (matcher, Value::String(text)) => matcher.matches(&Field::Text(text)),
            _ => false,
        }
    }
}

/// Equal by value: 1 and 1.0 are, and a whole number is not rounded to meet a fraction.
fn equal(left: &Number, right: &Number) -> bool {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left == right,
        (None, None) => left.as_f64() == right.as_f64(),
        _ => false,
    }
}

fn whole(number: &Number) -> Option<i128> {
    if let Some(integer) = number.as_i128() {
        return Some(integer);
    }
    // Every float of this size and below that has no fraction is exactly some i128.
    number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e38).map(|float| float as i128)
}
