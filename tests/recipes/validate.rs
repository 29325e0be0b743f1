//! `datahub-relay validate`.

use std::io::ErrorKind;
use std::net::TcpListener;

use assert_cmd::Command;

use crate::directory::{Directory, minimal};

/// Exit code and standard output.
fn run(directory: &Directory) -> (Option<i32>, String) {
    let mut command = Command::cargo_bin("datahub-relay").unwrap();
    let output = command.env_clear().args(["validate", "-c"]).arg(directory.path()).output().unwrap();
    let prefix = format!("{}/", directory.path().display());
    (output.status.code(), String::from_utf8(output.stdout).unwrap().replace(&prefix, ""))
}

#[test]
fn all_errors_of_all_recipes_come_at_once() {
    let directory = Directory::with(&[
        ("a.yml", "nam: a\nsource: {type: kafka}\naction: {type: file}\n"),
        ("b.yml", "name: b\nenabled: false\n"),
        ("c.yml", &minimal("options: {retry: 1}\n")),
        ("d.yml", "a: [\n"),
    ]);
    let (code, output) = run(&directory);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "error: a.yml:1:1: nam: unknown key; did you mean \"name\"?",
            "error: a.yml:1:1: name: is missing; add it: the pipeline's name, and its consumer group's",
            "error: a.yml:3:1: action.config.path: is missing; add it: the file that events are appended to, one line of JSON each",
        ]
    );
    assert!(lines[3].starts_with("error: d.yml:2:1: is not valid YAML"), "{}", lines[3]);
    assert!(
        lines[4].starts_with("warning: c.yml:6:11: options.retry: has no effect: unknown key"),
        "{}",
        lines[4]
    );
    assert_eq!(lines[5..], ["disabled: b.yml", "valid: c.yml (p)"]);
}

#[test]
fn recipes_that_are_right_give_exit_code_0() {
    let directory = Directory::with(&[("a.yml", &minimal(""))]);
    assert_eq!(run(&directory), (Some(0), "valid: a.yml (p)\n".to_owned()));
}

#[test]
fn neither_validate_nor_test_touches_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let recipe = format!(
        "name: p\nsource:\n  type: kafka\n  config:\n    dead_letter_topic: letters\n    connection:\n      bootstrap: {address}\n      schema_registry_url: http://{address}\naction: {{type: webhook, config: {{url: 'http://{address}/'}}}}\ndatahub: {{server: 'http://{address}'}}\n"
    );
    let cases = "tests: [{name: one, event: {event_type: EntityChangeEvent_v1, event: {entityType: a, entityUrn: u, category: c, operation: o, auditStamp: {actor: a, time: 1}}}, expect: unchanged}]\n";
    let directory = Directory::with(&[("a.yml", &recipe), ("a_test.yml", cases)]);
    for command in ["validate", "test"] {
        let mut program = Command::cargo_bin("datahub-relay").unwrap();
        let output = program.env_clear().args([command, "-c"]).arg(directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", String::from_utf8_lossy(&output.stdout));
        let called = listener.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(called, Err(ErrorKind::WouldBlock), "{command} has called somebody");
    }
}

/// Exit code and standard error of `run --dry-run`.
fn dry_run(directory: &Directory) -> (Option<i32>, String) {
    let mut command = Command::cargo_bin("datahub-relay").unwrap();
    let output = command.env_clear().args(["run", "--dry-run", "-c"]).arg(directory.path()).output().unwrap();
    let prefix = format!("{}/", directory.path().display());
    (output.status.code(), String::from_utf8(output.stderr).unwrap().replace(&prefix, ""))
}

#[test]
fn a_dry_run_without_a_recipe_that_can_run_says_why() {
    let off = Directory::with(&[("a.yml", "name: a\nenabled: false\n")]);
    assert_eq!(
        dry_run(&off),
        (
            Some(1),
            "warning: a.yml: the recipe is disabled\nerror: all recipes are disabled; set `enabled: true` in one of them\n"
                .to_owned()
        )
    );
    let broken = Directory::with(&[("b.yml", &minimal("options: {retry: 1}\nnam: b\n"))]);
    let (code, text) = dry_run(&broken);
    assert_eq!(code, Some(1));
    for line in [
        "error: b.yml:7:1: nam: unknown key",
        "warning: b.yml:6:11: options.retry: has no effect",
        "error: no recipe can run",
    ] {
        assert!(text.lines().any(|said| said.starts_with(line)), "{text}");
    }
}
