//! The command line: one file per command.

mod actions;
mod colour;
mod completions;
mod dry_run;
mod event_line;
mod dead_letters;
mod help;
mod moment;
mod offsets;
mod quickstart;
mod run;
mod schema;
mod signals;
mod table;
mod tail;
mod test;
mod validate;
mod wording;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::environment::Environment;
use crate::recipe::{self, Loaded};
use crate::settings::{Settings, SettingsError};
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  datahub-relay quickstart               see it work; nothing is needed for it
  datahub-relay run -c recipe.yml        run one recipe
  datahub-relay run -c /etc/recipes      run every recipe of a directory
  datahub-relay run                      what lies where DataHub's image has it
  datahub-relay validate -c recipe.yml   find every error, without running it
  datahub-relay test -c recipe.yml       run the cases written beside a recipe
  datahub-relay tail --from -1h          print decoded events, without a group
  datahub-relay offsets show -c recipe.yml   where a recipe's group stands
  datahub-relay dead-letters list -c recipe.yml   what could not be processed
  datahub-relay completions bash         print a completion script for a shell

Command lines of the Python framework work once the program's name is replaced:
  datahub-relay --enable-monitoring actions -c one.yml -c two.yml";

/// Consumes DataHub's change streams from Kafka and routes them to actions, as recipes say.
#[derive(Debug, Parser)]
#[command(name = "datahub-relay", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,

    /// Without a command: run these recipes.
    #[arg(short, long = "config", value_name = "FILE|DIRECTORY", hide = true)]
    config: Vec<PathBuf>,

    #[command(flatten)]
    process: ProcessArgs,
}

/// What every command takes, before or behind its name.
#[derive(Debug, Clone, clap::Args)]
struct ProcessArgs {
    /// Log at level debug.
    #[arg(long, global = true)]
    debug: bool,

    /// The Python framework's way to say that it should not.
    #[arg(long, global = true, hide = true, overrides_with = "debug")]
    no_debug: bool,

    /// Known to the Python framework; has no effect here.
    #[arg(long, global = true, hide = true)]
    detect_memory_leaks: bool,

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
    /// Run recipes, as the Python framework's command line says it.
    Actions(actions::ActionsArgs),
    /// See it work: a broker and a registry inside this process, sample events, an example recipe.
    Quickstart(quickstart::QuickstartArgs),
    /// Find every error of every recipe, with file, line and key; with --connect, whether all it needs is there.
    Validate(validate::ValidateArgs),
    /// Run the cases written beside recipes, and show the differences. Touches no network.
    Test(test::TestArgs),
    /// Print decoded events as they come, without joining a group.
    Tail(tail::TailArgs),
    /// Show where the groups of recipes stand in their topics, or move them.
    Offsets(offsets::OffsetsArgs),
    /// Print the JSON schema of a recipe, for editors.
    Schema(schema::SchemaArgs),
    /// Look at what could not be processed, and replay it.
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

/// The whole program. Exit codes: 0 all ended as it should, 1 something failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let parsed = CommandLine::from_arg_matches(&help::command_line().get_matches());
    let CommandLine { command, config, process } = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let command = match meant(command, config) {
        Ok(command) => command,
        Err(error) => error.exit(),
    };
    if let Err(error) = signals::listen() {
        return failed(&format!("cannot listen for signals: {error}"));
    }
    let environment = Environment::of_this_process();
    let settings = match settings(&process, &environment) {
        Ok(settings) => settings,
        Err(text) => return failed(&text),
    };
    match command {
        Command::Schema(args) => match schema::schema(&args, &mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&format!("cannot write the schema: {error}")),
        },
        Command::DeadLetters(args) => {
            // What happens is told on standard output; the log only disturbs where nothing is wrong.
            if let Err(error) = log_from("warn", &settings, &environment) {
                return failed(&error.to_string());
            }
            dead_letters::dead_letters(&args, &environment, &mut std::io::stdout())
        }
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
        Command::Test(args) => ended(test::test(&args, &environment, &mut std::io::stdout().lock())),
        Command::Tail(args) => {
            if let Err(error) = log_from(TOLD_BY_THE_COMMAND, &settings, &environment) {
                return failed(&error.to_string());
            }
            ended(tail::tail(&args, &environment, &mut std::io::stdout().lock()))
        }
        Command::Offsets(args) => {
            // What goes wrong is told by the command itself, once.
            if let Err(error) = log_from(TOLD_BY_THE_COMMAND, &settings, &environment) {
                return failed(&error.to_string());
            }
            ended(offsets::offsets(&args, &environment, &mut std::io::stdout().lock()))
        }
        Command::Quickstart(args) => {
            // What happens is told on standard output; the log only disturbs where nothing is wrong.
            if let Err(error) = log_from("warn", &settings, &environment) {
                return failed(&error.to_string());
            }
            let given_port = process.monitoring_port.is_some();
            quickstart::quickstart(&args, settings.monitoring, given_port, &environment)
        }
        Command::Run(args) => run_recipes(&args, &settings, &environment),
        Command::Actions(args) => match args.recipes() {
            Some(args) => run_recipes(&args, &settings, &environment),
            None => match writeln!(std::io::stdout(), "datahub-relay {}", env!("CARGO_PKG_VERSION")) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&format!("cannot write the version: {error}")),
            },
        },
    }
}

