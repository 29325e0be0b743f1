//! `datahub-relay validate`.

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
