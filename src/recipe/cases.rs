//! Cases written beside a recipe: events in, and what must reach the action.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};
use crate::yaml::{Document, Mark, Node, Problem, read_as};

/// A case, as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseConfig {
    /// What the case shows, in a few words.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The event that comes in.
    pub event: Option<EventConfig>,
    /// Several events, each of which must come to the same end.
    pub events: Option<Vec<EventConfig>>,
    /// What must become of it: `unchanged`, `dropped`, or a map with one of `event`, `contains`,
    /// `dropped_by`, `dead_letter`.
    pub expect: ExpectConfig,
}

/// An event in the shape in which actions see it. An aspect's `value` may be written as YAML instead of
/// JSON text.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventConfig {
    /// Its type, such as `EntityChangeEvent_v1`.
    #[schemars(length(min = 1))]
    pub event_type: String,
    /// The event.
    pub event: Map<String, Value>,
}

/// What must become of an event.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ExpectConfig {
    /// In one word.
    Word(ExpectWord),
    /// More exactly.
    Exactly(ExpectMap),
}

/// What must become of an event, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("type" = "string"))]
pub enum ExpectWord {
    /// It reaches the action as it was decoded.
    Unchanged,
    /// It does not reach the action, and is no dead letter.
    Dropped,
}

/// What must become of an event, more exactly; one of these.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectMap {
    /// The event that reaches the action, whole.
    pub event: Option<Map<String, Value>>,
    /// A part of the event that reaches the action: keys that are not named may be anything.
    pub contains: Option<Map<String, Value>>,
    /// What drops it, by its path in the recipe: `filters[0]`, `filter`, `transform[0]`, or `source`
    /// where no topic that the recipe reads carries such events.
    pub dropped_by: Option<String>,
    /// The stage at which it becomes a dead letter: `avro`, `payload`, …
    pub dead_letter: Option<String>,
}

/// A case that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The file it stands in.
    pub file: PathBuf,
    /// The line it begins at, from 1.
    pub line: usize,
    /// The events that come in; at least one.
    pub events: Vec<EventConfig>,
    /// What must become of each.
    pub expected: Expected,
}

/// What must become of a case's events.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// It reaches the action as it was decoded.
    Unchanged,
    /// It does not reach the action, and is no dead letter.
    Dropped,
    /// So does it, by what has this path.
    DroppedBy(String),
    /// It reaches the action as this.
    Event(Map<String, Value>),
    /// It reaches the action, and has this in it.
    Contains(Map<String, Value>),
    /// It is a dead letter of this stage.
    DeadLetter(String),
}

/// What a `*_test.yml` holds.
#[derive(Default)]
pub struct CaseFile {
    /// Its cases.
    pub cases: Vec<Case>,
    /// Variables with which the recipe is read, over those of the process.
    pub variables: BTreeMap<String, String>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CaseFileConfig {
    /// Variables with which the recipe is read, over those of the process.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// The cases.
    #[expect(dead_code, reason = "the shape of the file: each case is read by itself")]
    tests: Vec<CaseConfig>,
}

impl CaseFile {
    /// Reads a file of cases.
    pub fn read(file: &Path) -> Self {
        let document = match Document::read(file) {
            Ok(document) => document,
            Err(problem) => return Self { problems: vec![problem], ..Self::default() },
        };
        let mut findings = Findings::default();
        let config: Option<CaseFileConfig> = read_as(&document.root, &KeyPath::root(), &mut findings);
        let cases = cases_of(file, &document.root, &mut findings);
        let (problems, _) = document.report(findings);
        let variables = config.map(|config| config.environment).unwrap_or_default();
        Self { cases, variables, problems }
    }

    /// The environment with which the recipe is read.
    pub fn environment(&self, process: &Environment) -> Environment {
        let own = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        process.with_prefix("").chain(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// The cases under `tests`, whose shape has been checked with the whole; what else is wrong with them is
/// noted.
pub(super) fn cases_of(file: &Path, root: &Node, findings: &mut Findings) -> Vec<Case> {
    let at = KeyPath::root().key("tests");
    let nodes = root.get("tests").map(Node::items).unwrap_or_default();
    let mut cases = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let at = at.index(index);
        let mut noted = Findings::default();
        let config: Option<CaseConfig> = read_as(node, &at, &mut noted);
        // What follows from a misspelt key would only stand beside it.
        let Some(config) = config.filter(|_| noted.errors() == 0) else { continue };
        cases.extend(case(config, file, node.mark, &at, findings));
    }
    cases
}

fn case(config: CaseConfig, file: &Path, mark: Mark, at: &KeyPath, findings: &mut Findings) -> Option<Case> {
    let errors = findings.errors();
    let events = match (config.event, config.events) {
        (Some(event), None) => vec![event],
        (None, Some(events)) if !events.is_empty() => events,
        _ => {
            findings.error(at, "needs one of `event` and `events`, with at least one event");
            Vec::new()
        }
    };
    let expected = expected(config.expect, &at.key("expect"), findings);
    let expected = expected.filter(|_| findings.errors() == errors)?;
    Some(Case { name: config.name, file: file.to_owned(), line: mark.line, events, expected })
}

fn expected(config: ExpectConfig, at: &KeyPath, findings: &mut Findings) -> Option<Expected> {
    let ExpectMap { event, contains, dropped_by, dead_letter } = match config {
        ExpectConfig::Word(ExpectWord::Unchanged) => return Some(Expected::Unchanged),
        ExpectConfig::Word(ExpectWord::Dropped) => return Some(Expected::Dropped),
        ExpectConfig::Exactly(map) => map,
    };
    let stages = crate::event::Stage::ALL.map(crate::event::Stage::as_str);
    if let Some(stage) = &dead_letter
        && !stages.contains(&stage.as_str())
    {
        let text = format!("expected a stage ({}), found \"{stage}\"", stages.join(", "));
        findings.error(&at.key("dead_letter"), text);
        return None;
    }
    let mut given: Vec<Expected> = Vec::new();
    given.extend(event.map(Expected::Event));
    given.extend(contains.map(Expected::Contains));
    given.extend(dropped_by.map(Expected::DroppedBy));
    given.extend(dead_letter.map(Expected::DeadLetter));
    match (given.pop(), given.is_empty()) {
        (Some(expected), true) => Some(expected),
        _ => {
            findings.error(at, "needs one of `event`, `contains`, `dropped_by` and `dead_letter`");
            None
        }
    }
}
