//! A configuration file that was read.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::node::Node;
use super::parse::{self, Language, Parsed};
use super::problem::Problem;
use crate::findings::{Findings, Severity};
use crate::redaction::{SHORTEST_BYTES, hide};

/// A file and its tree.
pub struct Document {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Everything in it.
    pub root: Node,
    /// Values and keys that are no part of `root`, since none can be made of them.
    pub errors: Vec<Problem>,
    /// Keys that were given twice.
    pub warnings: Vec<Problem>,
}

impl Document {
    /// Reads a file: JSON if its name ends in `.json`, YAML otherwise.
    ///
    /// # Errors
    /// If the file cannot be read, is not UTF-8, or does not parse.
    pub fn read(file: &Path) -> Result<Self, Problem> {
        let bytes = fs::read(file).map_err(|error| {
            Problem::of_file(file, format!("cannot be read: {error}; check the path and its permissions"))
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Problem::of_file(file, "is not UTF-8; save it in that encoding"))?;
        Self::parse(file, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If it does not parse.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problem> {
        let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let language = if is_json { Language::Json } else { Language::Yaml };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Parsed { root, errors, warnings } = parse::parse(file, text, language)?;
        Ok(Self { file: file.to_owned(), root, errors, warnings })
    }

    /// Gives what was found its place in the file, as (errors, warnings), each in the file's order, with what
    /// was found wrong when the file was read. Hides every value that came from a variable, and every secret that was noted.
    pub fn report(&self, findings: Findings) -> (Vec<Problem>, Vec<Problem>) {
        let secrets = self.secrets(&findings);
        let (mut errors, mut warnings) = (self.errors.clone(), self.warnings.clone());
        for finding in findings {
            let place = self.root.place_of(&finding.at);
            let text = redact(finding.text, &secrets, place);
            let problem = Problem { file: self.file.clone(), place: Some(place), key: finding.at, text };
            match finding.severity {
                Severity::Error => errors.push(problem),
                Severity::Warning => warnings.push(problem),
            }
        }
        // Stable: what concerns the same place stays in the order in which it was found.
        errors.sort_by_key(|problem| problem.place);
        warnings.sort_by_key(|problem| problem.place);
        (errors, warnings)
    }

    /// Values that came from variables, with their lines, and noted ones; longest first, so that one
    /// that is part of another does not leave the rest of it standing.
    fn secrets(&self, findings: &Findings) -> Vec<Secret> {
        let mut secrets = Vec::new();
        self.root.for_each_scalar(&mut |node| {
            if let Some(text) = node.text().filter(|text| node.from_variable && !text.is_empty()) {
                secrets.push(Secret { value: text.to_owned(), line: Some(node.mark.line) });
            }
        });
        secrets.extend(
            findings
                .secrets()
                .chain(findings.values_of_variables())
                .map(|secret| Secret { value: secret.expose_secret().to_owned(), line: None }),
        );
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
        secrets
    }
}

/// A value that no text may show. Has no `Debug`.
struct Secret {
    value: String,
    /// Where it stands; `None` if it stands in another file, or anywhere.
    line: Option<usize>,
}

fn redact(mut text: String, secrets: &[Secret], place: super::Mark) -> String {
    for Secret { value, line } in secrets {
        let here = *line == Some(place.line);
        // A shorter one is hidden only at its own key: elsewhere it would be found in any text.
        if here || value.len() >= SHORTEST_BYTES {
            text = hide(&text, value);
        }
    }
    text
}
