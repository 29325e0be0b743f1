//! The types of source, filter, transform and action: those that there are, and those that belong to the
//! recipe contract and are not built yet, so that "not yet" is never mistaken for "unknown".

use crate::findings::{Findings, KeyPath, nearest};
use crate::yaml::{Content, Node};

/// The types of source, filter and action that this version knows.
pub(super) struct Kinds {
    /// What errors call it.
    pub what: &'static str,
    /// Supported.
    pub known: &'static [&'static str],
    /// Part of the contract, not supported yet.
    pub not_yet: &'static [&'static str],
    /// By which `config` is read where no type is given, so that the missing key hides nothing below it.
    pub assumed: Option<&'static str>,
}

pub(super) const SOURCES: Kinds =
    Kinds { what: "source", known: &["kafka", "datahub-cloud"], not_yet: &[], assumed: Some("kafka") };

pub(super) const FILTERS: Kinds =
    Kinds { what: "filter", known: &["event_type"], not_yet: &[], assumed: Some("event_type") };

pub(super) const TRANSFORMS: Kinds =
    Kinds { what: "transform", known: &["filter", "project", "enrich"], not_yet: &[], assumed: None };

pub(super) const ACTIONS: Kinds = Kinds {
    what: "action",
    known: &["hello_world", "noop", "file", "webhook"],
    not_yet: &[
        "slack",
        "teams",
        "kafka",
        "metadata_change_sync",
        "command",
        "executor",
        "tag_propagation",
        "term_propagation",
        "doc_propagation",
        "snowflake_tag_propagation",
    ],
    assumed: None,
};

impl Kinds {
    /// The type by which the `config` of `node` is to be read, if this version supports one: the one that
    /// stands there, or, after an error, the one that was probably meant, so that a slip in `type` does not
    /// hide what is wrong below it. `at` is the path of `node`.
    pub(super) fn of(&self, node: &Node, at: &KeyPath, findings: &mut Findings) -> Option<&'static str> {
        // That it is no map, or its type no text, has been found with the whole.
        let Content::Map(_) = node.content else { return None };
        let Some(given) = node.get("type") else {
            let known = self.known.join(", ");
            let one = if self.known.len() > 1 { "one of " } else { "" };
            findings.error(&at.key("type"), format!("is missing; add it: {one}{known}"));
            return self.assumed;
        };
        let given = given.text()?;
        if let Some(kind) = self.known.iter().find(|kind| **kind == given) {
            return Some(kind);
        }
        let what = self.what;
        let known = self.known.join(", ");
        let mut meant = None;
        let text = if self.not_yet.contains(&given) {
            format!("the {what} type \"{given}\" is not supported yet by this version; supported: {known}")
        } else if what == SOURCES.what && (given == "pg_queue" || is_python_class(given)) {
            format!("events come from Kafka only, not from \"{given}\"; supported: {known}")
        } else if is_python_class(given) {
            format!("{what}s written in Python are not supported yet by this version; supported: {known}")
        } else {
            let all: Vec<&'static str> = self.known.iter().chain(self.not_yet).copied().collect();
            meant = nearest(given, &all);
            match meant {
                Some(meant) => {
                    format!("unknown {what} type \"{given}\"; did you mean \"{meant}\"? supported: {known}")
                }
                None => format!("unknown {what} type \"{given}\"; supported: {known}"),
            }
        };
        findings.error(&at.key("type"), text);
        meant.filter(|meant| self.known.contains(meant))
    }
}

/// `module.path:ClassName` or `module.path.ClassName`.
fn is_python_class(kind: &str) -> bool {
    kind.contains([':', '.'])
}
