//! An error or a warning about a file, as a user reads it.

use std::fmt;
use std::path::PathBuf;

use super::node::Mark;
use crate::findings::KeyPath;

/// Something wrong or odd in a file. Displays as `FILE:LINE:COLUMN: KEY: TEXT`, which editors and CI
/// systems know how to follow; holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in the file; `None` if it concerns the file as a whole.
    pub place: Option<Mark>,
    /// The key; the root if it concerns the file as a whole.
    pub key: KeyPath,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl Problem {
    /// A problem with a file as a whole.
    pub fn of_file(file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, key: KeyPath::root(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(mark) = self.place {
            write!(f, ":{}:{}", mark.line, mark.column)?;
        }
        if !self.key.steps().is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}
