//! `datahub-relay validate`: everything that is wrong with recipes, without running them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;

use crate::environment::Environment;
use crate::pipeline::{Found, Verdict, inspect};
use crate::recipe::{Loaded, Recipe};

const EXAMPLES: &str = "\
Examples:
  datahub-relay validate -c recipe.yml             without the network
  datahub-relay validate -c recipe.yml --connect   and is what it needs there?
  datahub-relay validate -c /etc/datahub/actions --connect --connect-timeout 3

With --connect one line for each thing that was looked for: ok, warning, FAILED, or skipped. It joins no \
group, commits nothing, sends no event, and leaves no file behind.

Exit codes: 0 every recipe can run or is disabled; 1 one cannot, or something FAILED; 2 wrong usage.";

/// Find every error of every recipe, with file, line and key. Touches the network only with --connect.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ValidateArgs {
    /// A recipe, or a directory of recipes (*.yml and *.yaml, but not *_test.yml); may be repeated.
    #[arg(short, long = "config", value_name = "FILE|DIRECTORY")]
    config: Vec<PathBuf>,

    /// Look whether brokers, topics, permissions, registry, dead-letter store and endpoints are there.
    #[arg(long)]
    connect: bool,

    /// How long each of them is waited for.
    #[arg(long, value_name = "SECONDS", default_value = "10", requires = "connect", value_parser = clap::value_parser!(u64).range(1..=600))]
    connect_timeout: u64,
}

/// Writes what is wrong to `output`, one line each, and gives the exit code: 0 if every recipe can
/// run or is disabled, 1 otherwise. The lines hold no secrets.
///
/// # Errors
/// If `output` cannot be written.
pub(super) fn validate(
    args: &ValidateArgs,
    environment: &Environment,
    output: &mut impl Write,
) -> io::Result<ExitCode> {
    let loaded = super::load(&args.config, environment);
    report(&loaded, output)?;
    let mut all_well = loaded.problems.is_empty();
    if args.connect {
        all_well &= connect(&loaded.recipes, Duration::from_secs(args.connect_timeout), output)?;
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks for what each recipe needs, all at once, and writes what was found, recipe by recipe. Whether
/// nothing failed.
fn connect(recipes: &[Recipe], patience: Duration, output: &mut impl Write) -> io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let found = runtime.block_on(join_all(recipes.iter().map(|recipe| inspect(recipe, patience))));
    // A look-up that still waits for a broker is left behind.
    runtime.shutdown_background();
    let mut all_well = true;
    for (recipe, found) in recipes.iter().zip(found) {
        for Found { what, verdict, text } in found {
            let word = match verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Failed => "FAILED",
                Verdict::Skipped => "skipped",
            };
            writeln!(output, "{word}: {}: {what}: {text}", recipe.name)?;
            all_well &= verdict != Verdict::Failed;
        }
    }
    Ok(all_well)
}

fn report(loaded: &Loaded, output: &mut impl Write) -> io::Result<()> {
    for problem in &loaded.problems {
        writeln!(output, "error: {problem}")?;
    }
    for warning in &loaded.warnings {
        writeln!(output, "warning: {warning}")?;
    }
    for disabled in &loaded.disabled {
        writeln!(output, "disabled: {}", disabled.file.display())?;
    }
    for recipe in &loaded.recipes {
        writeln!(output, "valid: {} ({})", recipe.file.display(), recipe.name)?;
    }
    Ok(())
}
