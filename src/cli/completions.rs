//! `datahub-relay completions`: a completion script for a shell.

use std::io::{self, Write};

use clap::{Args, Command};
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
    let mut command = command_line();
    clap_complete::generate(args.shell, &mut command, "datahub-relay", &mut script);
    if args.shell == Shell::Bash {
        let mended = mended(&String::from_utf8_lossy(&script), &command);
        return output.write_all(mended.as_bytes());
    }
    output.write_all(&script)
}

/// The script for bash as clap_complete 4.6 should have made it. Where it has made it so, nothing changes.
fn mended(script: &str, command: &Command) -> String {
    // It calls the program by two names where the name has a hyphen, and then finds none of its own cases
    // behind a subcommand: <https://github.com/clap-rs/clap/issues/6421>.
    let script = script.replace("datahub__subcmd__relay", "datahub__relay");
    // It offers hidden flags. Of those here, which every command takes: other flags are hidden at one command and
    // shown at another.
    let hidden: Vec<String> = command
        .get_arguments()
        .filter(|flag| flag.is_global_set() && flag.is_hide_set())
        .filter_map(|flag| flag.get_long().map(|long| format!("--{long}")))
        .collect();
    let without_hidden = |line: &str| match line.trim_start().strip_prefix("opts=\"") {
        Some(offered) if !offered.starts_with('"') => {
            let offered = offered.trim_end().trim_end_matches('"').split(' ');
            let shown: Vec<&str> = offered.filter(|&word| !hidden.iter().any(|flag| flag == word)).collect();
            format!("            opts=\"{}\"\n", shown.join(" "))
        }
        _ => line.to_owned(),
    };
    script.split_inclusive('\n').map(without_hidden).collect()
}
