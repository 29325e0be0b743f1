//! `datahub-relay offsets show`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use super::{RecipeArgs, Watched, complain, known_members, member_line, watch};
use crate::cli::moment::time_of_record;
use crate::cli::table::{Align, Table};
use crate::environment::Environment;
use crate::event::TopicPartition;
use crate::kafka::{KnownTopic, LogReader, Membership, Reach, Reading, Standing, StartError, Stretch};

/// How long the records are waited for whose times are shown. A time that does not come is left out.
const TIMES: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  datahub-relay offsets show -c recipe.yml
  datahub-relay offsets show -c recipes/ --json | jq '.[] | {group, lag}'

The next record is the first one that the group has not committed; its time says how far behind it is, and \
leads `offsets reset --to` and `tail --from` to that record. Nothing is changed, and no group is joined. A topic \
that does not exist is told; with one of several that is no error.

Exit codes: 0 everything could be looked at; 1 something could not, or none of a recipe's topics exists; \
2 wrong usage.";

/// Committed offset, log start, end and lag of each partition, and who is in the group.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    recipes: RecipeArgs,

    /// Print one JSON array instead of tables.
    #[arg(long)]
    json: bool,
}

/// What is shown of one pipeline.
struct View {
    standings: Vec<Standing>,
    /// `None` where the broker is the embedded one, which cannot say.
    membership: Option<Membership>,
    /// When the next record was produced, in milliseconds since the Unix epoch, of partitions with lag.
    next_times: BTreeMap<TopicPartition, i64>,
}

pub(super) fn show(
    args: &ShowArgs,
    environment: &Environment,
    output: &mut dyn Write,
) -> io::Result<ExitCode> {
    let (watched, mut all_well) = watch(&args.recipes, environment);
    let mut pipelines = Vec::new();
    for one in &watched {
        let view = match view(one) {
            Ok(view) => view,
            Err(error) => {
                complain(&format!("{}: {error}", one.recipe.name));
                all_well = false;
                continue;
            }
        };
        all_well &= say_what_is_not_there(one);
        if args.json {
            pipelines.push(as_json(one, &view));
        } else {
            write_view(one, &view, output)?;
        }
    }
    if args.json {
        writeln!(output, "{:#}", Value::Array(pipelines))?;
    }
    output.flush()?;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says on standard error which topics could not be looked at. Whether all could be, as far as they exist: a
/// pipeline may read topics that are created later, but not only such.
fn say_what_is_not_there(Watched { recipe, onlooker, .. }: &Watched) -> bool {
    let (missing, there): (Vec<&KnownTopic>, _) =
        onlooker.topics().iter().partition(|topic| topic.is_missing());
    let mut all_well = true;
    for KnownTopic { name, partitions, .. } in &there {
        if let Err(error) = partitions {
            complain(&format!("{}: the topic {name} cannot be looked at: {error}", recipe.name));
            all_well = false;
        }
    }
    if there.is_empty() && !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|topic| &*topic.name).collect();
        complain(&format!(
            "{}: none of its topics exists ({}): they were deleted, or not created yet; create them, or correct source.config.topic_routes",
            recipe.name,
            names.join(", ")
        ));
        all_well = false;
    }
    all_well
}

/// Why nothing is shown of a topic; `None` if it is shown.
fn why_not_shown(topic: &KnownTopic) -> Option<String> {
    let error = topic.partitions.err()?;
    Some(if topic.is_missing() {
        "does not exist: it was deleted, or not created yet".to_owned()
    } else {
        format!("cannot be looked at: {error}")
    })
}

fn view(one: &Watched) -> Result<View, StartError> {
    let standings = one.onlooker.standings()?;
    let membership = match one.onlooker.members() {
        Ok(membership) => Some(membership),
        Err(StartError::NoMembers) => None,
        Err(error) => return Err(error),
    };
    let next_times = next_times(one, &standings);
    Ok(View { standings, membership, next_times })
}

/// The times of the records that the group reads next.
fn next_times(one: &Watched, standings: &[Standing]) -> BTreeMap<TopicPartition, i64> {
    let mut times = BTreeMap::new();
    let stretches: Vec<Stretch> = standings
        .iter()
        .filter_map(|standing| {
            let from = standing.committed?.max(standing.start);
            let Standing { source, route, end, .. } = standing;
            (from < *end).then(|| Stretch {
                source: source.clone(),
                route: route.clone(),
                from,
                until: Some(*end),
            })
        })
        .collect();
    if stretches.is_empty() {
        return times;
    }
    // The times are an extra: what keeps them away has been told by the look-ups before.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return times;
    };
    let reader = LogReader::start(&one.recipe.name, &one.recipe.consumer, stretches, Reach::FirstOfEach);
    let Ok(reader) = reader else { return times };
    let reading = async {
        while let Some(reading) = reader.next().await {
            if let Reading::Record(_, record) = reading
                && let Some(time) = record.timestamp_ms
            {
                times.insert(record.position.source, time);
            }
        }
    };
    let _ = runtime.block_on(async { tokio::time::timeout(TIMES, reading).await });
    times
}

