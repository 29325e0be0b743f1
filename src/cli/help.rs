//! What `--help` shows: each flag of the process only where it means something.

use clap::{Arg, Command, CommandFactory};

use super::CommandLine;

/// Flags that only a command with probes and metrics heeds.
const MONITORING: [&str; 2] = ["enable_monitoring", "monitoring_port"];

/// Flags that say how to log.
const LOG: [&str; 2] = ["debug", "settings"];

/// Commands that neither serve metrics nor log. They take the flags of all others, as the Python framework
/// does, and do not tell of them.
const SILENT: [&str; 4] = ["schema", "completions", "test", "validate"];

/// Commands that log, if anything is wrong, and serve no metrics.
const WITHOUT_MONITORING: [&str; 3] = ["tail", "offsets", "dead-letters"];

/// The command line of this program.
pub(super) fn command_line() -> Command {
    let mut command = CommandLine::command();
    let hidden = |names: &[&str]| -> Vec<Arg> {
        let flags = command.get_arguments().filter(|flag| names.contains(&flag.get_id().as_str()));
        flags.map(|flag| flag.clone().hide(true)).collect()
    };
    let monitoring = hidden(&MONITORING);
    let all = hidden(&[&MONITORING[..], &LOG].concat());
    for (names, flags) in [(&SILENT[..], all), (&WITHOUT_MONITORING, monitoring)] {
        for name in names {
            // A command's own flag takes the place of the one that all commands have.
            command = command.mut_subcommand(name, |command| command.args(flags.clone()));
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The narrowest terminal that is provided for. Wider ones get paragraphs as wide as they are.
    const COLUMNS: usize = 80;

    /// Every command and the commands below it, by its whole name.
    fn commands(above: &str, command: &Command) -> Vec<(String, Command)> {
        let name = format!("{above}{}", command.get_name());
        let below = command.get_subcommands().flat_map(|below| commands(&format!("{name} "), below));
        let below: Vec<_> = below.collect();
        [(name, command.clone())].into_iter().chain(below).collect()
    }

    #[test]
    fn closing_texts_wrap_where_the_terminal_ends_and_examples_fit_into_a_narrow_one() {
        for (name, command) in commands("", &command_line()) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut before = "";
            for line in text.lines() {
                let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
                if !is_prose(line) {
                    assert!(line.chars().count() <= COLUMNS, "{name}: longer than {COLUMNS}: {line}");
                }
                assert!(!is_prose(line) || !is_prose(before), "{name}: broken by hand before: {line}");
                before = line;
            }
        }
    }

    #[test]
    fn a_flag_is_shown_where_it_means_something_and_taken_everywhere() {
        let help = |line: &str| {
            let words = line.split(' ').chain(["--help"]);
            command_line().try_get_matches_from(words).unwrap_err().to_string()
        };
        for silent in ["schema", "completions", "test", "validate"] {
            let help = help(&format!("datahub-relay {silent}"));
            assert!(!help.contains("--monitoring-port") && !help.contains("--settings"), "{help}");
        }
        for looking in ["tail", "offsets show", "offsets reset", "dead-letters list", "dead-letters replay"] {
            let help = help(&format!("datahub-relay {looking}"));
            assert!(!help.contains("monitoring") && help.contains("--settings"), "{help}");
        }
        for at_work in ["run", "actions", "quickstart"] {
            assert!(help(&format!("datahub-relay {at_work}")).contains("--monitoring-port"), "{at_work}");
        }
        for line in [
            "datahub-relay schema --monitoring-port 9",
            "datahub-relay offsets show -c r.yml --monitoring-port 9",
            "datahub-relay --monitoring-port 9 offsets show -c r.yml",
        ] {
            let matches = command_line().try_get_matches_from(line.split(' ')).unwrap();
            assert_eq!(matches.get_one::<u16>("monitoring_port"), Some(&9), "{line}");
        }
    }
}
