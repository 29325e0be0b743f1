//! `datahub-relay actions`: the command line of the Python framework, for who only replaces the
//! program's name.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::run::RunArgs;

const EXAMPLES: &str = "\
Examples:
  datahub-relay actions -c one.yml -c two.yml
  datahub-relay actions run -c one.yml --debug
  datahub-relay actions version

The same as `datahub-relay run`, which says more with --help.";

/// Run recipes, as the Python framework's command line says it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ActionsArgs {
    #[command(subcommand)]
    command: Option<ActionsCommand>,

    /// A recipe, or a directory of recipes; may be repeated.
    #[arg(short, long = "config", value_name = "FILE|DIRECTORY")]
    config: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ActionsCommand {
    /// Run recipes until they are stopped.
    Run(RunArgs),
    /// Print the version.
    Version,
}

impl ActionsArgs {
    /// The same with recipes that were named earlier on the command line.
    pub(super) fn after(mut self, earlier: Vec<PathBuf>) -> Self {
        self.config.splice(..0, earlier);
        self
    }

    /// The recipes to run; `None` if only the version is asked for.
    pub(super) fn recipes(self) -> Option<RunArgs> {
        match self.command {
            None => Some(RunArgs::of(self.config)),
            Some(ActionsCommand::Run(args)) => Some(args.after(self.config)),
            Some(ActionsCommand::Version) => None,
        }
    }
}
