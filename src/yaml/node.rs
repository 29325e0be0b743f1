//! The tree of a configuration file, with the place of each node.

use serde_json::{Map, Number, Value};

use super::secret_file::file_key;
use crate::findings::{KeyPath, Step};

/// What stands before a key whose content is to be put into a file. The key loses it once that is done,
/// and is found all the same by the name that the user wrote.
pub(crate) const TO_FILE: &str = "__DATAHUB_TO_FILE_";

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// A value and where it stands. Has no `Debug`: it may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// Where the value begins.
    pub mark: Mark,
    /// The value.
    pub content: Content,
    /// Whether a variable had a part in the value, which makes it a secret.
    pub from_variable: bool,
}

/// What a [`Node`] holds.
#[derive(Clone, PartialEq)]
pub enum Content {
    /// Nothing.
    Null,
    /// `true`, `false`, and what YAML 1.1 takes for them.
    Bool(bool),
    /// A whole number or a fraction.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of its keys; no key twice.
    Map(Vec<Entry>),
    /// A value whose variables could not be filled in; that error is noted already, so every later
    /// check passes over the node in silence.
    Unresolved,
}

/// A key of a map, and its value.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_mark: Mark,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// A value as it is written in the file.
    pub fn written(mark: Mark, content: Content) -> Self {
        Self { mark, content, from_variable: false }
    }

    /// The value of a key, if this is a map that has it with a value other than null.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// The text, if that is what this is.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is nothing here.
    pub fn is_null(&self) -> bool {
        self.content == Content::Null
    }

    /// The entries of a map; none if this is not a map.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none if this is not a list.
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The place of a key: the key's own or that of its `KEY_file`, or, where the file has neither, that
    /// of the nearest map or list above it.
    pub fn place_of(&self, path: &KeyPath) -> Mark {
        let mut node = self;
        let mut place = self.mark;
        for step in path.steps() {
            let found = match (step, &node.content) {
                (Step::Key(key), Content::Map(entries)) => {
                    let named = |name: &str| entries.iter().find(|entry| entry.key == name);
                    named(key)
                        .or_else(|| named(&file_key(key)))
                        .or_else(|| named(key.strip_prefix(TO_FILE)?))
                        .map(|entry| (entry.key_mark, &entry.value))
                }
                (Step::Index(index), Content::List(items)) => items.get(*index).map(|item| (item.mark, item)),
                _ => None,
            };
            let Some((mark, below)) = found else { break };
            (place, node) = (mark, below);
        }
        place
    }

    /// How many nodes there are from here down, this one included.
    pub fn size(&self) -> usize {
        let below: usize = match &self.content {
            Content::List(items) => items.iter().map(Self::size).sum(),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
            _ => 0,
        };
        below + 1
    }

    /// Calls `visit` with every scalar from here down.
    pub fn for_each_scalar<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        match &self.content {
            Content::List(items) => items.iter().for_each(|item| item.for_each_scalar(visit)),
            Content::Map(entries) => entries.iter().for_each(|entry| entry.value.for_each_scalar(visit)),
            _ => visit(self),
        }
    }

    /// The same as JSON; `None` if anything in it could not be filled in.
    pub fn to_json(&self) -> Option<Value> {
        Some(match &self.content {
            Content::Null => Value::Null,
            Content::Bool(flag) => Value::Bool(*flag),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_json).collect::<Option<_>>()?),
            Content::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| Some((entry.key.clone(), entry.value.to_json()?)))
                    .collect::<Option<Map<_, _>>>()?,
            ),
            Content::Unresolved => return None,
        })
    }
}