fn write_view(one: &Watched, view: &View, output: &mut dyn Write) -> io::Result<()> {
    let Watched { recipe, onlooker, .. } = one;
    writeln!(output, "{} (group {}, {})", recipe.name, onlooker.group(), recipe.file.display())?;
    match &view.membership {
        None => writeln!(output, "  members: the embedded broker cannot list them")?,
        Some(Membership::Empty) => writeln!(output, "  members: none")?,
        Some(Membership::Unknown) => writeln!(
            output,
            "  members: none that can be listed (the group does not exist, or uses the protocol of Kafka 4)"
        )?,
        Some(Membership::Members(members)) => {
            writeln!(output, "  members: {}", members.len())?;
            for member in members {
                let partitions: Vec<String> = member.partitions.iter().map(ToString::to_string).collect();
                let partitions =
                    if partitions.is_empty() { "no partition".to_owned() } else { partitions.join(" ") };
                writeln!(output, "    {}: {partitions}", member_line(member))?;
            }
        }
    }
    for topic in onlooker.topics() {
        if let Some(why) = why_not_shown(topic) {
            writeln!(output, "  {} {why}", topic.name)?;
        }
    }
    let Some(lag) = total_lag(&view.standings) else { return writeln!(output) };
    let mut table = Table::new([
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("COMMITTED", Align::Right),
        ("LOG START", Align::Right),
        ("END", Align::Right),
        ("LAG", Align::Right),
        ("NEXT RECORD", Align::Left),
    ]);
    for standing in &view.standings {
        let Standing { source, committed, start, end, .. } = standing;
        let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
        table.row([
            source.topic.to_string(),
            source.partition.to_string(),
            number(*committed),
            start.to_string(),
            end.to_string(),
            number(standing.lag()),
            view.next_times.get(source).map_or(String::new(), |ms| time_and_age(*ms)),
        ]);
    }
    table.write("  ", output)?;
    let gaps: Vec<String> = view.standings.iter().filter_map(gap).collect();
    for gap in gaps {
        writeln!(output, "  {gap}")?;
    }
    match view.standings.iter().filter(|standing| standing.committed.is_none()).count() {
        0 => writeln!(output, "  lag in all: {lag}\n"),
        open => writeln!(
            output,
            "  lag in all: {lag}, and what the start policy makes of {open} partitions without a committed offset\n"
        ),
    }
}

/// What is odd about where the group stands.
fn gap(standing: &Standing) -> Option<String> {
    let Standing { source, committed, start, end, .. } = standing;
    let committed = (*committed)?;
    if committed < *start {
        let lost = start - committed;
        return Some(format!("{source}: {lost} offsets that were not read are no longer in the log"));
    }
    (committed > *end).then(|| {
        format!("{source}: the committed offset lies beyond the end, as after the topic was created anew")
    })
}

/// `None` where no partition could be looked at: nobody knows how far behind the group is.
fn total_lag(standings: &[Standing]) -> Option<i64> {
    (!standings.is_empty()).then(|| standings.iter().filter_map(Standing::lag).sum())
}

/// `2026-01-31T08:00:00.000Z (3h 12m ago)`.
fn time_and_age(ms: i64) -> String {
    let (Some(shown), Ok(time)) = (time_of_record(ms), Timestamp::from_millisecond(ms)) else {
        return format!("{ms} ms");
    };
    let age = Timestamp::now().duration_since(time).max(SignedDuration::ZERO);
    let coarse = if age.as_hours() > 0 { Unit::Minute } else { Unit::Second };
    let age = age.round(coarse).unwrap_or(age);
    format!("{shown} ({age:#} ago)")
}

fn as_json(one: &Watched, view: &View) -> Value {
    let Watched { recipe, onlooker, .. } = one;
    let members = match &view.membership {
        None | Some(Membership::Unknown) => Value::Null,
        Some(known) => known_members(known)
            .iter()
            .map(|member| {
                let partitions: Vec<Value> = member
                    .partitions
                    .iter()
                    .map(|source| json!({"topic": &*source.topic, "partition": source.partition}))
                    .collect();
                json!({"client_id": member.client_id, "host": member.host, "member_id": member.id,
                    "partitions": partitions})
            })
            .collect(),
    };
    let unknown: serde_json::Map<String, Value> = onlooker
        .topics()
        .iter()
        .filter_map(|topic| Some((topic.name.to_string(), why_not_shown(topic)?.into())))
        .collect();
    let partitions: Vec<Value> = view
        .standings
        .iter()
        .map(|standing| {
            let Standing { source, committed, start, end, .. } = standing;
            json!({"topic": &*source.topic, "partition": source.partition, "committed": committed,
                "log_start": start, "end": end, "lag": standing.lag(),
                "next_record_ms": view.next_times.get(source)})
        })
        .collect();
    json!({"pipeline": recipe.name, "file": recipe.file, "group": onlooker.group(), "members": members,
        "unreadable_topics": unknown, "partitions": partitions, "lag": total_lag(&view.standings)})
}
