//! `datahub-relay completions`: a completion script for a shell.

use std::process::ExitCode;

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

/// Prints the script to standard output.
pub(super) fn completions(args: &CompletionsArgs) -> ExitCode {
    clap_complete::generate(
        args.shell,
        &mut CommandLine::command(),
        "datahub-relay",
        &mut std::io::stdout().lock(),
    );
    ExitCode::SUCCESS
}
