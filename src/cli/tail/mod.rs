//! `datahub-relay tail`: events as they come, decoded, from outside of every group.

mod filter;
mod source;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::filter::FieldFilter;
use self::source::Source;
use super::colour::Colours;
use super::event_line::EventLines;
use super::moment::Moment;
use super::signals;
use crate::environment::Environment;
use crate::event::{Record, Stage};
use crate::filter::Filters;
use crate::pipeline::{Judgement, Shown};

const EXAMPLES: &str = "\
Examples:
  datahub-relay tail                                   what comes from now on
  datahub-relay tail --from -1h --filter operation=ADD,REMOVE
  datahub-relay tail --topic PlatformEvent_v1 --from earliest --until-end --json
  datahub-relay tail -c recipe.yml --from -2d          what reaches its action
  datahub-relay tail --bootstrap broker:9092 --registry http://registry:8081

No group is joined and nothing is committed. Without -c, Kafka and the registry are looked for where the \
environment says (KAFKA_BOOTSTRAP_SERVER, SCHEMA_REGISTRY_URL, KAFKA_PROPERTIES_*).

Exit codes: 0 stopped, or the limit or the end was reached; 1 something failed, or it was stopped before Kafka \
had answered; 2 wrong usage.";

/// Print decoded events as they come, without joining a group.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TailArgs {
    /// A recipe: its connection, topics, filters and transforms.
    #[arg(short, long = "config", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Kafka's brokers, host:port separated by commas.
    #[arg(long, value_name = "BROKERS")]
    bootstrap: Option<String>,

    /// The schema registry's URL.
    #[arg(long, value_name = "URL")]
    registry: Option<String>,

    /// Only this topic, which may be any Avro topic; may be repeated [default: DataHub's three, or the
    /// recipe's].
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,

    /// Only this partition; may be repeated.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,

    /// Where to begin: latest, earliest, a time (RFC 3339), how long ago (-1h, -2d), or an offset.
    #[arg(
        long,
        value_name = "latest|earliest|TIME|OFFSET",
        default_value = "latest",
        allow_hyphen_values = true
    )]
    from: Moment,

    /// Only events with this value in this field, a dotted path; `event_type` selects by type. Several
    /// values are separated by commas; may be repeated, and then all must match.
    #[arg(long, value_name = "FIELD=VALUE")]
    filter: Vec<FieldFilter>,

    /// End after so many events.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// End where the topics end now.
    #[arg(long)]
    until_end: bool,

    /// Print each event as one line of JSON, as actions see it.
    #[arg(long)]
    json: bool,
}

/// What was read.
#[derive(Debug, Default)]
struct Count {
    shown: u64,
    not_wanted: u64,
    no_events: u64,
}

/// Prints events until there is nothing more to print, or somebody stops it.
///
/// # Errors
/// If `output` cannot be written.
pub(super) fn tail(
    args: &TailArgs,
    environment: &Environment,
    output: &mut dyn Write,
) -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let colours = Colours::of_standard_output(environment);
    let lines = EventLines::new(output, colours, args.json);
    let result = runtime.block_on(print(args, environment, lines));
    runtime.shutdown_background();
    result
}

async fn print(
    args: &TailArgs,
    environment: &Environment,
    mut lines: EventLines<'_>,
) -> io::Result<ExitCode> {
    if let Some(directory) = args.config.as_ref().filter(|config| config.is_dir()) {
        let text = format!("-c takes one recipe here, and {} is a directory", directory.display());
        return Ok(super::wrong_usage(&text));
    }
    let source = match Source::of(args, environment) {
        Ok(source) => source,
        Err(text) => return Ok(super::failed(&text)),
    };
    match filter::review(&args.filter, source.routes()) {
        Ok(warnings) => warnings.iter().for_each(|warning| super::complain(warning)),
        Err(text) => return Ok(super::wrong_usage(&text)),
    }
    let stop = signals::stop_in_order();
    let filters = filter::compiled(&args.filter, &source.other_types());
    let preview = tokio::select! {
        preview = source.begin(args) => preview,
        () = stop.cancelled() => return Ok(super::failed(&source.stopped_waiting())),
    };
    let preview = match preview {
        Ok(preview) => preview,
        Err(text) => return Ok(super::failed(&text)),
    };
    let mut count = Count::default();
    let mut code = ExitCode::SUCCESS;
    while args.limit.is_none_or(|limit| count.shown < limit) {
        let shown = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            shown = preview.next() => shown,
        };
        match shown {
            None => break,
            Some(Shown::Record(record, judgement)) => {
                let narrowed = !args.filter.is_empty();
                show(&record, judgement, (&filters, narrowed), &mut lines, &mut count)?;
            }
            Some(Shown::Ended(_)) => {}
            Some(Shown::Trouble(error)) => tracing::warn!(%error, "Kafka reports trouble"),
            Some(Shown::Failed(error)) => code = super::failed(&format!("a topic is read no more: {error}")),
        }
    }
    lines.output().flush()?;
    if !args.json {
        let Count { shown, not_wanted, no_events } = count;
        // Where standard error is closed nobody misses it.
        let _ =
            writeln!(io::stderr(), "{shown} shown, {not_wanted} not wanted, {no_events} that are not events");
    }
    drop(preview);
    Ok(code)
}

/// Shows a record if it is wanted. What is no event has no field that a `--filter` could look at.
fn show(
    record: &Record,
    judgement: Judgement,
    (filters, narrowed): (&Filters, bool),
    lines: &mut EventLines<'_>,
    count: &mut Count,
) -> io::Result<()> {
    let no_event = match judgement {
        Judgement::Reaches { envelope, decoded } => {
            if !filters.matches(decoded.as_deref().unwrap_or(&envelope)) {
                count.not_wanted += 1;
                return Ok(());
            }
            count.shown += 1;
            return lines.event(record, &envelope);
        }
        Judgement::Dropped { .. } | Judgement::UnknownPlatformEvent(_) | Judgement::Contradiction(_) => {
            count.not_wanted += 1;
            return Ok(());
        }
        Judgement::Tombstone => None,
        Judgement::Undecodable(error) => Some((error.stage().unwrap_or(Stage::Schema), error.to_string())),
        Judgement::Untransformable(error) => Some((Stage::Transform, error.to_string())),
    };
    count.no_events += 1;
    match no_event {
        _ if narrowed => Ok(()),
        None => lines.tombstone(record),
        Some((stage, why)) => lines.no_event(record, stage.as_str(), &why),
    }
}
