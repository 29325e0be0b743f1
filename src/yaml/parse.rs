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

/// What a file holds.
pub(super) struct Parsed {
    pub(super) root: Node,
    /// Values and keys that no recipe can have. Where one stood, the tree has [`Content::Unresolved`], so that
    /// what else is wrong with the file is found in the same go.
    pub(super) errors: Vec<Problem>,
    /// Keys that were given twice.
    pub(super) warnings: Vec<Problem>,
}

/// Reads the one document of a file.
///
/// # Errors
/// If there is no telling what stands where.
pub(super) fn parse(file: &Path, text: &str, language: Language) -> Result<Parsed, Problem> {
    let places = Places::of(text);
    let mut builder = Builder {
        language,
        places,
        frames: Vec::new(),
        anchors: HashMap::new(),
        faults: Vec::new(),
        twice: Vec::new(),
        size: 0,
    };
    let mut root = None;
    let problem =
        |Fault { mark, key, text }: Fault| Problem { file: file.to_owned(), place: Some(mark), key, text };
    let whole = |mark, text| problem(Fault { mark, key: KeyPath::root(), text });
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            whole(places.mark(*error.marker()), format!(
                "is not valid YAML: {}; look for a bracket, a quote or an indentation that is wrong, here or just above",
                error.info()
            ))
        })?;
        if root.is_some() && matches!(event, Event::DocumentStart(_)) {
            let text = "a file holds one document; remove this one".to_owned();
            return Err(whole(places.mark(span.start), text));
        }
        if let Some(node) = builder.on(event, span).map_err(problem)? {
            root = Some(node);
        }
    }
    let root = root.unwrap_or(Node::written(Mark { line: 1, column: 1 }, Content::Null));
    let problems = |faults: Vec<Fault>| faults.into_iter().map(problem).collect();
    Ok(Parsed { root, errors: problems(builder.faults), warnings: problems(builder.twice) })
}

/// What is wrong, and where.
struct Fault {
    mark: Mark,
    key: KeyPath,
    text: String,
}

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
    faults: Vec<Fault>,
    /// Keys that were given twice.
    twice: Vec<Fault>,
    size: usize,
}

impl Builder {
    /// Takes one event; gives the root once it is complete.
    fn on(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, Fault> {
        let place = self.places.mark(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.awaits_key() {
                    self.key(text.into_owned(), style, place);
                    return Ok(None);
                }
                let content = self.scalar(&text, style, tag.as_deref()).unwrap_or_else(|text| {
                    self.note(place, text);
                    Content::Unresolved
                });
                self.finish(Node::written(place, content), anchor)
            }
            Event::Alias(anchor) => {
                if self.awaits_key() {
                    return Err(self.fault(place, "a key must be text, not an alias"));
                }
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    self.note(place, "an alias cannot refer to what it is part of; write the value out");
                    return self.finish(Node::written(place, Content::Unresolved), 0);
                };
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

    /// The path of what comes next.
    fn path(&self) -> KeyPath {
        self.frames.iter().fold(KeyPath::root(), |path, frame| match &frame.collection {
            Collection::List(items) => path.index(items.len()),
            Collection::Map(OpenMap { key: Some(Key::Plain(key, _)), .. }) => path.key(key),
            Collection::Map(OpenMap { key: Some(Key::Merge(_)), .. }) => path.key("<<"),
            Collection::Map(_) => path,
        })
    }

    fn fault(&self, mark: Mark, text: impl Into<String>) -> Fault {
        Fault { mark, key: self.path(), text: text.into() }
    }

    /// Notes what is wrong and does not keep the rest from being read.
    fn note(&mut self, mark: Mark, text: impl Into<String>) {
        let fault = self.fault(mark, text);
        self.faults.push(fault);
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
            return Err(self.fault(place, "a key must be text, not a list or a map"));
        }
        if let Some(tag) =
            tag.filter(|tag| !(tag.is_yaml_core_schema() && matches!(&*tag.suffix, "map" | "seq")))
        {
            self.note(place, format!("the tag {tag} is not known here; remove it"));
        }
        if self.frames.len() >= DEEPEST {
            let text = format!("is nested more than {DEEPEST} levels deep; no recipe needs that");
            return Err(Fault { mark: place, key: KeyPath::root(), text });
        }
        self.frames.push(Frame { mark: place, anchor, collection });
        Ok(None)
    }

    fn key(&mut self, text: String, style: ScalarStyle, place: Mark) {
        let plain = style == ScalarStyle::Plain && self.language == Language::Yaml;
        if plain && !matches!(scalar::plain(&text), Some(Content::Text(_))) {
            let is = match scalar::plain(&text) {
                Some(Content::Bool(flag)) => flag.to_string(),
                Some(Content::Null) => "nothing".to_owned(),
                _ => "a number".to_owned(),
            };
            let key = self.path().key(&text);
            let text = format!("the key `{text}` is {is} in YAML 1.1, not text; put it in quotes");
            self.faults.push(Fault { mark: place, key, text });
        }
        if let Some(Frame { collection: Collection::Map(map), .. }) = self.frames.last_mut() {
            map.key = Some(if plain && text == "<<" { Key::Merge(place) } else { Key::Plain(text, place) });
        }
    }

    /// The value, or why there is none.
    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Content, String> {
        let plain = |text: &str| {
            scalar::plain(text).ok_or_else(|| {
                format!(
                    "`{text}` is not a number that can be used here; write a finite one, or put it in quotes"
                )
            })
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
                _ => Err(format!("is not what its tag !!{kind} says; remove the tag, or correct the value")),
            },
            _ => Err(format!("the tag {tag} is not known here; remove it")),
        }
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Fault> {
        self.size += 1;
        if self.size > MOST_NODES {
            let text = "its aliases stand for more than can be read; write out what is meant".to_owned();
            return Err(Fault { mark: node.mark, key: KeyPath::root(), text });
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let path = self.path();
        match self.frames.last_mut() {
            None => return Ok(Some(node)),
            Some(Frame { collection: Collection::List(items), .. }) => items.push(node),
            Some(Frame { collection: Collection::Map(map), .. }) => match map.key.take() {
                Some(Key::Plain(key, key_mark)) => {
                    if let Some(earlier) = map.entries.iter().position(|entry| entry.key == key) {
                        map.entries.remove(earlier);
                        let text = "is given twice; the last one counts".to_owned();
                        self.twice.push(Fault { mark: key_mark, key: path, text });
                    }
                    map.entries.push(Entry { key, key_mark, value: node });
                }
                Some(Key::Merge(key_mark)) => {
                    if let Err(mark) = map.merge(node, key_mark) {
                        let text = "`<<` takes a map or a list of maps".to_owned();
                        self.faults.push(Fault { mark, key: path, text });
                    }
                }
                // `awaits_key` sends every node without a pending key elsewhere.
                None => {
                    return Err(Fault {
                        mark: node.mark,
                        key: path,
                        text: "is a value without a key".to_owned(),
                    });
                }
            },
        }
        Ok(None)
    }
}

impl OpenMap {
    /// `<<: *map` or `<<: [*map, *map]`: of several maps in a list the first one counts. Where anything else
    /// stands, the error is its place.
    fn merge(&mut self, node: Node, key_mark: Mark) -> Result<(), Mark> {
        match node.content {
            Content::Map(entries) => self.merged.extend(entries),
            Content::List(maps) => {
                for map in maps.into_iter().rev() {
                    let Content::Map(entries) = map.content else { return Err(map.mark) };
                    self.merged.extend(entries);
                }
            }
            // What cannot be read has its error.
            Content::Unresolved => {}
            _ => return Err(key_mark),
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
