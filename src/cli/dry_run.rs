//! `datahub-relay run --dry-run`: which events would reach the action, from where the group stands.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::colour::Colours;
use super::event_line::EventLines;
use super::run::why_none_runs;
use super::signals::{stop_in_order, stopped_waiting};
use super::table::{Align, Table};
use crate::environment::Environment;
use crate::event::{Record, Stage};
use crate::kafka::{Onlooker, Standing, Stretch};
use crate::pipeline::{DroppedBy, Judgement, Preview, Shown, Trial};
use crate::recipe::{Loaded, Recipe};

/// How long the brokers are tried for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is shown, and in which form.
#[derive(Debug, Clone, Copy)]
pub(super) struct DryRunOptions {
    /// Read no further once so many events would have reached the action.
    pub(super) limit: Option<u64>,
    /// Events, and the sum at the end, as lines of JSON.
    pub(super) json: bool,
}

/// What would become of the records of one pipeline.
#[derive(Debug, Default)]
struct Sum {
    records: u64,
    reached: u64,
    /// How many each drops, and of those how many on their bytes alone.
    dropped: BTreeMap<DroppedBy, (u64, u64)>,
    unknown_platform_events: u64,
    tombstones: u64,
    dead_letters: BTreeMap<&'static str, u64>,
    /// Offsets that the group has not read and the log no longer holds.
    vanished: i64,
    /// Whether all was read.
    whole: bool,
}

