//! Which events come to a place of a recipe, and what is known of their fields there.
//!
//! For warnings alone: a filter that names a field which no event has is no error, since somebody's events
//! may have it, but mostly it is a slip.

use serde_json::{Map, Value};

use crate::event::{EventType, KnownFields, Route};
use crate::findings::{Findings, KeyPath, nearest};

/// The events that come to a place of a recipe, from its topics to its action.
#[derive(Debug, Clone)]
pub struct Arriving {
    /// The types that the recipe's topics carry; `None` where nobody knows what it reads.
    read: Option<Vec<EventType>>,
    /// The types that come as far as here.
    kinds: Vec<Kind>,
}

#[derive(Debug, Clone)]
struct Kind {
    event_type: EventType,
    /// `None` if nothing is known of them.
    fields: Option<KnownFields>,
}

/// The fields of some types of event, or of a map in them.
#[derive(Clone)]
pub(crate) struct Level<'f> {
    here: Vec<&'f KnownFields>,
    /// Those that the events had before any transform.
    at_first: Vec<&'f KnownFields>,
}

/// What is below a field.
enum Below<'f> {
    /// Anything may be.
    Anything,
    Fields(Level<'f>),
    /// There is no such field.
    Missing(Missing),
}

/// Why there is no such field.
enum Missing {
    /// A transform has left it out.
    LeftOut,
    /// No event has it; what there is instead.
    Unknown { meant: Option<String>, known: Vec<String> },
}

impl Arriving {
    /// What comes from topics of these routes.
    pub fn on<'r>(routes: impl IntoIterator<Item = &'r Route>) -> Self {
        let mut read: Vec<EventType> = Vec::new();
        for event_type in routes.into_iter().flat_map(Route::event_types) {
            if !read.contains(&event_type) {
                read.push(event_type);
            }
        }
        Self { kinds: read.iter().cloned().map(Kind::of).collect(), read: Some(read) }
    }

    /// What comes where nobody knows which topics are read.
    pub fn unknown() -> Self {
        Self { read: None, kinds: EventType::STANDARD.map(Kind::of).into() }
    }

    /// Warns of a name that is of no type of event which the recipe reads.
    pub(super) fn review_type(&self, name: &str, at: &KeyPath, findings: &mut Findings) {
        let Some(read) = &self.read else { return };
        if read.iter().any(|event_type| event_type.as_str() == name) {
            return;
        }
        let remedy = match EventType::standard(name) {
            Some(EventType::PlatformEvent) => "set source.config.platform_events to all",
            Some(EventType::MetadataChangeProposal) => "name its topic under source.config.topic_routes.mcp",
            Some(EventType::FailedMetadataChangeProposal) => {
                "name its topic under source.config.topic_routes.fmcp"
            }
            // A recipe may read a part of the standard topics with a filter for all of them.
            Some(_) => return,
            None => {
                let known = joined(read);
                findings.warning(
                    at,
                    format!("no event has the type \"{name}\", so this matches nothing; types are {known}"),
                );
                return;
            }
        };
        findings.warning(at, format!("no event of this type is read, so this matches nothing; {remedy}"));
    }

    /// Leaves those types that `passes`. Warns where that is none of what comes here, unless `findings`, which
    /// are of the filter alone, explain it.
    pub(crate) fn narrow(&mut self, passes: impl Fn(&str) -> bool, at: &KeyPath, findings: &mut Findings) {
        let before: Vec<EventType> = self.kinds.iter().map(|kind| kind.event_type.clone()).collect();
        self.kinds.retain(|kind| passes(kind.event_type.as_str()));
        if self.read.is_some() && findings.is_empty() && self.kinds.is_empty() && !before.is_empty() {
            let text = format!("lets nothing pass; name a type that comes here: {}", joined(&before));
            findings.warning(at, text);
        }
    }

    /// Changes the fields of all types, or of those named.
    pub(crate) fn change(
        &mut self,
        names: Option<&[String]>,
        change: impl Fn(Option<KnownFields>) -> Option<KnownFields>,
    ) {
        for kind in &mut self.kinds {
            let concerned =
                names.is_none_or(|names| names.iter().any(|name| name == kind.event_type.as_str()));
            if concerned {
                kind.fields = change(kind.fields.take());
            }
        }
    }

    /// The fields of all types, or of those named; `None` if nothing is known of one of them.
    pub(crate) fn level(&self, names: Option<&[String]>) -> Option<Level<'_>> {
        let of_kind = |kind: &'_ Kind| kind.event_type.known_fields();
        let (here, at_first): (Option<Vec<_>>, Vec<_>) = match names {
            None => (
                self.kinds.iter().map(|kind| kind.fields.as_ref()).collect(),
                self.kinds.iter().filter_map(of_kind).collect(),
            ),
            Some(names) => (
                names.iter().map(|name| self.fields_of(name)).collect(),
                names.iter().filter_map(|name| EventType::standard(name)?.known_fields()).collect(),
            ),
        };
        here.filter(|here| !here.is_empty()).map(|here| Level { here, at_first })
    }

    /// Those of a type that does not come here are as its schema has them.
    fn fields_of(&self, name: &str) -> Option<&KnownFields> {
        match self.kinds.iter().find(|kind| kind.event_type.as_str() == name) {
            Some(kind) => kind.fields.as_ref(),
            None => EventType::standard(name)?.known_fields(),
        }
    }
}

