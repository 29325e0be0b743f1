//! Colours, on a terminal and nowhere else.

use std::fmt::Display;
use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Style};

use crate::environment::Environment;

/// Whether what is written to standard output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colours(bool);

impl Colours {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    pub(super) fn of_standard_output(environment: &Environment) -> Self {
        let dumb = environment.get("TERM").is_some_and(|terminal| terminal == "dumb");
        Self(io::stdout().is_terminal() && environment.get("NO_COLOR").is_none() && !dumb)
    }

    /// None.
    #[cfg(test)]
    pub(super) const fn none() -> Self {
        Self(false)
    }

    /// What is as it should be, or new.
    pub(super) fn green(self, text: impl Display) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// What is wrong, or gone.
    pub(super) fn red(self, text: impl Display) -> String {
        self.paint(AnsiColor::Red.on_default(), text)
    }

    /// What stands out.
    pub(super) fn bold(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// What stands back.
    pub(super) fn dim(self, text: impl Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// What is a kind.
    pub(super) fn cyan(self, text: impl Display) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
