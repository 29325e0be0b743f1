//! `datahub-relay validate`: everything that is wrong with recipes, without running them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::environment::Environment;
use crate::recipe::{self, Loaded};

/// Find every error of every recipe, with file, line and key. Touches no network.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct ValidateArgs {
    /// A recipe, or a directory of recipes (*.yml and *.yaml, but not *_test.yml); may be repeated.
    #[arg(short, long = "config", value_name = "FILE|DIRECTORY")]
    config: Vec<PathBuf>,
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
    let loaded = recipe::load(&args.config, environment);
    report(&loaded, output)?;
    Ok(if loaded.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
