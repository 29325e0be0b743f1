//! `datahub-relay dead-letters`: look at what could not be processed, and replay it.

mod history;
mod letters;
mod list;
mod rehearse;
mod replay;
mod selection;
mod show;
mod tally;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::environment::Environment;
use crate::recipe::{PrivateFiles, Recipe};

const EXAMPLES: &str = "\
Examples:
  datahub-relay dead-letters list -c recipe.yml
  datahub-relay dead-letters list -c recipe.yml --summary
  datahub-relay dead-letters list --file failed_events.log --since 2h --json
  datahub-relay dead-letters show -c recipe.yml group/PlatformEvent_v1/0/17
  datahub-relay dead-letters replay -c recipe.yml --dry-run
  datahub-relay dead-letters replay -c recipe.yml --class retries_exhausted";

/// Look at dead letters, and replay them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List letters, or count them.
    List(list::ListArgs),
    /// Show everything that is known about a letter.
    Show(show::ShowArgs),
    /// Take letters through the recipe's filters and action again, or back to their topic.
    Replay(replay::ReplayArgs),
}

impl Command {
    /// Whether it does more than to show something.
    fn acts(&self) -> bool {
        matches!(self, Self::Replay(args) if !args.dry_run)
    }
}

/// Where letters are read from.
#[derive(Debug, Clone, Args)]
struct SourceArgs {
    /// The recipe whose letters they are: its `dead_letter_topic` and its file are read, and of both
    /// only what its pipeline wrote.
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Read this file, and those put aside from it (FILE.1, FILE.2, …), instead of what the recipe says.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

/// Why a command could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("{0}")]
    Said(String),
    /// What was asked for cannot be meant.
    #[error("{0}")]
    Usage(String),
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    fn said(text: impl std::fmt::Display) -> Self {
        Self::Said(text.to_string())
    }
}

/// Runs the command. Exit codes: 0 done, 1 not all of it, or not at all, 2 wrong usage.
pub(super) fn dead_letters(
    args: &DeadLettersArgs,
    environment: &Environment,
    output: &mut impl Write,
) -> ExitCode {
    match run(args, environment, output) {
        Ok(code) => code,
        // A replay that ends early has not done what it was asked to, whoever reads of it.
        Err(CommandError::Output(error)) if is_unread(&error) && args.command.acts() => super::failed(
            "nobody reads the output any more: letters may be left; start the replay again to go on",
        ),
        // Whoever reads the list may have seen enough of it, as `head` does.
        Err(CommandError::Output(error)) if is_unread(&error) => ExitCode::SUCCESS,
        Err(CommandError::Usage(text)) => super::wrong_usage(&text),
        Err(error) => super::failed(&error.to_string()),
    }
}

fn is_unread(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn run(
    args: &DeadLettersArgs,
    environment: &Environment,
    output: &mut impl Write,
) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("relay").build()?;
    let done = runtime.block_on(async {
        match &args.command {
            Command::List(args) => list::list(args, environment, output).await,
            Command::Show(args) => show::show(args, environment, output).await,
            Command::Replay(args) => replay::replay(args, environment, output).await,
        }
    });
    // An action that does not let itself be cancelled is not waited for.
    runtime.shutdown_background();
    done
}

/// The recipe, if one is named, and the private files that it may need: these go when they are dropped.
fn recipe_of(
    args: &SourceArgs,
    environment: &Environment,
) -> Result<Option<(Recipe, PrivateFiles)>, CommandError> {
    let Some(config) = &args.config else {
        if args.file.is_none() {
            let text =
                "whose letters? name the recipe (-c recipe.yml) or the file (--file failed_events.log)";
            return Err(CommandError::Usage(text.to_owned()));
        }
        return Ok(None);
    };
    if config.is_dir() {
        let text = format!("-c takes one recipe here, and {} is a directory", config.display());
        return Err(CommandError::Usage(text));
    }
    let mut loaded = crate::cli::load(std::slice::from_ref(config), environment);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if !loaded.problems.is_empty() {
        let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        return Err(CommandError::Said(problems.join("\nerror: ")));
    }
    match loaded.recipes.pop() {
        Some(recipe) => Ok(Some((recipe, loaded.private_files))),
        None => {
            let text =
                format!("{} is disabled; set `enabled: true` to work with its letters", config.display());
            Err(CommandError::Said(text))
        }
    }
}

/// What a letter or an error says, without the recipe's secrets: the Python framework stores texts as they come.
fn without_secrets<'a>(text: &'a str, recipe: Option<&Recipe>) -> Cow<'a, str> {
    recipe.map_or(Cow::Borrowed(text), |recipe| recipe.secrets.redact(text))
}

/// A text on one line of a terminal: what comes from records must not control it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '�' } else { c }).collect()
}
