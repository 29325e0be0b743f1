//! Paths into an event, such as `aspect.value.owners`.
//!
//! A path goes the way that a predicate goes: through maps, and through text that holds JSON, which is
//! parsed, changed and written back. Through a list it goes into each item.

use serde_json::{Map, Value};

use crate::findings::{Findings, KeyPath};

/// The keys of a path, outermost first; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldPath(Box<[String]>);

impl FieldPath {
    /// Reads a path: keys with dots between them; `\\.` is a dot within a key, `\\\\` a backslash.
    pub(super) fn parse(text: &str, at: &KeyPath, findings: &mut Findings) -> Option<Self> {
        let keys = keys_of(text);
        if keys.is_none() {
            let expected =
                "expected a path below `event`, such as aspect.value.owners; \\. is a dot within a key";
            findings.error(at, expected);
        }
        keys.map(|keys| Self(keys.into()))
    }

    pub(super) fn keys(&self) -> &[String] {
        &self.0
    }
}

fn keys_of(text: &str) -> Option<Vec<String>> {
    let mut keys = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let key = keys.last_mut()?;
        match character {
            '.' => keys.push(String::new()),
            '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '.' | '\\'))?),
            other => key.push(other),
        }
    }
    keys.iter().all(|key| !key.is_empty()).then_some(keys)
}

/// Lets `change` work on the map or list that `text` holds as JSON, and writes it back if `change` says
/// that it did something. `None` if the text holds neither.
pub(super) fn within_json<T>(text: &mut String, change: impl FnOnce(&mut Value) -> (T, bool)) -> Option<T> {
    // Most text is none, and that can be seen without parsing.
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut json: Value = serde_json::from_str(text).ok().filter(is_container)?;
    let (result, changed) = change(&mut json);
    if changed {
        *text = json.to_string();
    }
    Some(result)
}

/// Takes the field at `path` away. Returns whether it was there.
pub(super) fn remove(map: &mut Map<String, Value>, path: &[String]) -> bool {
    match path {
        [] => false,
        [last] => map.shift_remove(last).is_some(),
        [first, rest @ ..] => map.get_mut(first).is_some_and(|value| remove_below(value, rest)),
    }
}

fn remove_below(value: &mut Value, path: &[String]) -> bool {
    match value {
        Value::Object(map) => remove(map, path),
        // Not `any`: each item has to lose the field.
        Value::Array(items) => {
            items.iter_mut().fold(false, |removed, item| remove_below(item, path) | removed)
        }
        Value::String(text) => {
            let removed = within_json(text, |json| {
                let removed = remove_below(json, path);
                (removed, removed)
            });
            removed.unwrap_or(false)
        }
        _ => false,
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Array(_))
}

#[cfg(test)]
mod tests {
    use super::keys_of;

    #[test]
    fn a_path_is_keys_with_dots_between_them() {
        let keys = |text| keys_of(text).map(|keys| keys.join("|"));
        assert_eq!(keys("a").as_deref(), Some("a"));
        assert_eq!(keys("aspect.value.x y").as_deref(), Some("aspect|value|x y"));
        assert_eq!(keys(r"a\.b.c\\d").as_deref(), Some(r"a.b|c\d"));
        for wrong in ["", ".", "a.", ".a", "a..b", r"a\", r"a\b"] {
            assert_eq!(keys(wrong), None, "{wrong}");
        }
    }
}
