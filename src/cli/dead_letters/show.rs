//! `dead-letters show`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::letters::Letters;
use super::{CommandError, SourceArgs, printable, recipe_of, without_secrets};
use crate::dead_letter::Letter;
use crate::environment::Environment;
use crate::event::Record;
use crate::pipeline::LetterDecoder;
use crate::recipe::Recipe;

/// How long the registry may take to say what a record's bytes mean.
const DECODE_PATIENCE: Duration = Duration::from_secs(10);

/// So many bytes of a key, a value or a header are shown.
const SHOWN_BYTES: usize = 4096;

/// So many ids are named that end in the same way.
const MOST_IDS: usize = 5;

/// Show everything that is known about a letter.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The letter's id, as `list` and the log show it, or its end where that is clear, such as
    /// topic/partition/offset. If it failed in several rounds, all of them are shown.
    id: String,

    #[command(flatten)]
    source: SourceArgs,

    /// Only this round.
    #[arg(long)]
    round: Option<u32>,
}

/// Writes the letters with the id. 1 if there is none.
pub(super) async fn show(
    args: &ShowArgs,
    environment: &Environment,
    output: &mut impl Write,
) -> Result<ExitCode, CommandError> {
    let named = recipe_of(&args.source, environment)?;
    let recipe = named.as_ref().map(|(recipe, _)| recipe);
    let mut letters = Letters::open(&args.source, recipe)?;
    let (mut meant, mut unreadable) = (Meant::default(), 0_u64);
    while let Some(letter) = letters.next_letter().await? {
        match letter {
            Ok(letter) if args.round.is_none_or(|round| round == letter.lineage.round) => {
                meant.look(&args.id, letter, recipe.map(|recipe| recipe.name.as_str()));
            }
            Ok(_) => {}
            // What cannot be read has no id to ask for; `list` tells of it.
            Err(_) => unreadable += 1,
        }
    }
    let found = meant.letters(&args.id)?;
    if found.is_empty() {
        let round = args.round.map(|round| format!(" and round {round}")).unwrap_or_default();
        let others = match unreadable {
            0 => String::new(),
            _ => {
                format!("; {unreadable} that cannot be read were passed over, `dead-letters list` names them")
            }
        };
        return Err(CommandError::Said(format!(
            "there is no dead letter with the id {}{round} in {}{others}",
            printable(&args.id),
            letters.places()
        )));
    }
    for (index, letter) in found.into_iter().enumerate() {
        if index > 0 {
            writeln!(output)?;
        }
        write_letter(output, letter, recipe).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The letters that an id, or the end of one, may mean.
#[derive(Default)]
struct Meant {
    /// Those of one id.
    letters: Vec<Letter>,
    /// Other ids that end so too.
    others: BTreeSet<String>,
}

impl Meant {
    /// Takes a letter that is meant by `asked`: by a whole id whoever wrote it, by the end of one if it is of this
    /// `pipeline`, or if none is named.
    fn look(&mut self, asked: &str, letter: Letter, pipeline: Option<&str>) {
        let id = &letter.lineage.id;
        let is_its_own =
            || pipeline.is_none_or(|name| letter.pipeline.as_deref().is_none_or(|of| of == name));
        let ends_so = || id.strip_suffix(asked).is_some_and(|before| before.ends_with('/'));
        if id != asked && !(ends_so() && is_its_own()) {
            return;
        }
        match self.letters.first().map(|first| first.lineage.id.as_str()) {
            Some(first) if first == id => self.letters.push(letter),
            // A whole id is meant as it stands, whatever else ends like it.
            Some(first) if id == asked => {
                self.others.insert(first.to_owned());
                self.letters = vec![letter];
            }
            Some(_) => drop(self.others.insert(letter.lineage.id)),
            None => self.letters.push(letter),
        }
    }

    /// What was meant.
    fn letters(self, asked: &str) -> Result<Vec<Letter>, CommandError> {
        let first = self.letters.first().map(|first| first.lineage.id.as_str());
        if self.others.is_empty() || first == Some(asked) {
            return Ok(self.letters);
        }
        let ids: Vec<String> =
            first.into_iter().chain(self.others.iter().map(String::as_str)).map(printable).collect();
        let more = ids.len().saturating_sub(MOST_IDS);
        let named = ids[..ids.len().min(MOST_IDS)].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Err(CommandError::Said(format!(
            "{} dead letters have an id that ends with {}: {named}{more}; name one of them",
            ids.len(),
            printable(asked)
        )))
    }
}

async fn write_letter(
    output: &mut impl Write,
    mut letter: Letter,
    recipe: Option<&Recipe>,
) -> Result<(), CommandError> {
    letter.error.message = without_secrets(&letter.error.message, recipe).into_owned();
    write!(output, "{}", about(&letter))?;
    match (&letter.event, recipe) {
        (Some(event), _) => writeln!(output, "event\n{}", indented(&format!("{event:#}")))?,
        (None, Some(recipe)) => match decoded(recipe, &letter).await {
            Ok(event) => writeln!(output, "event, decoded now\n{}", indented(&event))?,
            Err(reason) => {
                let reason = without_secrets(&reason, Some(recipe));
                writeln!(output, "event         cannot be decoded: {}", printable(&reason))?;
            }
        },
        (None, None) => writeln!(output, "event         not decoded; with -c recipe.yml it is tried")?,
    }
    Ok(())
}

async fn decoded(recipe: &Recipe, letter: &Letter) -> Result<String, String> {
    let decoder = LetterDecoder::new(recipe).map_err(|error| error.to_string())?;
    let envelope = tokio::time::timeout(DECODE_PATIENCE, decoder.event_of(letter))
        .await
        .map_err(|_| format!("the schema registry gave no answer in {} s", DECODE_PATIENCE.as_secs()))??;
    serde_json::to_string_pretty(&envelope).map_err(|error| error.to_string())
}

/// What a letter says, but for its event.
fn about(letter: &Letter) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<12}  {}", printable(value));
    };
    let error = &letter.error;
    line("id", &letter.lineage.id);
    line("round", &letter.lineage.round.to_string());
    line("kept in", &letter.place.to_string());
    line("pipeline", letter.pipeline.as_deref().unwrap_or("-"));
    line("event type", letter.event_type.as_deref().unwrap_or("-"));
    line("stage", &error.stage);
    line("class", &error.class);
    line("message", &error.message);
    if let Some(status) = error.http_status {
        line("http status", &status.to_string());
    }
    line("attempts", &error.attempts.to_string());
    line("first failed", error.first_at.as_deref().unwrap_or("-"));
    line("last failed", error.last_at.as_deref().unwrap_or("-"));
    if let Some(record) = &letter.record {
        about_record(record, &mut line);
    }
    text
}

