//! What the quickstart tells on standard output.

use std::io::{self, Write};
use std::path::Path;

use super::fate::{Fate, Fed, Letter};
use super::offsets::Standing;
use crate::cli::wording::Words;
use crate::embedded::TOPICS;
use crate::pipeline::Summary;

/// Tells what happens, chapter by chapter.
pub(super) struct Story<W> {
    output: W,
}

/// What was started, and where it is.
pub(super) struct Stage<'a> {
    /// The broker's `host:port`.
    pub(super) bootstrap: &'a str,
    /// The registry's URL.
    pub(super) registry: &'a str,
    /// The monitoring endpoint's URL.
    pub(super) monitoring: &'a str,
    /// Partitions of each topic.
    pub(super) partitions: i32,
    /// The recipe's file.
    pub(super) recipe: &'a Path,
}

/// What a run leaves behind.
pub(super) struct Left<'a> {
    /// What the action wrote.
    pub(super) action_file: &'a Path,
    /// The file of dead letters.
    pub(super) dead_letters: &'a Path,
    /// The recipe's file.
    pub(super) recipe: &'a Path,
}

impl<W: Write> Story<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output }
    }

    /// What was started.
    pub(super) fn started(&mut self, stage: &Stage<'_>, recipe: &str) -> io::Result<()> {
        let Stage { bootstrap, registry, monitoring, partitions, recipe: file } = stage;
        let out = &mut self.output;
        writeln!(out, "Started inside this process, on 127.0.0.1:")?;
        writeln!(out, "  Kafka            {bootstrap} (librdkafka's mock cluster)")?;
        writeln!(out, "  topics           {}, {partitions} partitions each", TOPICS.join(", "))?;
        writeln!(out, "  schema registry  {registry}")?;
        writeln!(out, "  status page      {monitoring}/ (also /metrics, /livez, /readyz)")?;
        writeln!(out, "\nThe recipe that runs, {}:\n", file.display())?;
        for line in recipe.lines() {
            writeln!(out, "  | {line}")?;
        }
        writeln!(out)?;
        out.flush()
    }

    /// What became of the records of the tour, topic by topic.
    pub(super) fn fates(&mut self, told: &[(Fed, Words, Fate)]) -> io::Result<()> {
        let out = &mut self.output;
        writeln!(out, "{} records were fed in. What became of each:", told.len())?;
        for topic in TOPICS {
            writeln!(out, "\n  {topic}")?;
            for (fed, words, fate) in told.iter().filter(|(fed, ..)| *fed.record.topic == *topic) {
                let position = &fed.position;
                let place = format!("[{}]@{}", position.source.partition, position.offset);
                writeln!(out, "    {place:<6} {}", line(words, fate))?;
            }
        }
        writeln!(out)?;
        out.flush()
    }

    /// The dead letters, and where they lie.
    pub(super) fn dead_letters(&mut self, letters: &[Letter], file: &Path) -> io::Result<()> {
        let out = &mut self.output;
        writeln!(out, "Dead letters, stored with their bytes before their offsets were committed:")?;
        writeln!(out, "  {}", file.display())?;
        for letter in letters {
            writeln!(out, "    {}", letter.line())?;
        }
        writeln!(out)?;
        out.flush()
    }

    /// Where the group stands.
    pub(super) fn standings(&mut self, group: &str, standings: &[Standing]) -> io::Result<()> {
        let out = &mut self.output;
        writeln!(out, "Committed offsets of the group {group}, as Kafka answers:")?;
        for topic in TOPICS {
            write!(out, "  {topic:<32}")?;
            for standing in standings.iter().filter(|standing| *standing.source.topic == *topic) {
                let Standing { source, committed, end } = standing;
                write!(out, "  [{}] {committed} of {end}", source.partition)?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
        out.flush()
    }

    /// How the load went.
    pub(super) fn load(&mut self, events: u64, seconds: f64) -> io::Result<()> {
        writeln!(
            self.output,
            "{events} random events were fed in, processed and committed in {seconds:.1} s.\n"
        )
    }

    /// That it goes on until somebody stops it.
    pub(super) fn goes_on(&mut self) -> io::Result<()> {
        writeln!(self.output, "Now an event now and then, until Ctrl-C:\n")?;
        self.output.flush()
    }

    /// One more event.
    pub(super) fn one_more(&mut self, fed: &Fed, words: &Words, fate: &Fate) -> io::Result<()> {
        writeln!(self.output, "  {:<38} {}", fed.position.to_string(), line(words, fate))?;
        self.output.flush()
    }

    /// How it ended, and what to do next.
    pub(super) fn ended(&mut self, summary: &Summary, left: &Left<'_>) -> io::Result<()> {
        let Left { action_file, dead_letters, recipe } = left;
        let out = &mut self.output;
        writeln!(out, "The pipeline's own summary: {summary}.")?;
        writeln!(out, "What its action wrote: {}", action_file.display())?;
        writeln!(out, "To look at its dead letters:")?;
        writeln!(out, "  datahub-relay dead-letters list --file {}", dead_letters.display())?;
        if let Some(folder) = recipe.parent() {
            let folder = folder.display();
            writeln!(
                out,
                "Everything of this run stays in {folder} for a look; rm -r {folder} removes it.\n"
            )?;
        }
        writeln!(out, "To run this recipe on your own DataHub (it reads; it writes to no topic):")?;
        writeln!(out, "  export KAFKA_BOOTSTRAP_SERVER=localhost:9092")?;
        writeln!(out, "  export SCHEMA_REGISTRY_URL=http://localhost:8080/schema-registry/api/")?;
        writeln!(out, "  datahub-relay run -c {}", recipe.display())?;
        writeln!(out, "(from a clone: cargo run --release -- run -c …)")?;
        out.flush()
    }
}

fn line(Words { kind, entity, change }: &Words, fate: &Fate) -> String {
    let (word, why) = match fate {
        Fate::ActedOn => ("acted on", None),
        Fate::Dropped(why) => ("dropped", Some(why.as_str())),
        Fate::DeadLettered => ("DEAD LETTER", None),
        Fate::Missing(why) => ("MISSING", Some(*why)),
    };
    let mut line = format!("{word:<11}  {kind:<14}  {entity:<44}  {change}");
    if let Some(why) = why {
        let gap = if change.is_empty() { "" } else { " " };
        line.push_str(&format!("{gap}({why})"));
    }
    line.trim_end().to_owned()
}
