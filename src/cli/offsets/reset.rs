//! `datahub-relay offsets reset`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{RecipeArgs, Watched, complain, known_members, member_line, watch};
use crate::cli::moment::Moment;
use crate::cli::table::{Align, Table};
use crate::environment::Environment;
use crate::event::TopicPartition;
use crate::kafka::{Effect, Member, Move, ResetError, Standing, StartError, StartPosition};

const EXAMPLES: &str = "\
Examples:
  datahub-relay offsets reset -c recipe.yml --to -1h --dry-run
  datahub-relay offsets reset -c recipe.yml --to earliest --yes
  datahub-relay offsets reset -c recipe.yml --to 2026-01-31T08:00:00.000Z
  datahub-relay offsets reset -c recipe.yml --to 4711 --topic Mine --partition 0

Stop every process that runs the pipeline first: Kafka takes no new offsets while a group has members. \
Either all partitions of a group are moved or none. With --dry-run the processes may run.

Exit codes: 0 done, or shown with --dry-run; 1 refused or failed; 2 wrong usage.";

/// Move the committed offsets of a group that has no members.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    recipes: RecipeArgs,

    /// Where to: earliest, latest, an offset, a time (RFC 3339), or how long ago (-1h, -2d).
    #[arg(long, value_name = "earliest|latest|TIME|OFFSET", allow_hyphen_values = true)]
    to: Moment,

    /// Only this topic; may be repeated.
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,

    /// Only this partition; may be repeated.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,

    /// Show what would be moved, and move nothing.
    #[arg(long)]
    dry_run: bool,

    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,

    /// Print one JSON array instead of tables.
    #[arg(long)]
    json: bool,
}

/// Why a pipeline's offsets cannot be moved as asked.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    #[error(transparent)]
    LookUp(#[from] StartError),
    #[error("does not read the topic {topic}; it reads {known}")]
    UnknownTopic { topic: String, known: String },
    #[error("the topic {topic} cannot be looked at: {why}")]
    Unreadable { topic: String, why: String },
    #[error("has no partition that was asked for; look with `offsets show`")]
    Nothing,
    #[error("an offset belongs to one partition, and {0} were chosen; name one with --topic and --partition")]
    OffsetOfMany(usize),
    #[error(
        "{partition} holds the offsets {start} to {end}, the latter behind its last record; {offset} lies outside"
    )]
    OutOfBounds { partition: TopicPartition, start: i64, end: i64, offset: i64 },
}

/// What is to be done with one pipeline's group.
struct Plan {
    moves: Vec<Move>,
    members: Vec<Member>,
}

