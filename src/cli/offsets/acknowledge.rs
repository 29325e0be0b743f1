//! `datahub-relay offsets acknowledge`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{RecipeArgs, Watched, complain, watch};
use crate::environment::Environment;
use crate::kafka::{Gap, GapKeeper, acknowledgement_group};

/// How long the pipeline is given to go on. It looks every second, and waits for what it has begun.
const GOES_ON: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  datahub-relay offsets acknowledge -c recipe.yml           go on behind gaps
  datahub-relay offsets acknowledge -c recipe.yml --dry-run show the gaps

A pipeline with `on_gap: wait` stops reading a partition whose next records were deleted, or cannot be read. \
This command says that the loss is known. It may run on any machine that reaches Kafka with the recipe; the \
pipeline need not be stopped or started. What is acknowledged while it is stopped counts at its next start. \
The acknowledgement is a commit in the group GROUP.acknowledged-gaps: where Kafka has ACLs, this command \
needs to write to that group and the pipeline to read it.

Exit codes: 0 there was no gap, or the pipeline has gone on; 1 it has not within 20 s, or something could \
not be looked at; 2 wrong usage.";

/// Let a pipeline go on that waits at a gap.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AcknowledgeArgs {
    #[command(flatten)]
    recipes: RecipeArgs,

    /// Show the gaps and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn acknowledge(
    args: &AcknowledgeArgs,
    environment: &Environment,
    output: &mut dyn Write,
) -> io::Result<ExitCode> {
    let (watched, mut all_well) = watch(&args.recipes, environment);
    for one in &watched {
        all_well &= match of_pipeline(one, args.dry_run, output)? {
            Ok(gone_on) => gone_on,
            Err(text) => {
                complain(&format!("{}: {text}", one.recipe.name));
                false
            }
        };
    }
    output.flush()?;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Acknowledges the gaps of one pipeline. Whether it has none any more, or what kept it from being known.
fn of_pipeline(
    Watched { recipe, onlooker, .. }: &Watched,
    dry_run: bool,
    output: &mut dyn Write,
) -> io::Result<Result<bool, String>> {
    let (name, group) = (&recipe.name, onlooker.group());
    let standings = match onlooker.standings() {
        Ok(standings) => standings,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let keeper = match GapKeeper::new(&recipe.consumer) {
        Ok(keeper) => keeper,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let gaps = keeper.gaps(&standings);
    if gaps.is_empty() {
        writeln!(output, "{name}: no gap, nothing to acknowledge")?;
        return Ok(Ok(true));
    }
    for gap in &gaps {
        writeln!(output, "{name}: {gap}")?;
    }
    if dry_run {
        writeln!(output, "{name}: a dry run: nothing was acknowledged")?;
        return Ok(Ok(true));
    }
    let waited = keeper.acknowledge(&gaps).and_then(|()| {
        // Said before the wait, so that who stops it knows.
        let _ = writeln!(output, "{name}: acknowledged in the group {}", acknowledgement_group(group));
        let _ = output.flush();
        keeper.wait_until_left(&gaps, GOES_ON)
    });
    let left: Vec<Gap> = match waited {
        Ok(left) => left,
        Err(error) => {
            let group = acknowledgement_group(group);
            return Ok(Err(format!(
                "{error}; may the groups {} and {group} be read, and the second be written to?",
                onlooker.group()
            )));
        }
    };
    if left.is_empty() {
        writeln!(output, "{name}: the pipeline has gone on")?;
    } else {
        let places: Vec<String> = left.iter().map(|gap| gap.source.to_string()).collect();
        writeln!(
            output,
            "{name}: not gone on yet: {}; it does once a pipeline with this group runs, and has finished what it began",
            places.join(", ")
        )?;
    }
    Ok(Ok(left.is_empty()))
}
