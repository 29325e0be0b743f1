//! The command line: one file per command.

mod completions;
mod moment;
mod offsets;
mod quickstart;
mod run;
mod signals;
mod table;
mod validate;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::environment::Environment;
use crate::settings::Settings;
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  datahub-relay quickstart                     see it work: no Kafka, no registry, nothing to configure
  datahub-relay run -c recipe.yml              run one recipe
  datahub-relay run -c /etc/datahub/actions    run every *.yml and *.yaml of a directory
  datahub-relay validate -c recipe.yml         find every error of a recipe without running it
  datahub-relay offsets show -c recipe.yml     where a recipe's group stands, and who is in it
  datahub-relay completions bash               print a completion script for a shell";

/// Consumes DataHub's change streams from Kafka and routes them to actions, as recipes say.
#[derive(Debug, Parser)]
#[command(name = "datahub-relay", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    process: ProcessArgs,
}

/// What every command takes, before or behind its name.
#[derive(Debug, Clone, clap::Args)]
struct ProcessArgs {
    /// Log at level debug.
    #[arg(long, global = true)]
    debug: bool,

    /// Serve metrics and probes over HTTP, also where the settings turn it off.
    #[arg(long, global = true)]
    enable_monitoring: bool,

    /// The port of metrics and probes; 0 takes a free one [default: 8000].
    #[arg(long, global = true, value_name = "PORT")]
    monitoring_port: Option<u16>,

    /// The process's settings, YAML [default: DATAHUB_RELAY_SETTINGS].
    #[arg(long, global = true, value_name = "FILE")]
    settings: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run recipes until they are stopped.
    Run(run::RunArgs),
    /// See it work: a broker and a registry inside this process, sample events, an example recipe.
    Quickstart(quickstart::QuickstartArgs),
    /// Find every error of every recipe, with file, line and key. Touches no network.
    Validate(validate::ValidateArgs),
    /// Show where the groups of recipes stand in their topics, or move them.
    Offsets(offsets::OffsetsArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

/// The whole program. Exit codes: 0 all ended as it should, 1 something failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let environment = Environment::of_this_process();
    let settings = match settings(&command_line.process, &environment) {
        Ok(settings) => settings,
        Err(text) => return failed(&text),
    };
    match command_line.command {
        Command::Completions(args) => match completions::completions(&args, &mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&format!("cannot write the script: {error}")),
        },
        Command::Validate(args) => {
            match validate::validate(&args, &environment, &mut std::io::stdout().lock()) {
                Ok(code) => code,
                Err(error) => failed(&format!("cannot write the result: {error}")),
            }
        }
        Command::Offsets(args) => {
            // What goes wrong is told by the command itself, once.
            if let Err(error) = quiet_log(&settings, &environment) {
                return failed(&error.to_string());
            }
            ended(offsets::offsets(&args, &environment, &mut std::io::stdout().lock()))
        }
        Command::Quickstart(args) => {
            // What happens is told on standard output; the log only disturbs where nothing is wrong.
            let level = if settings.log.level == Settings::default().log.level {
                "warn"
            } else {
                &settings.log.level
            };
            if let Err(error) = telemetry::init_log(settings.log.format, level, &environment) {
                return failed(&error.to_string());
            }
            let given_port = command_line.process.monitoring_port.is_some();
            quickstart::quickstart(&args, settings.monitoring, given_port, &environment)
        }
        Command::Run(args) => {
            if let Err(error) = telemetry::init_log(settings.log.format, &settings.log.level, &environment) {
                return failed(&error.to_string());
            }
            run::run(&args, &settings, &environment)
        }
    }
}

/// The log of a command that shows something to a person: errors, unless the settings want more.
fn quiet_log(settings: &Settings, environment: &Environment) -> Result<(), telemetry::LogError> {
    let level = if settings.log.level == Settings::default().log.level {
        "error,librdkafka=off"
    } else {
        &settings.log.level
    };
    telemetry::init_log(settings.log.format, level, environment)
}

/// The exit code of a command that writes to standard output. Whoever closes the pipe behind it has
/// seen enough.
fn ended(result: std::io::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&format!("cannot write to standard output: {error}")),
    }
}

/// Settings from file and environment, with the flags over both.
fn settings(args: &ProcessArgs, environment: &Environment) -> Result<Settings, String> {
    let mut settings =
        Settings::load(args.settings.as_deref(), environment).map_err(|error| error.to_string())?;
    if args.debug {
        "debug".clone_into(&mut settings.log.level);
    }
    if args.enable_monitoring {
        settings.monitoring.enabled = true;
    }
    if let Some(port) = args.monitoring_port {
        settings.monitoring.port = port;
    }
    Ok(settings)
}

/// Says on standard error why the program ends, where logging is not set up yet.
fn failed(text: &str) -> ExitCode {
    // Not `eprintln!`: it panics where nobody reads standard error any more.
    let _ = writeln!(std::io::stderr(), "error: {text}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn process_flags_stand_before_or_behind_the_command() {
        for line in [
            ["datahub-relay", "--monitoring-port", "9000", "run", "-c", "r.yml"],
            ["datahub-relay", "run", "-c", "r.yml", "--monitoring-port", "9000"],
        ] {
            let parsed = CommandLine::try_parse_from(line).unwrap();
            assert_eq!(parsed.process.monitoring_port, Some(9000));
        }
    }
}
