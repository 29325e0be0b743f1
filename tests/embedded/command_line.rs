//! What a person or a script meets on the command line.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::json;

/// Runs the program to its end, without anything in its environment that could change what it does.
fn relay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the program was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_the_commands() {
    let output = relay(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    for command in ["run", "validate", "quickstart"] {
        assert!(text(&output.stdout).contains(command), "{command} in {}", text(&output.stdout));
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = relay(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_was_wrong() {
    for (arguments, wrong) in [
        (&["run", "--no-such-flag"][..], "--no-such-flag"),
        (&["no-such-command"], "no-such-command"),
        (&["run", "--monitoring-port", "70000"], "70000"),
        (&["run", "--limit", "3"], "--dry-run"),
        (&["--debug"], "a command is missing, or -c FILE"),
        (&["-c", "a.yml", "completions", "bash"], "-c stands behind the command that it is for"),
        (&["dead-letters", "list"], "name the recipe (-c recipe.yml) or the file"),
        (&["dead-letters", "list", "-c", "/"], "-c takes one recipe here, and / is a directory"),
        (&["dead-letters", "replay", "--file", "failed_events.log"], "a replay needs the recipe"),
        (&["tail", "-c", "/"], "-c takes one recipe here, and / is a directory"),
        (&["tail", "--filter", "event_type=EntityChangeEvent"], "did you mean \"EntityChangeEvent_v1\"?"),
    ] {
        let output = relay(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(wrong), "{}", text(&output.stderr));
    }
}

/// What bash offers for the last of these words with the script that the program prints.
fn offered_in_bash(words: &[&str]) -> Vec<String> {
    let script = relay(&["completions", "bash"]);
    assert_eq!(script.status.code(), Some(0));
    let complete = r#"
        source /dev/stdin
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        function=$(complete -p datahub-relay | sed 's/.* -F \([^ ]*\) .*/\1/')
        "$function" datahub-relay "${@: -1}" "${@: -2:1}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash")
        .args(["--norc", "-c", complete, "bash", "datahub-relay"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash is there");
    let mut input = bash.stdin.take().expect("it is piped");
    input.write_all(&script.stdout).expect("bash reads the script");
    drop(input);
    let output = bash.wait_with_output().expect("bash ends");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_behind_a_subcommand_too_and_offers_no_hidden_flag() {
    assert_eq!(offered_in_bash(&["dead-le"]), ["dead-letters"]);
    assert_eq!(offered_in_bash(&["dead-letters", "li"]), ["list"]);
    assert_eq!(offered_in_bash(&["offsets", "show", "--conf"]), ["--config"]);
    assert_eq!(offered_in_bash(&["actions", "run", "--deb"]), ["--debug"]);
    for words in [&["--"][..], &["run", "--"], &["dead-letters", "replay", "--"]] {
        let offered = offered_in_bash(words);
        assert!(offered.iter().any(|flag| flag == "--help"), "{words:?}: {offered:?}");
        for hidden in ["--no-debug", "--detect-memory-leaks"] {
            assert!(!offered.iter().any(|flag| flag == hidden), "{words:?}: {offered:?}");
        }
    }
}

#[test]
fn a_recipe_that_is_not_there_is_exit_code_1_and_named() {
    let output = relay(&["run", "-c", "no-such-recipe.yml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no-such-recipe.yml"), "{}", text(&output.stderr));
}

#[test]
fn a_misspelt_key_is_exit_code_1_with_its_line_and_the_key_that_was_meant() {
    let directory = tempfile::tempdir().expect("a directory");
    let recipe = directory.path().join("recipe.yml");
    let yaml = "name: misspelt\nsource:\n  type: kafka\nacton:\n  type: noop\n";
    std::fs::write(&recipe, yaml).expect("it can be written");
    for command in ["run", "validate"] {
        let output = relay(&[command, "-c", &recipe.to_string_lossy()]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = text(&output.stderr) + &text(&output.stdout);
        for part in ["recipe.yml", "4", "acton", "action"] {
            assert!(said.contains(part), "{command} names {part}: {said}");
        }
    }
}

#[test]
fn when_every_recipe_is_disabled_there_is_nothing_to_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let recipe = directory.path().join("recipe.yml");
    let disabled = json!({ "name": "nobody", "enabled": false, "source": { "type": "kafka" }, "action": { "type": "noop" } });
    std::fs::write(&recipe, disabled.to_string()).expect("it can be written");
    let file = recipe.to_string_lossy();
    for arguments in [&["run", "-c", &file][..], &["actions", "-c", &file], &["-c", &file]] {
        let output = relay(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let log = text(&output.stderr);
        let skipped = log.lines().find(|line| line.contains("the recipe is disabled"));
        assert!(skipped.is_some_and(|line| line.contains("recipe.yml") && line.contains("nobody")), "{log}");
        assert!(log.contains("all recipes are disabled; set `enabled: true` in one of them"), "{log}");
        assert_eq!(text(&output.stdout), "", "the log goes to standard error");
    }
}

#[test]
fn without_recipes_on_the_command_line_those_of_datahubs_directories_run() {
    let (system, user) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let validate = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
            .args(arguments)
            .env_clear()
            .env("DATAHUB_ACTIONS_SYSTEM_CONFIGS_PATH", system.path())
            .env("DATAHUB_ACTIONS_USER_CONFIGS_PATH", user.path().join("conf"))
            .output()
            .expect("the program was built")
    };
    for arguments in [&["validate"][..], &["run"], &["actions"]] {
        let none = validate(arguments);
        assert_eq!(none.status.code(), Some(1), "{arguments:?}");
        let said = text(&none.stderr) + &text(&none.stdout);
        for part in [
            "holds no recipes",
            "conf: does not exist; make it and put recipes there",
            "DATAHUB_ACTIONS_USER_CONFIGS_PATH",
            "DATAHUB_ACTIONS_SYSTEM_CONFIGS_PATH",
            "-c",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
    std::fs::create_dir(user.path().join("conf")).expect("it can be made");
    for (path, name) in [(system.path().join("a.yml"), "a"), (user.path().join("conf/b.yaml"), "b")] {
        let recipe = json!({ "name": name, "source": { "type": "kafka" }, "action": { "type": "noop" } });
        std::fs::write(path, recipe.to_string()).expect("it can be written");
    }
    let both = validate(&["validate"]);
    assert_eq!(both.status.code(), Some(0), "{}", text(&both.stdout));
    assert!(text(&both.stdout).contains("a.yml (a)") && text(&both.stdout).contains("b.yaml (b)"));
}

#[test]
fn each_error_of_the_settings_is_told_as_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = directory.path().join("settings.yml");
    std::fs::write(&settings, "monitoring: {prt: 1}\nlog: {levl: info}\n").expect("it can be written");
    let output = relay(&["--settings", &settings.to_string_lossy(), "validate"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.lines().count() >= 2 && said.lines().all(|line| line.starts_with("error: ")), "{said}");
}

#[test]
fn a_monitoring_port_in_use_is_exit_code_1_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a bound address").port().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let recipe = directory.path().join("recipe.yml");
    let noop = json!({ "name": "noop", "source": { "type": "kafka" }, "action": { "type": "noop" } });
    std::fs::write(&recipe, noop.to_string()).expect("it can be written");
    let output = relay(&["run", "-c", &recipe.to_string_lossy(), "--monitoring-port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&port), "{}", text(&output.stderr));
}

#[test]
fn a_standard_error_that_takes_nothing_changes_no_result() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has a full device");
    let status = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(["run", "-c", "/nonexistent/recipe.yml"])
        .env_clear()
        .stderr(full)
        .status()
        .expect("the program was built");
    assert_eq!(status.code(), Some(1), "the recipe that is not there, and not a panic");
}

#[test]
fn the_offsets_of_a_group_whose_brokers_are_not_there_are_an_error_that_says_where_they_were_looked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let recipe = directory.path().join("recipe.yml");
    // Free a moment ago: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let noop = json!({ "name": "noop", "action": { "type": "noop" }, "source": { "type": "kafka",
        "config": { "connection": { "bootstrap": format!("127.0.0.1:{port}") } } } });
    std::fs::write(&recipe, noop.to_string()).expect("it can be written");
    let output = relay(&["offsets", "show", "-c", &recipe.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for part in ["noop: cannot reach Kafka at 127.0.0.1:", "connection.bootstrap"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(said.lines().count(), 1, "told once: {said}");
}

#[test]
fn offsets_are_reset_to_a_place_that_is_one() {
    let output = relay(&["offsets", "reset", "-c", "recipe.yml", "--to", "yesterday"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("-1h or -2d"), "{}", text(&output.stderr));
}
