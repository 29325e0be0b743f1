//! From the parser's events to the marked tree.
//!
//! Built on the event stream and not on a ready-made tree, because a tree has forgotten which keys
//! came twice and where keys (not values) stand.

use std::collections::HashMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::node::{Content, Entry, Mark, Node};
use super::problem::Problem;
use super::scalar;
use crate::findings::KeyPath;

/// Aliases let a small file stand for an enormous tree; no recipe comes near this many nodes.
const MOST_NODES: usize = 100_000;

/// Every walk over the tree recurses; no recipe comes near this depth.
const DEEPEST: usize = 100;

/// Which language a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// YAML 1.1 as PyYAML reads it.
    Yaml,
    /// JSON, read as the subset of YAML that it is.
    Json,
}

/// Reads the one document of a file; keys that were given twice go to `warnings`.
pub(super) fn parse(
    file: &Path,
    text: &str,
    language: Language,
    warnings: &mut Vec<Problem>,
) -> Result<Node, Problem> {
    let places = Places::of(text);
    let mut builder =
        Builder { language, places, frames: Vec::new(), anchors: HashMap::new(), twice: Vec::new(), size: 0 };
    let mut root = None;
    let problem = |Fault(mark, text): Fault| Problem {
        file: file.to_owned(),
        place: Some(mark),
        key: KeyPath::root(),
        text,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            problem(Fault(places.mark(*error.marker()), format!("is not valid YAML: {}", error.info())))
        })?;
        if root.is_some() && matches!(event, Event::DocumentStart(_)) {
            let text = "a file holds one document; remove this one".to_owned();
            return Err(problem(Fault(places.mark(span.start), text)));
        }
        if let Some(node) = builder.on(event, span).map_err(problem)? {
            root = Some(node);
        }
    }
    warnings.extend(builder.twice.into_iter().map(|(mark, key)| Problem {
        file: file.to_owned(),
        place: Some(mark),
        key: KeyPath::root(),
        text: format!("the key `{key}` is given twice; the last one counts"),
    }));
    Ok(root.unwrap_or(Node::written(Mark { line: 1, column: 1 }, Content::Null)))
}

/// What is wrong, and where.
struct Fault(Mark, String);

/// A list or map that is not closed yet.
struct Frame {
    mark: Mark,
    anchor: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// Entries that a merge key brought in: they count only where the map itself has no such key.
    merged: Vec<Entry>,
    key: Option<Key>,
}

enum Key {
    Plain(String, Mark),
    Merge(Mark),
}

struct Builder {
    places: Places,
    language: Language,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    twice: Vec<(Mark, String)>,
    size: usize,
}

