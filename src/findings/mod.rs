//! What is found wrong or odd in configuration, each at the path of the key it concerns.
//!
//! Whoever owns a configuration struct checks it and writes into [`Findings`]; it need not know which
//! file the keys came from, nor where they stand in it. Nothing stops at the first error.

mod nearest;

use std::fmt;

use secrecy::SecretString;

pub(crate) use nearest::{nearest, suggestion};

/// The way from the top of a configuration file to one of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPath(Vec<Step>);

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The key of a map.
    Key(String),
    /// The place in a list, from 0.
    Index(usize),
}

/// Errors and warnings in the order in which they were found, and the secrets that were met on the
/// way, which no text may show.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    found: Vec<Finding>,
    secrets: Vec<SecretString>,
    of_variables: Vec<SecretString>,
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it keeps the configuration from being used.
    pub severity: Severity,
    /// The key it is about.
    pub at: KeyPath,
    /// What is wrong, and what would be right.
    pub text: String,
}

/// Whether a finding keeps the configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but the user should know.
    Warning,
}

impl KeyPath {
    /// The top of a file.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of a key below this one.
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// The path of an item of the list at this path.
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// The steps from the top.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The last key on the path, if the path does not end in a list.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// The path of another key of the same map.
    pub fn sibling(&self, key: &str) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec()).key(key)
    }

    /// Whether this is `other`, its `KEY_file`, or a key below it.
    fn is_at_or_below(&self, other: &Self) -> bool {
        if self.0.starts_with(&other.0) {
            return true;
        }
        let Some(Step::Key(key)) = other.0.last() else { return false };
        *self == other.sibling(&format!("{key}_file"))
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// `source.config.connection`, `filters[0]`, `consumer_config["group.id"]`.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.contains('.') || key.is_empty() => write!(f, "[\"{key}\"]")?,
                Step::Key(key) if depth == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

impl Findings {
    /// Notes something that keeps the configuration from being used.
    pub fn error(&mut self, at: &KeyPath, text: impl Into<String>) {
        self.found.push(Finding { severity: Severity::Error, at: at.clone(), text: text.into() });
    }

    /// Notes something the user should know.
    pub fn warning(&mut self, at: &KeyPath, text: impl Into<String>) {
        self.found.push(Finding { severity: Severity::Warning, at: at.clone(), text: text.into() });
    }

    /// Whether there is an error at this key, at its `KEY_file`, or anywhere below. What follows from one need
    /// not be said, too.
    pub fn has_error_at(&self, at: &KeyPath) -> bool {
        self.found.iter().any(|finding| finding.severity == Severity::Error && finding.at.is_at_or_below(at))
    }

    /// How many there are, errors and warnings: a place to look back to.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// What was found after there were so many.
    pub fn since(&mut self, len: usize) -> &mut [Finding] {
        self.found.get_mut(len..).unwrap_or_default()
    }

    /// How many errors there are. A check that leaves this number as it was has succeeded.
    pub fn errors(&self) -> usize {
        self.found.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Notes a value that no text may show, wherever it turns up.
    pub fn secret(&mut self, value: &str) {
        if !value.is_empty() {
            self.secrets.push(SecretString::from(value));
        }
    }

    /// Notes what a variable holds that a value was made of. No text about the configuration shows it.
    pub fn value_of_variable(&mut self, value: &str) {
        if !value.is_empty() {
            self.of_variables.push(SecretString::from(value));
        }
    }

    /// The values that no text may show.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.secrets.iter()
    }

    /// What the variables hold that values were made of.
    pub fn values_of_variables(&self) -> impl Iterator<Item = &SecretString> {
        self.of_variables.iter()
    }

    /// Takes over what another check found.
    pub fn append(&mut self, other: Self) {
        self.found.extend(other.found);
        self.secrets.extend(other.secrets);
        self.of_variables.extend(other.of_variables);
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_one_would_say_it() {
        let path = KeyPath::root().key("filters").index(0).key("config");
        assert_eq!(path.to_string(), "filters[0].config");
        let property = KeyPath::root().key("consumer_config").key("group.id");
        assert_eq!(property.to_string(), "consumer_config[\"group.id\"]");
    }
}