fn run_recipes(args: &run::RunArgs, settings: &Settings, environment: &Environment) -> ExitCode {
    if let Some(options) = args.dry_run() {
        return match log_from(TOLD_BY_THE_COMMAND, settings, environment) {
            Ok(()) => {
                ended(dry_run::dry_run(args.config(), options, environment, &mut std::io::stdout().lock()))
            }
            Err(error) => failed(&error.to_string()),
        };
    }
    match telemetry::init_log(settings.log.format, &settings.log.level, environment) {
        Ok(()) => run::run(args, settings, environment),
        Err(error) => failed(&error.to_string()),
    }
}

/// The command that is meant: the Python framework's `actions`, and `-c` without a command, are `run`.
fn meant(command: Option<Command>, config: Vec<PathBuf>) -> Result<Command, clap::Error> {
    let wrong = |kind, text| Err(CommandLine::command().error(kind, text));
    match command {
        Some(Command::Run(args)) => Ok(Command::Run(args.after(config))),
        Some(Command::Actions(args)) => Ok(Command::Actions(args.after(config))),
        Some(command) if config.is_empty() => Ok(command),
        Some(_) => wrong(ErrorKind::ArgumentConflict, "-c stands behind the command that it is for"),
        None if config.is_empty() => wrong(ErrorKind::MissingSubcommand, "a command is missing, or -c FILE"),
        None => Ok(Command::Run(run::RunArgs::of(config))),
    }
}

/// The level for commands that tell by themselves what goes wrong.
const TOLD_BY_THE_COMMAND: &str = "error,librdkafka=off";

