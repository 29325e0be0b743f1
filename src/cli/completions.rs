//! `datahub-relay completions`: a completion script for a shell.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::CommandLine;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  datahub-relay completions bash > /etc/bash_completion.d/datahub-relay")]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Writes the script to `output`.
///
/// # Errors
/// If `output` cannot be written.
pub(super) fn completions(args: &CompletionsArgs, output: &mut impl Write) -> io::Result<()> {
    // Into memory first: the generator panics where its output cannot be written.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "datahub-relay", &mut script);
    output.write_all(&script)
}