fn about_record(record: &Record, line: &mut impl FnMut(&str, &str)) {
    line("record", &record.position.to_string());
    let time = record.timestamp_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    line("timestamp", &time.map_or_else(|| "-".to_owned(), |time| format!("{time:.3}")));
    for (key, value) in &record.headers {
        for (index, row) in shown(value.as_deref()).iter().enumerate() {
            let name = if index == 0 { "header" } else { "" };
            let key = if index == 0 { key.as_str() } else { "" };
            line(name, &format!("{key} = {row}"));
        }
    }
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        for (index, row) in shown(bytes.as_deref()).iter().enumerate() {
            line(if index == 0 { name } else { "" }, row);
        }
    }
}

/// Text as text, anything else as rows of sixteen bytes in hexadecimal and ASCII.
fn shown(bytes: Option<&[u8]>) -> Vec<String> {
    let Some(bytes) = bytes else { return vec!["null".to_owned()] };
    if bytes.is_empty() {
        return vec!["(empty)".to_owned()];
    }
    let cut = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let text =
        std::str::from_utf8(cut).ok().filter(|text| !text.chars().any(|c| c.is_control() && c != '\n'));
    let mut rows: Vec<String> = match text {
        Some(text) => text.lines().map(str::to_owned).collect(),
        None => cut.chunks(16).enumerate().map(|(index, row)| hexadecimal(index * 16, row)).collect(),
    };
    if cut.len() < bytes.len() {
        rows.push(format!("… {} bytes in all", bytes.len()));
    }
    rows
}

fn hexadecimal(offset: usize, row: &[u8]) -> String {
    let mut text = format!("{offset:06x} ");
    for byte in row {
        let _ = write!(text, " {byte:02x}");
    }
    let ascii: String = row
        .iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
        .collect();
    format!("{text:<56}  {ascii}")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {}", printable(line))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_and_bytes_in_hexadecimal() {
        assert_eq!(shown(None), ["null"]);
        assert_eq!(shown(Some(b"")), ["(empty)"]);
        assert_eq!(shown(Some("urn:li:é".as_bytes())), ["urn:li:é"]);
        let rows = shown(Some(b"\0\0\0\0\x02abc"));
        assert_eq!(rows, [format!("{:<56}  .....abc", "000000  00 00 00 00 02 61 62 63")]);
        assert_eq!(shown(Some(&[1; 5000])).last().unwrap(), "… 5000 bytes in all");
    }
}
