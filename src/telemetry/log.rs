//! Log lines, on standard error.

use std::io::IsTerminal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::secrecy::RedactedStderr;
use crate::environment::Environment;

/// The variable whose value wins over the settings' level; `tracing-subscriber`'s directives.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A word in the place of a level is none.
    #[error("`log.level: {level}` is not a log level; use error, warn, info, debug, trace or off")]
    Level {
        /// What was given.
        level: String,
    },
    /// The level, or `RUST_LOG`, cannot be read.
    #[error(
        "{origin} cannot be read: {source}; use a level such as info, or directives such as info,rdkafka=debug"
    )]
    Filter {
        /// Where the text came from.
        origin: &'static str,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else in the process has set it up already.
    #[error("logging is set up already: {0}")]
    AlreadySet(String),
}

/// Sets up the process's log lines, on standard error: standard output belongs to the actions. No line shows
/// what [`keep_secret`](super::keep_secret) was told.
/// `level` is one level, or directives such as `info,datahub_relay::kafka=debug`; `RUST_LOG` wins.
///
/// # Errors
/// If the level cannot be read, or logging is set up already.
pub fn init(format: LogFormat, level: &str, environment: &Environment) -> Result<(), LogError> {
    let filter = filter(level, environment.get(FILTER_VARIABLE))?;
    // A line that cannot be written is lost. Reporting that would be a line, too: where standard error is
    // a full disk or a pipe that nobody reads, it would panic in whatever task logs next.
    let builder = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(RedactedStderr);
    let set = match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    set.map_err(|error| LogError::AlreadySet(error.to_string()))
}

fn filter(level: &str, variable: Option<&str>) -> Result<EnvFilter, LogError> {
    let (origin, directives) = match variable {
        Some(directives) => (FILTER_VARIABLE, directives),
        // A word without a level is a target to tracing-subscriber: `inof` would silence all else.
        None if level.split(',').any(is_misspelt_level) => {
            return Err(LogError::Level { level: level.to_owned() });
        }
        None => ("`log.level`", level),
    };
    EnvFilter::builder().parse(directives).map_err(|source| LogError::Filter { origin, source })
}

fn is_misspelt_level(word: &str) -> bool {
    let names_a_target = word.is_empty() || word.contains(['=', '[', ':', '_']);
    !names_a_target && word.trim().parse::<LevelFilter>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_over_the_level() {
        assert_eq!(filter("info", None).unwrap().to_string(), "info");
        assert_eq!(
            filter("info", Some("warn,datahub_relay=trace")).unwrap().to_string(),
            "datahub_relay=trace,warn"
        );
    }

    #[test]
    fn a_level_that_is_none_is_refused_with_its_origin() {
        let message = |level, variable| filter(level, variable).unwrap_err().to_string();
        assert_eq!(
            message("inof", None),
            "`log.level: inof` is not a log level; use error, warn, info, debug, trace or off"
        );
        assert!(message("in=fo=x", None).starts_with("`log.level`"));
        assert!(message("info", Some("a=b=c")).starts_with("RUST_LOG"));
    }
}
