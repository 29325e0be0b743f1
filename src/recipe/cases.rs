//! Cases written beside a recipe: events in, and what must reach the action.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::environment::Environment;
use crate::event::{EventType, Route};
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
    /// Its path in that file.
    at: KeyPath,
    /// Whether its one event stands under `event`.
    is_of_one: bool,
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

/// What a case may name in a recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseTerms {
    /// What may drop an event, by its path.
    pub droppers: Vec<String>,
    /// Types of event: the standard ones, and those that the recipe has given names to.
    pub event_types: Vec<String>,
}

/// What a `*_test.yml` holds.
#[derive(Default)]
pub struct CaseFile {
    /// Its cases.
    pub cases: Vec<Case>,
    /// Variables with which the recipe is read, over those of the process; `None` if an error leaves open what
    /// they are, so that the recipe cannot be judged.
    pub variables: Option<BTreeMap<String, String>>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// `None` if it could not be read at all.
    document: Option<Document>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the shape of the file: the variables and each case are read by themselves, so that an error in one does not hide another"
)]
struct CaseFileConfig {
    /// Variables with which the recipe is read, over those of the process.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// The cases.
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
        let _: Option<CaseFileConfig> = read_as(&document.root, &KeyPath::root(), &mut findings);
        let cases = cases_of(file, &document.root, None, &mut findings);
        let variables = variables_of(&document);
        let (problems, _) = document.report(findings);
        Self { cases, variables, problems, document: Some(document) }
    }

    /// The environment with which the recipe is read.
    pub fn environment(&self, process: &Environment) -> Environment {
        let own = self.variables.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
        process.with_prefix("").chain(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Leaves out the cases that name what their recipe does not have, and says so.
    pub fn check_against(&mut self, terms: &CaseTerms) {
        let Some(document) = &self.document else { return };
        let mut findings = Findings::default();
        self.cases.retain(|case| case.fits(terms, &mut findings));
        let (problems, _) = document.report(findings);
        // What could not be read has been reported.
        self.problems.extend(problems.into_iter().filter(|problem| !document.errors.contains(problem)));
    }
}

/// What stands under `environment`. Each part of the file is read by itself, so that an error in a case does not
/// let the recipe seem to lack its variables.
fn variables_of(document: &Document) -> Option<BTreeMap<String, String>> {
    let is_known = |key: &str| matches!(key, "environment" | "tests");
    // A misspelt `environment`, or a value in it that could not be read.
    let root = &document.root;
    if !document.errors.is_empty() || root.entries().iter().any(|entry| !is_known(&entry.key)) {
        return None;
    }
    let Some(node) = root.get("environment") else { return Some(BTreeMap::new()) };
    let mut noted = Findings::default();
    let variables = read_as(node, &KeyPath::root(), &mut noted);
    variables.filter(|_| noted.errors() == 0)
}

impl CaseTerms {
    /// What a recipe's cases may name; `topics` are those that it reads.
    pub(super) fn of(root: &Node, topics: &[(String, Route)]) -> Self {
        let list = |key: &str| root.get(key).map(Node::items).unwrap_or_default();
        let mut droppers = vec!["source".to_owned()];
        droppers.extend((0..list("filters").len()).map(|index| format!("filters[{index}]")));
        droppers.extend(root.get("filter").map(|_| "filter".to_owned()));
        let is_filter = |node: &Node| node.get("type").and_then(Node::text) == Some("filter");
        let filters = list("transform").iter().enumerate().filter(|(_, transform)| is_filter(transform));
        droppers.extend(filters.map(|(index, _)| format!("transform[{index}]")));
        let mut event_types: Vec<String> = EventType::STANDARD.iter().map(ToString::to_string).collect();
        for event_type in topics.iter().flat_map(|(_, route)| route.event_types()) {
            if !event_types.iter().any(|known| known == event_type.as_str()) {
                event_types.push(event_type.to_string());
            }
        }
        Self { droppers, event_types }
    }
}

impl Case {
    /// Whether the recipe has what the case names; what it does not have is noted.
    fn fits(&self, terms: &CaseTerms, findings: &mut Findings) -> bool {
        let errors = findings.errors();
        for (index, event) in self.events.iter().enumerate() {
            let name = &event.event_type;
            if !terms.event_types.contains(name) {
                let at =
                    if self.is_of_one { self.at.key("event") } else { self.at.key("events").index(index) };
                let types = terms.event_types.join(", ");
                let text = format!("no event has the type \"{name}\"; types are {types}");
                findings.error(&at.key("event_type"), text);
            }
        }
        if let Expected::DroppedBy(path) = &self.expected
            && !terms.droppers.contains(path)
        {
            let droppers = terms.droppers.join(", ");
            let text =
                format!("expected what may drop an event in this recipe ({droppers}), found \"{path}\"");
            findings.error(&self.at.key("expect").key("dropped_by"), text);
        }
        findings.errors() == errors
    }
}

/// The cases under `tests`, whose shape has been checked with the whole; what else is wrong with them is
/// noted. What they name is compared with `terms`, where the recipe is known.
pub(super) fn cases_of(
    file: &Path,
    root: &Node,
    terms: Option<&CaseTerms>,
    findings: &mut Findings,
) -> Vec<Case> {
    let at = KeyPath::root().key("tests");
    let nodes = root.get("tests").map(Node::items).unwrap_or_default();
    let mut cases = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let at = at.index(index);
        let mut noted = Findings::default();
        let config: Option<CaseConfig> = read_as(node, &at, &mut noted);
        // What follows from a misspelt key would only stand beside it.
        let Some(config) = config.filter(|_| noted.errors() == 0) else { continue };
        let case = case(config, file, node.mark, &at, findings);
        cases.extend(case.filter(|case| terms.is_none_or(|terms| case.fits(terms, findings))));
    }
    cases
}

fn case(config: CaseConfig, file: &Path, mark: Mark, at: &KeyPath, findings: &mut Findings) -> Option<Case> {
    let errors = findings.errors();
    let is_of_one = config.event.is_some();
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
    let (name, file, line, at) = (config.name, file.to_owned(), mark.line, at.clone());
    Some(Case { name, file, line, at, is_of_one, events, expected })
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