pub(super) fn reset(
    args: &ResetArgs,
    environment: &Environment,
    output: &mut dyn Write,
) -> io::Result<ExitCode> {
    let (watched, mut all_well) = watch(&args.recipes, environment);
    let mut plans = Vec::new();
    for one in watched {
        match plan(&one, args) {
            Ok(plan) => plans.push((one, plan)),
            Err(error) => {
                complain(&format!("{}: {error}", one.recipe.name));
                all_well = false;
            }
        }
    }
    if !args.json {
        for (one, plan) in &plans {
            write_plan(one, plan, output)?;
        }
    }
    for (one, plan) in plans.iter().filter(|(_, plan)| !plan.members.is_empty()) {
        let members: Vec<String> = plan.members.iter().map(member_line).collect();
        let group = one.onlooker.group().to_owned();
        let why = format!("{}: members: {}", ResetError::HasMembers { group }, members.join(", "));
        if args.dry_run {
            // Somebody wanted to look, and has seen it.
            let _ = writeln!(io::stderr(), "note: this could not be done now: {why}");
        } else {
            complain(&why);
            all_well = false;
        }
    }
    let moves: usize = plans.iter().map(|(_, plan)| changes(plan).len()).sum();
    let go_on = all_well && !args.dry_run && moves > 0;
    if go_on && !args.yes && !confirmed(moves, plans.len())? {
        return Ok(ExitCode::from(if can_ask() { 1 } else { 2 }));
    }
    if !all_well && !args.dry_run {
        complain("nothing was changed");
    }
    let mut outcomes = Vec::new();
    for (one, plan) in &plans {
        let mut applied = false;
        if go_on {
            match one.onlooker.reset(&changes(plan)) {
                Ok(()) => applied = true,
                Err(error) => {
                    let is_sure = matches!(error, ResetError::HasMembers { .. });
                    let unchanged = if is_sure { "; nothing was changed in this group" } else { "" };
                    complain(&format!("{}: {error}{unchanged}", one.recipe.name));
                    all_well = false;
                }
            }
        }
        if args.json {
            outcomes.push(as_json(one, plan, applied));
        } else if applied {
            writeln!(output, "{}: {} partitions moved", one.recipe.name, changes(plan).len())?;
        }
    }
    if args.json {
        writeln!(output, "{:#}", Value::Array(outcomes))?;
    } else if args.dry_run {
        writeln!(output, "dry run: nothing was changed")?;
    } else if moves == 0 && all_well {
        writeln!(output, "every partition stands there already: nothing to change")?;
    }
    output.flush()?;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(one: &Watched, args: &ResetArgs) -> Result<Plan, PlanError> {
    let topics = one.onlooker.topics();
    for wanted in &args.topic {
        match topics.iter().find(|topic| *topic.name == **wanted).map(|topic| topic.partitions) {
            Some(Ok(_)) => {}
            Some(Err(why)) => {
                return Err(PlanError::Unreadable { topic: wanted.clone(), why: why.to_string() });
            }
            None => {
                let known = topics.iter().map(|topic| &*topic.name).collect::<Vec<_>>().join(", ");
                return Err(PlanError::UnknownTopic { topic: wanted.clone(), known });
            }
        }
    }
    let chosen = |standing: &Standing| {
        let Standing { source, .. } = standing;
        (args.topic.is_empty() || args.topic.iter().any(|topic| **topic == *source.topic))
            && (args.partition.is_empty() || args.partition.contains(&source.partition))
    };
    let standings: Vec<Standing> = one.onlooker.standings()?.into_iter().filter(chosen).collect();
    if standings.is_empty() {
        return Err(PlanError::Nothing);
    }
    let sources: Vec<TopicPartition> = standings.iter().map(|standing| standing.source.clone()).collect();
    let position = match args.to {
        Moment::Earliest => StartPosition::Earliest,
        Moment::Latest => StartPosition::Latest,
        Moment::Time(time) => StartPosition::Timestamp(time.as_millisecond()),
        Moment::Offset(offset) => return plan_offset(one, standings, offset),
    };
    let offsets = one.onlooker.offsets_at(&sources, position)?;
    let moves = standings.into_iter().zip(offsets).map(|(standing, to)| Move { standing, to }).collect();
    Ok(Plan { moves, members: members(one)? })
}

fn plan_offset(one: &Watched, standings: Vec<Standing>, offset: i64) -> Result<Plan, PlanError> {
    let [standing] = &standings[..] else { return Err(PlanError::OffsetOfMany(standings.len())) };
    let Standing { source, start, end, .. } = standing;
    if !(*start..=*end).contains(&offset) {
        let (start, end) = (*start, *end);
        return Err(PlanError::OutOfBounds { partition: source.clone(), start, end, offset });
    }
    let moves = standings.into_iter().map(|standing| Move { standing, to: offset }).collect();
    Ok(Plan { moves, members: members(one)? })
}

fn members(one: &Watched) -> Result<Vec<Member>, StartError> {
    Ok(known_members(&one.onlooker.members()?).to_vec())
}

/// The moves that change anything.
fn changes(plan: &Plan) -> Vec<Move> {
    plan.moves.iter().filter(|one| one.standing.committed != Some(one.to)).cloned().collect()
}

fn write_plan(one: &Watched, plan: &Plan, output: &mut dyn Write) -> io::Result<()> {
    writeln!(output, "{} (group {})", one.recipe.name, one.onlooker.group())?;
    let mut table = Table::new([
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("FROM", Align::Right),
        ("TO", Align::Right),
        ("RECORDS", Align::Left),
    ]);
    let (mut again, mut skipped) = (0, 0);
    for step in &plan.moves {
        let Standing { source, committed, .. } = &step.standing;
        let effect = match step.effect() {
            Effect::None if *committed == Some(step.to) => "stays".to_owned(),
            Effect::None => "none".to_owned(),
            Effect::First => "the group's first offset here".to_owned(),
            Effect::Again(records) => {
                again += records;
                format!("{records} come again")
            }
            Effect::Skipped(records) => {
                skipped += records;
                format!("{records} are skipped")
            }
        };
        table.row([
            source.topic.to_string(),
            source.partition.to_string(),
            committed.map_or("-".to_owned(), |offset| offset.to_string()),
            step.to.to_string(),
            effect,
        ]);
    }
    table.write("  ", output)?;
    writeln!(output, "  in all: {again} come again, {skipped} are skipped\n")
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks whoever sits at the terminal.
fn confirmed(moves: usize, groups: usize) -> io::Result<bool> {
    if !can_ask() {
        complain("there is nobody to ask; add --yes to move the offsets, or --dry-run to look only");
        return Ok(false);
    }
    let of = if groups == 1 { "this group".to_owned() } else { format!("these {groups} groups") };
    write!(io::stderr(), "Move {moves} partitions of {of}? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if !yes {
        complain("nothing was changed");
    }
    Ok(yes)
}

fn as_json(one: &Watched, plan: &Plan, applied: bool) -> Value {
    let moves: Vec<Value> = plan
        .moves
        .iter()
        .map(|step| {
            let (again, skipped) = match step.effect() {
                Effect::None => (Some(0), Some(0)),
                Effect::Again(records) => (Some(records), Some(0)),
                Effect::Skipped(records) => (Some(0), Some(records)),
                Effect::First => (None, None),
            };
            let Standing { source, committed, .. } = &step.standing;
            json!({"topic": &*source.topic, "partition": source.partition, "from": committed, "to": step.to,
                "come_again": again, "skipped": skipped})
        })
        .collect();
    json!({"pipeline": one.recipe.name, "group": one.onlooker.group(), "applied": applied, "moves": moves})
}
