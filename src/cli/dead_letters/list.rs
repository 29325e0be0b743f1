//! `dead-letters list`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::history::{Replays, State};
use super::letters::Letters;
use super::selection::SelectionArgs;
use super::{CommandError, SourceArgs, printable, recipe_of, without_secrets};
use crate::dead_letter::Letter;
use crate::environment::Environment;

/// A message is cut at so many characters in the table.
const MESSAGE_CHARACTERS: usize = 100;

const EXAMPLES: &str = "\
Examples:
  datahub-relay dead-letters list -c recipe.yml --pending --since 1h
  datahub-relay dead-letters list -c recipe.yml --since 2d --until 30m
  datahub-relay dead-letters list -c recipe.yml --since 2026-01-31T08:00:00Z";

/// List letters, or count them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ListArgs {
    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    selection: SelectionArgs,

    /// One JSON object a line.
    #[arg(long)]
    json: bool,

    /// Count letters by stage and class instead of listing them.
    #[arg(long)]
    summary: bool,

    /// Only what was not replayed yet.
    #[arg(long)]
    pending: bool,

    /// The directory of the replay's journal [default: that of the file].
    #[arg(long, value_name = "DIRECTORY")]
    journal_dir: Option<PathBuf>,
}

/// Writes the list. What cannot be read is told on standard error, and does not end it.
pub(super) async fn list(
    args: &ListArgs,
    environment: &Environment,
    output: &mut impl Write,
) -> Result<ExitCode, CommandError> {
    let named = recipe_of(&args.source, environment)?;
    let recipe = named.as_ref().map(|(recipe, _)| recipe);
    let selection = args.selection.clone().of_pipeline(recipe.map(|recipe| recipe.name.as_str()));
    let replays = Replays::read(&args.source, recipe, args.journal_dir.as_deref()).await?;
    let mut letters = Letters::open(&args.source, recipe)?;
    let mut counts: BTreeMap<(String, String), [u64; 2]> = BTreeMap::new();
    let (mut read, mut meant, mut listed) = (0_u64, 0_u64, 0_u64);
    while let Some(letter) = letters.next_letter().await? {
        let letter = match letter {
            Ok(mut letter) => {
                letter.error.message = without_secrets(&letter.error.message, recipe).into_owned();
                letter
            }
            Err(unreadable) => {
                crate::cli::complain(&unreadable.to_string());
                continue;
            }
        };
        read += 1;
        let state = replays.state(&letter.key());
        let is_replayed = state != State::Pending;
        if !selection.takes(&letter) {
            continue;
        }
        meant += 1;
        if args.pending && is_replayed {
            continue;
        }
        if args.summary {
            let group = (letter.error.stage.clone(), letter.error.class.clone());
            let [all, pending] = counts.entry(group).or_default();
            *all += 1;
            *pending += u64::from(!is_replayed);
        } else if args.json {
            writeln!(output, "{}", as_json(&letter, state))?;
        } else {
            if listed == 0 {
                writeln!(
                    output,
                    "{}",
                    row(["LAST FAILED", "STAGE", "CLASS", "ROUND", "STATE"], "ID", "MESSAGE")
                )?;
            }
            write_row(&letter, state, output)?;
        }
        listed += 1;
    }
    if listed == 0 && !args.json {
        match meant {
            0 => writeln!(output, "{}", selection.none_of(read, letters.places()))?,
            1 => writeln!(output, "the one dead letter that matches was replayed")?,
            _ => writeln!(output, "all {meant} dead letters that match were replayed")?,
        }
    } else if args.summary {
        summarize(&counts, args.json, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row([time, stage, class, round, state]: [&str; 5], id: &str, message: &str) -> String {
    format!("{time:<24}  {stage:<8}  {class:<18}  {round:>5}  {state:<8}  {id}  {message}")
}

fn write_row(letter: &Letter, state: State, output: &mut impl Write) -> Result<(), CommandError> {
    let error = &letter.error;
    let mut message: String = printable(&error.message).chars().take(MESSAGE_CHARACTERS).collect();
    if error.message.chars().count() > MESSAGE_CHARACTERS {
        message.push('…');
    }
    let round = letter.lineage.round.to_string();
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
    let (time, stage, class) =
        (dash(error.last_at.as_deref().unwrap_or_default()), dash(&error.stage), dash(&error.class));
    let columns = [time.as_str(), stage.as_str(), class.as_str(), round.as_str(), state.as_str()];
    writeln!(output, "{}", row(columns, &printable(&letter.lineage.id), &message))?;
    Ok(())
}

fn as_json(letter: &Letter, state: State) -> serde_json::Value {
    let error = &letter.error;
    json!({
        "id": letter.lineage.id, "round": letter.lineage.round, "state": state.as_str(),
        "pipeline": letter.pipeline, "event_type": letter.event_type,
        "stage": error.stage, "class": error.class, "message": error.message,
        "http_status": error.http_status, "attempts": error.attempts,
        "first_at": error.first_at, "last_at": error.last_at,
        "place": letter.place.to_string(),
    })
}

fn summarize(
    counts: &BTreeMap<(String, String), [u64; 2]>,
    json: bool,
    output: &mut impl Write,
) -> Result<(), CommandError> {
    if !json {
        writeln!(output, "{:<8}  {:<24}  {:>9}  {:>9}", "STAGE", "CLASS", "LETTERS", "PENDING")?;
    }
    for ((stage, class), [letters, pending]) in counts {
        if json {
            let count = json!({"stage": stage, "class": class, "letters": letters, "pending": pending});
            writeln!(output, "{count}")?;
        } else {
            let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
            writeln!(output, "{:<8}  {:<24}  {letters:>9}  {pending:>9}", dash(stage), dash(class))?;
        }
    }
    Ok(())
}