/// Shows what each recipe would do. Joins no group, commits nothing, builds no action.
///
/// # Errors
/// If `output` cannot be written.
pub(super) fn dry_run(
    config: &[PathBuf],
    options: DryRunOptions,
    environment: &Environment,
    output: &mut dyn Write,
) -> io::Result<ExitCode> {
    let loaded = super::load(config, environment);
    tell(&loaded);
    if let Some(why) = why_none_runs(&loaded) {
        return Ok(super::failed(why));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let colours = Colours::of_standard_output(environment);
    let lines = EventLines::new(output, colours, options.json);
    let result = runtime.block_on(show_all(&loaded, options, lines));
    runtime.shutdown_background();
    let all_well = result? && loaded.problems.is_empty();
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says on standard error what `run` logs of the recipes; what is shown stands on standard output.
fn tell(loaded: &Loaded) {
    for problem in &loaded.problems {
        super::failed(&problem.to_string());
    }
    for warning in &loaded.warnings {
        super::complain(&warning.to_string());
    }
    for disabled in &loaded.disabled {
        super::complain(&format!("{}: the recipe is disabled", disabled.file.display()));
    }
}

async fn show_all(loaded: &Loaded, options: DryRunOptions, mut lines: EventLines<'_>) -> io::Result<bool> {
    let stop = stop_in_order();
    let mut all_well = true;
    for recipe in &loaded.recipes {
        let begun = tokio::select! {
            begun = begin(recipe) => begun,
            () = stop.cancelled() => {
                super::failed(&format!("{}: {}", recipe.name, stopped_waiting(&recipe.consumer)));
                all_well = false;
                break;
            }
        };
        let (preview, records, vanished) = match begun {
            Ok(begun) => begun,
            Err(text) => {
                super::failed(&format!("{}: {text}", recipe.name));
                all_well = false;
                continue;
            }
        };
        let mut sum = Sum { vanished, ..Sum::default() };
        let bar = progress(records);
        let read = read(&preview, options, &mut lines, (&mut sum, &bar));
        let failure = tokio::select! {
            failure = read => failure?,
            () = stop.cancelled() => None,
        };
        bar.finish_and_clear();
        if let Some(text) = failure {
            super::failed(&format!("{}: {text}", recipe.name));
            all_well = false;
        }
        if options.json {
            writeln!(lines.output(), "{}", sum.as_json(recipe))?;
        } else {
            sum.write(recipe, lines.output())?;
        }
    }
    lines.output().flush()?;
    Ok(all_well)
}

/// The preview of a pipeline from where its group stands, how many offsets it covers, and how many the log
/// no longer holds; the error is for a person.
async fn begin(recipe: &Recipe) -> Result<(Preview, u64, i64), String> {
    let (name, consumer) = (recipe.name.clone(), recipe.consumer.clone());
    let looked_up = tokio::task::spawn_blocking(move || {
        let onlooker = Onlooker::connect(&name, &consumer, PATIENCE).map_err(|error| error.to_string())?;
        for topic in onlooker.topics() {
            if let Err(error) = topic.partitions {
                tracing::error!("{name}: the topic {} is left out: {error}", topic.name);
            }
        }
        let standings = onlooker.standings().map_err(|error| error.to_string())?;
        let begins = onlooker.would_begin(&standings, &consumer).map_err(|error| error.to_string())?;
        Ok::<_, String>((standings, begins))
    });
    let (standings, begins) = looked_up.await.map_err(|error| error.to_string())??;
    let (mut records, mut vanished) = (0, 0);
    let stretches: Vec<Stretch> = standings
        .into_iter()
        .zip(begins)
        .map(|(standing, begin)| {
            let Standing { source, route, start, end, .. } = standing;
            // As at work: what vanished is passed over, and beyond the end lies another log, all of which
            // is new.
            let from = if (start..=end).contains(&begin) { begin } else { start };
            vanished += (from - begin).max(0);
            records += end - from;
            Stretch { source, route, from, until: Some(end) }
        })
        .collect();
    let settings = (&recipe.consumer, &recipe.registry);
    let preview =
        Preview::start(&recipe.name, settings, stretches, Trial::of(recipe), recipe.secrets.clone()).await;
    let preview = preview.map_err(|error| recipe.secrets.redact(&error.to_string()).into_owned())?;
    Ok((preview, u64::try_from(records).unwrap_or_default(), vanished))
}

fn progress(records: u64) -> ProgressBar {
    // Beside the events on standard output: hidden where nobody would see it move.
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} records, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(records).with_style(style)
}

/// Reads to the end or the limit; returns what went wrong.
async fn read(
    preview: &Preview,
    options: DryRunOptions,
    lines: &mut EventLines<'_>,
    (sum, bar): (&mut Sum, &ProgressBar),
) -> io::Result<Option<String>> {
    while options.limit.is_none_or(|limit| sum.reached < limit) {
        match preview.next().await {
            None => {
                sum.whole = true;
                return Ok(None);
            }
            Some(Shown::Record(record, judgement)) => {
                bar.inc(1);
                bar.suspend(|| show(&record, judgement, lines, sum))?;
            }
            Some(Shown::Ended(_)) => {}
            Some(Shown::Trouble(error)) => tracing::warn!(%error, "Kafka reports trouble"),
            Some(Shown::Failed(error)) => return Ok(Some(format!("a topic is read no more: {error}"))),
        }
    }
    Ok(None)
}

/// Counts a record, and shows it if it would reach the action or the dead letters.
fn show(record: &Record, judgement: Judgement, lines: &mut EventLines<'_>, sum: &mut Sum) -> io::Result<()> {
    sum.records += 1;
    let (stage, why) = match judgement {
        Judgement::Reaches { envelope, .. } => {
            sum.reached += 1;
            return lines.event(record, &envelope);
        }
        Judgement::Dropped { by, on_scan } => {
            let (dropped, on_scans) = sum.dropped.entry(by).or_default();
            *dropped += 1;
            *on_scans += u64::from(on_scan);
            return Ok(());
        }
        Judgement::Contradiction(place) => {
            // At work the scan decides.
            tracing::error!(position = %record.position, "the scan and {place} contradict each other: please report this as a bug");
            let (dropped, on_scans) = sum.dropped.entry(DroppedBy::Filter(place)).or_default();
            (*dropped, *on_scans) = (*dropped + 1, *on_scans + 1);
            return Ok(());
        }
        Judgement::Tombstone => {
            sum.tombstones += 1;
            return Ok(());
        }
        Judgement::UnknownPlatformEvent(_) => {
            sum.unknown_platform_events += 1;
            return Ok(());
        }
        Judgement::Undecodable(error) => (error.stage().unwrap_or(Stage::Schema), error.to_string()),
        Judgement::Untransformable(error) => (Stage::Transform, error.to_string()),
    };
    *sum.dead_letters.entry(stage.as_str()).or_default() += 1;
    lines.no_event(record, stage.as_str(), &why)
}

impl Sum {
    fn write(&self, recipe: &Recipe, output: &mut dyn Write) -> io::Result<()> {
        let Recipe { name, consumer, .. } = recipe;
        let until = if self.whole { "to the end of its topics" } else { "as far as was read" };
        writeln!(output, "\n{name} (group {}), from where it stands {until}:", consumer.group_id)?;
        let mut table = Table::new([("RECORDS", Align::Right), ("WOULD BE", Align::Left)]);
        let mut row = |count: u64, text: String| {
            if count > 0 {
                table.row([count.to_string(), text]);
            }
        };
        row(self.reached, "acted on".to_owned());
        for (by, (dropped, on_scan)) in &self.dropped {
            let scan = match on_scan {
                0 => String::new(),
                on_scan if on_scan == dropped => ", on their bytes alone".to_owned(),
                on_scan => format!(", {on_scan} of them on their bytes alone"),
            };
            row(*dropped, format!("dropped by {by}{scan}"));
        }
        row(self.unknown_platform_events, "dropped: platform events of unknown names".to_owned());
        row(self.tombstones, "passed over: no value".to_owned());
        for (stage, count) in &self.dead_letters {
            row(*count, format!("dead letters of the stage {stage}"));
        }
        table.write("  ", output)?;
        if self.vanished > 0 {
            writeln!(output, "  {} offsets that were not read are no longer in the log", self.vanished)?;
        }
        writeln!(output, "  {} records in all; nothing was acted on, nothing was committed", self.records)
    }

    fn as_json(&self, recipe: &Recipe) -> Value {
        let dropped: serde_json::Map<String, Value> = self
            .dropped
            .iter()
            .map(|(by, (dropped, on_scan))| (by.to_string(), json!({"records": dropped, "on_scan": on_scan})))
            .collect();
        json!({"dry_run": {"pipeline": recipe.name, "group": recipe.consumer.group_id, "whole": self.whole,
            "records": self.records, "acted_on": self.reached, "dropped": dropped,
            "unknown_platform_events": self.unknown_platform_events, "tombstones": self.tombstones,
            "dead_letters": self.dead_letters, "vanished_offsets": self.vanished}})
    }
}
