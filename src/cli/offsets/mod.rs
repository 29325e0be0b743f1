//! `datahub-relay offsets`: where the groups of recipes stand in their topics, and moving them.

mod acknowledge;
mod reset;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::environment::Environment;
use crate::kafka::{Member, Membership, Onlooker};
use crate::recipe::{Loaded, PrivateFiles, Recipe};
use crate::telemetry;

/// How long the brokers are tried for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Show where the groups of recipes stand in their topics, move them, or let them pass a gap.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(super) struct OffsetsArgs {
    #[command(subcommand)]
    command: OffsetsCommand,
}

#[derive(Debug, Subcommand)]
enum OffsetsCommand {
    /// Committed offset, log start, end and lag of each partition, and who is in the group.
    Show(show::ShowArgs),
    /// Move the committed offsets of a group that has no members.
    Reset(reset::ResetArgs),
    /// Let a pipeline go on that waits at a gap (`on_gap: wait`).
    Acknowledge(acknowledge::AcknowledgeArgs),
}

/// The recipes that are meant.
#[derive(Debug, Args)]
struct RecipeArgs {
    /// A recipe, or a directory of recipes (*.yml and *.yaml, but not *_test.yml); may be repeated.
    #[arg(short, long = "config", value_name = "FILE|DIRECTORY", required = true)]
    config: Vec<PathBuf>,
}

/// Runs the command. What is wrong goes to standard error, what was asked for to `output`.
///
/// # Errors
/// If `output` cannot be written.
pub(super) fn offsets(
    args: &OffsetsArgs,
    environment: &Environment,
    output: &mut dyn Write,
) -> io::Result<ExitCode> {
    match &args.command {
        OffsetsCommand::Show(args) => show::show(args, environment, output),
        OffsetsCommand::Reset(args) => reset::reset(args, environment, output),
        OffsetsCommand::Acknowledge(args) => acknowledge::acknowledge(args, environment, output),
    }
}

/// A recipe and the client that looks at its group.
struct Watched {
    recipe: Recipe,
    onlooker: Onlooker,
    /// Further clients read them, too.
    _private_files: PrivateFiles,
}

/// Loads the recipes and reaches their brokers, and says on standard error what keeps which of them
/// from being looked at. Whether all of them could be.
fn watch(args: &RecipeArgs, environment: &Environment) -> (Vec<Watched>, bool) {
    let Loaded { recipes, problems, disabled, private_files, .. } =
        crate::cli::load(&args.config, environment);
    let mut all_well = problems.is_empty();
    for problem in &problems {
        complain(&problem.to_string());
    }
    for off in &disabled {
        let text =
            format!("{} is disabled and left out; set `enabled: true` to include it", off.file.display());
        let _ = writeln!(io::stderr(), "note: {text}");
    }
    let mut watched = Vec::new();
    for recipe in recipes {
        match Onlooker::connect(&recipe.name, &recipe.consumer, PATIENCE) {
            Ok(onlooker) => watched.push(Watched { recipe, onlooker, _private_files: private_files.clone() }),
            Err(error) => {
                complain(&format!("{}: {error}", recipe.name));
                all_well = false;
            }
        }
    }
    (watched, all_well)
}

/// Says on standard error what went wrong.
fn complain(text: &str) {
    // If this cannot be written either, the exit code has to do.
    let _ = writeln!(io::stderr(), "error: {}", telemetry::redacted(text));
}

/// `datahub-relay at 10.0.0.7 (datahub-relay-5b…)`.
fn member_line(member: &Member) -> String {
    let Member { client_id, host, id, .. } = member;
    format!("{client_id} at {host} ({id})")
}

/// The members, if any are known.
fn known_members(membership: &Membership) -> &[Member] {
    match membership {
        Membership::Members(members) => members,
        Membership::Empty | Membership::Unknown => &[],
    }
}
