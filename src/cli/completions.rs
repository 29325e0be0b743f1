//! `datahub-relay completions`: a completion script for a shell.

use std::io::{self, Write};

use clap::Args;
use clap_complete::Shell;

use super::help::command_line;

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
    clap_complete::generate(args.shell, &mut command_line(), "datahub-relay", &mut script);
    output.write_all(&script)
}