impl Builder {
    /// Takes one event; gives the root once it is complete.
    fn on(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, Fault> {
        let place = self.places.mark(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.awaits_key() {
                    return self.key(text.into_owned(), style, place).map(|()| None);
                }
                let content = self.scalar(&text, style, tag.as_deref(), place)?;
                self.finish(Node::written(place, content), anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault(
                        place,
                        "an alias that refers to what it is part of cannot be read".to_owned(),
                    ));
                };
                if self.awaits_key() {
                    return Err(Fault(place, "a key must be text, not an alias".to_owned()));
                }
                self.size += node.size();
                self.finish(Node { mark: place, ..node }, 0)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(anchor, tag.as_deref(), Collection::List(Vec::new()), place)
            }
            Event::MappingStart(anchor, tag) => {
                self.open(anchor, tag.as_deref(), Collection::Map(OpenMap::default()), place)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.frames.pop() else { return Ok(None) };
                let content = match frame.collection {
                    Collection::List(items) => Content::List(items),
                    Collection::Map(map) => Content::Map(map.close()),
                };
                self.finish(Node::written(frame.mark, content), frame.anchor)
            }
            _ => Ok(None),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame { collection: Collection::Map(OpenMap { key: None, .. }), .. })
        )
    }

    fn open(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        collection: Collection,
        place: Mark,
    ) -> Result<Option<Node>, Fault> {
        if self.awaits_key() {
            return Err(Fault(place, "a key must be text, not a list or a map".to_owned()));
        }
        if let Some(tag) =
            tag.filter(|tag| !(tag.is_yaml_core_schema() && matches!(&*tag.suffix, "map" | "seq")))
        {
            return Err(Fault(place, format!("the tag {tag} is not known here; remove it")));
        }
        if self.frames.len() >= DEEPEST {
            return Err(Fault(place, format!("is nested more than {DEEPEST} levels deep")));
        }
        self.frames.push(Frame { mark: place, anchor, collection });
        Ok(None)
    }

    fn key(&mut self, text: String, style: ScalarStyle, place: Mark) -> Result<(), Fault> {
        let plain = style == ScalarStyle::Plain && self.language == Language::Yaml;
        let is_text = !plain || matches!(scalar::plain(&text), Some(Content::Text(_)));
        if !is_text {
            return Err(Fault(place, format!("the key `{text}` is not text in YAML 1.1; put it in quotes")));
        }
        if let Some(Frame { collection: Collection::Map(map), .. }) = self.frames.last_mut() {
            map.key = Some(if plain && text == "<<" { Key::Merge(place) } else { Key::Plain(text, place) });
        }
        Ok(())
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Mark,
    ) -> Result<Content, Fault> {
        let plain = |text: &str| {
            scalar::plain(text)
                .ok_or_else(|| Fault(place, format!("`{text}` is not a number that can be used here")))
        };
        let Some(tag) = tag else {
            return match (style, self.language) {
                (ScalarStyle::Plain, Language::Yaml) => plain(text),
                (ScalarStyle::Plain, Language::Json) => Ok(scalar::json(text)),
                _ => Ok(Content::Text(text.to_owned())),
            };
        };
        let kind = if tag.is_yaml_core_schema() { tag.suffix.as_str() } else { "" };
        match kind {
            "str" => Ok(Content::Text(text.to_owned())),
            "null" => Ok(Content::Null),
            "bool" | "int" | "float" => match (kind, plain(text)?) {
                ("bool", flag @ Content::Bool(_)) => Ok(flag),
                ("int" | "float", number @ Content::Number(_)) => Ok(number),
                _ => Err(Fault(place, format!("`{text}` is not what its tag !!{kind} says"))),
            },
            _ => Err(Fault(place, format!("the tag {tag} is not known here; remove it"))),
        }
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Fault> {
        self.size += 1;
        if self.size > MOST_NODES {
            return Err(Fault(node.mark, "its aliases stand for more than can be read".to_owned()));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.frames.last_mut() {
            None => return Ok(Some(node)),
            Some(Frame { collection: Collection::List(items), .. }) => items.push(node),
            Some(Frame { collection: Collection::Map(map), .. }) => match map.key.take() {
                Some(Key::Plain(key, key_mark)) => {
                    if let Some(earlier) = map.entries.iter().position(|entry| entry.key == key) {
                        map.entries.remove(earlier);
                        self.twice.push((key_mark, key.clone()));
                    }
                    map.entries.push(Entry { key, key_mark, value: node });
                }
                Some(Key::Merge(key_mark)) => map.merge(node, key_mark)?,
                // `awaits_key` sends every node without a pending key elsewhere.
                None => return Err(Fault(node.mark, "a value without a key".to_owned())),
            },
        }
        Ok(None)
    }
}

impl OpenMap {
    /// `<<: *map` or `<<: [*map, *map]`: of several maps in a list the first one counts.
    fn merge(&mut self, node: Node, key_mark: Mark) -> Result<(), Fault> {
        match node.content {
            Content::Map(entries) => self.merged.extend(entries),
            Content::List(maps) => {
                for map in maps.into_iter().rev() {
                    let Content::Map(entries) = map.content else {
                        return Err(Fault(map.mark, "`<<` takes a map or a list of maps".to_owned()));
                    };
                    self.merged.extend(entries);
                }
            }
            _ => return Err(Fault(key_mark, "`<<` takes a map or a list of maps".to_owned())),
        }
        Ok(())
    }

    fn close(self) -> Vec<Entry> {
        let mut entries = self.entries;
        for merged in self.merged.into_iter().rev() {
            if entries.iter().all(|entry| entry.key != merged.key) {
                entries.push(merged);
            }
        }
        entries
    }
}

/// The places that a text has.
#[derive(Debug, Clone, Copy)]
struct Places {
    last: Mark,
}

impl Places {
    fn of(text: &str) -> Self {
        let line_ends = |character: &char| matches!(character, '\n' | '\r');
        let line = text.replace("\r\n", "\n").chars().filter(line_ends).count() + 1;
        let last_line = text.rsplit(['\n', '\r']).next().unwrap_or_default();
        Self { last: Mark { line, column: last_line.chars().count() + 1 } }
    }

    /// Where something stands. The parser counts columns from 0, and takes the end of a text whose last
    /// line is not ended for the beginning of another line, which no editor has.
    fn mark(self, marker: saphyr_parser::Marker) -> Mark {
        if marker.line() > self.last.line {
            return self.last;
        }
        Mark { line: marker.line(), column: marker.col() + 1 }
    }
}