impl Kind {
    fn of(event_type: EventType) -> Self {
        let fields = event_type.known_fields().cloned();
        Self { event_type, fields }
    }
}

impl<'f> Level<'f> {
    /// Warns if no event has the field at `path`; `at` is where the path is written.
    pub(crate) fn review_path(self, path: &[String], at: &KeyPath, findings: &mut Findings) {
        let (mut level, mut above) = (self, String::new());
        for key in path {
            match level.below(key) {
                Below::Fields(below) => level = below,
                Below::Anything => return,
                Below::Missing(missing) => {
                    let unknown = "no event that comes here has such a field";
                    findings.warning(at, missing.words(unknown, "so this path leads nowhere", &above));
                    return;
                }
            }
            above = format!("{above}{}.", key.replace('.', "\\."));
        }
    }

    /// Warns of each field that a predicate asks about and no event has.
    pub(super) fn review_predicate(
        &self,
        predicate: &Map<String, Value>,
        at: &KeyPath,
        findings: &mut Findings,
    ) {
        for (key, value) in predicate {
            let at = at.key(key);
            match (self.below(key), value) {
                (Below::Fields(level), Value::Object(below)) => {
                    level.review_predicate(below, &at, findings);
                }
                (Below::Missing(missing), value) => {
                    let so = match value {
                        Value::Null => "so this is true of every event",
                        _ => "so this matches nothing",
                    };
                    findings.warning(&at, missing.words("no event of this type has such a field", so, ""));
                }
                _ => {}
            }
        }
    }

    fn below(&self, key: &str) -> Below<'f> {
        let having: Vec<Option<&KnownFields>> =
            self.here.iter().filter_map(|fields| fields.get(key)).collect();
        if having.is_empty() {
            return self.missing(key).map_or(Below::Anything, Below::Missing);
        }
        let at_first = self.at_first.iter().filter_map(|fields| fields.get(key)?).collect();
        let below: Option<Vec<&KnownFields>> = having.into_iter().collect();
        below.map_or(Below::Anything, |here| Below::Fields(Level { here, at_first }))
    }

    fn missing(&self, key: &str) -> Option<Missing> {
        if self.at_first.iter().any(|fields| fields.get(key).is_some()) {
            return Some(Missing::LeftOut);
        }
        let mut known: Vec<&str> = Vec::new();
        for name in self.here.iter().flat_map(|fields| fields.names()) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let meant = nearest(key, &known).map(str::to_owned);
        // Where events may have other fields too, only what looks like a slip is worth a word.
        let complete = self.here.iter().all(|fields| fields.is_complete());
        let known = known.into_iter().map(str::to_owned).collect();
        (complete || meant.is_some()).then_some(Missing::Unknown { meant, known })
    }
}

impl Missing {
    /// `above` is the path of the fields above, with a dot at its end.
    fn words(&self, unknown: &str, so: &str, above: &str) -> String {
        match self {
            Self::LeftOut => format!("an earlier transform leaves this field out, {so}"),
            Self::Unknown { meant: Some(meant), .. } => {
                format!("{unknown}, {so}; did you mean \"{above}{meant}\"?")
            }
            Self::Unknown { meant: None, known } => {
                format!("{unknown}, {so}; known here: {}", known.join(", "))
            }
        }
    }
}

fn joined(event_types: &[EventType]) -> String {
    event_types.iter().map(EventType::as_str).collect::<Vec<_>>().join(", ")
}