/// Starts the log at this level, unless the settings name another one than the default.
fn log_from(level: &str, settings: &Settings, environment: &Environment) -> Result<(), telemetry::LogError> {
    let is_default = settings.log.level == Settings::default().log.level;
    let level = if is_default { level } else { &settings.log.level };
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
        Settings::load(args.settings.as_deref(), environment).map_err(|error| match error {
            // Each problem is an error of its own.
            SettingsError::File(problems) => {
                problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nerror: ")
            }
            other => other.to_string(),
        })?;
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

/// Loads recipes. From then on nothing that the process says shows their secrets.
fn load(paths: &[PathBuf], environment: &Environment) -> Loaded {
    let loaded = recipe::load(paths, environment);
    loaded.recipes.iter().for_each(|recipe| telemetry::keep_secret(&recipe.secrets));
    loaded
}

/// Says on standard error what was passed over.
fn complain(text: &str) {
    // Not `eprintln!`: it panics where nobody reads standard error any more.
    let _ = writeln!(std::io::stderr(), "warning: {}", telemetry::redacted(text));
}

/// Says on standard error why the program ends, where logging is not set up yet.
fn failed(text: &str) -> ExitCode {
    // Not `eprintln!`: it panics where nobody reads standard error any more.
    let _ = writeln!(std::io::stderr(), "error: {}", telemetry::redacted(text));
    ExitCode::FAILURE
}

/// Says on standard error what is wrong with the command line where its parser cannot know.
fn wrong_usage(text: &str) -> ExitCode {
    let _ = failed(text);
    let _ = writeln!(std::io::stderr(), "\nFor more information, try '--help'.");
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn flags_win_over_the_environment_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.yml");
        std::fs::write(&file, "monitoring: {enabled: false, port: 1}\nlog: {level: error}\n").unwrap();
        let variables = Environment::from([
            ("DATAHUB_RELAY_MONITORING__ENABLED", "false"),
            ("DATAHUB_RELAY_MONITORING__PORT", "2"),
            ("DATAHUB_RELAY_LOG__LEVEL", "warn"),
        ]);
        let of = |flags: &str| {
            let line = format!("datahub-relay --settings {} {flags}", file.display());
            let parsed = CommandLine::try_parse_from(line.split(' ')).unwrap();
            let found = settings(&parsed.process, &variables).unwrap();
            (found.monitoring.enabled, found.monitoring.port, found.log.level)
        };
        assert_eq!(of("run"), (false, 2, "warn".to_owned()));
        for flags in [
            "--debug --enable-monitoring --monitoring-port 3 run",
            "run --debug --enable-monitoring --monitoring-port 3",
            "--no-debug actions --debug --enable-monitoring -c r.yml --monitoring-port 3",
        ] {
            assert_eq!(of(flags), (true, 3, "debug".to_owned()), "{flags}");
        }
        assert_eq!(of("--debug --no-debug run").2, "warn");
        let none = CommandLine::try_parse_from(["datahub-relay", "--settings", "/does/not/exist", "run"]);
        let error = settings(&none.unwrap().process, &variables).unwrap_err();
        assert!(error.starts_with("/does/not/exist: cannot be read: "), "{error}");
    }

    /// The recipes that a command line runs, in order; `None` if it runs none.
    fn recipes(line: &str) -> Option<Vec<String>> {
        let parsed = CommandLine::try_parse_from(line.split(' ')).unwrap();
        let args = match meant(parsed.command, parsed.config).ok()? {
            Command::Run(args) => args,
            Command::Actions(args) => args.recipes()?,
            _ => return None,
        };
        Some(args.config().iter().map(|path| path.display().to_string()).collect())
    }

    #[test]
    fn command_lines_of_the_python_framework_run_recipes() {
        for line in [
            "datahub-actions --enable-monitoring --monitoring-port 8000 actions -c a.yml -c b.yml",
            "datahub-actions actions run -c a.yml -c b.yml --debug",
            "datahub-actions actions -c a.yml --debug run -c b.yml",
            "datahub-actions --debug --detect-memory-leaks actions -c a.yml -c b.yml --no-debug",
            "datahub-actions -c a.yml -c b.yml",
            "datahub-actions -c a.yml run -c b.yml --enable-monitoring",
            "datahub-actions run -c a.yml --config b.yml",
        ] {
            assert_eq!(recipes(line).unwrap(), ["a.yml", "b.yml"], "{line}");
        }
        assert_eq!(recipes("datahub-actions actions").unwrap(), [""; 0]);
        assert_eq!(recipes("datahub-actions actions version"), None);
    }

    #[test]
    fn recipes_without_a_command_to_run_them_are_wrong_usage() {
        for line in ["datahub-relay --debug", "datahub-relay -c a.yml completions bash"] {
            let parsed = CommandLine::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(meant(parsed.command, parsed.config).err().unwrap().exit_code(), 2, "{line}");
        }
    }
}
