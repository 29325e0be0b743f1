//! `validate --connect`: whether what a recipe needs is there, one line for each thing.

use std::process::Command;

use datahub_relay::embedded::Behaviour;
use serde_json::json;

use crate::harness::{KafkaBroker, Recipe, Scene, command};
use crate::scene;

/// Exit code and standard output of `validate --connect`.
fn connect(scene: &Scene<'_>, recipe: &Recipe) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(["validate", "--connect", "--connect-timeout", "5", "-c"])
        .arg(recipe.write(scene.directory()))
        .env_clear()
        .output()
        .expect("the program was built");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The lines about a recipe, without its name.
fn lines(scene: &Scene<'_>, text: &str) -> Vec<String> {
    let name = format!("{}: ", scene.group());
    text.lines().filter(|line| line.contains(&name)).map(|line| line.replace(&name, "")).collect()
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn everything_that_is_there_is_named_and_nothing_is_left_behind() {
    let scene = scene("connect-all");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 10);
    let letters = scene.topic("letters", 1);
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let (code, text) = connect(&scene, &recipe);
    assert_eq!(code, Some(0), "{text}");
    let lines = lines(&scene, &text);
    for expected in [
        format!("ok: brokers: {} answered", scene.broker.bootstrap()),
        format!("ok: topics: {topic} has 2 partitions"),
        format!("ok: group: {} has committed nothing yet", scene.group()),
        format!("ok: group: {} may be joined", scene.group()),
        format!("ok: reading: {topic} can be read"),
        format!("ok: dead letters: the topic {letters} is there"),
    ] {
        assert!(lines.contains(&expected), "{expected} in\n{text}");
    }
    for beginning in ["ok: registry: knows schema ", "ok: dead letters: ", "ok: action: "] {
        assert!(lines.iter().any(|line| line.starts_with(beginning)), "{beginning} in\n{text}");
    }
    assert_eq!(lines.len(), 9, "{text}");
    let again = connect(&scene, &scene.recipe().change_logs(&topic)).1;
    assert!(again.contains("has committed nothing yet"), "looking commits nothing: {again}");
    let files = std::fs::read_dir(scene.directory()).expect("it is there").count();
    assert_eq!(files, 1, "the recipe alone");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_a_registry_and_an_endpoint_that_are_not_there_are_named_all_at_once() {
    let scene = scene("connect-missing");
    let topic = scene.topic("versioned", 1);
    let missing = format!("{topic}-missing");
    scene.registry.behave(Behaviour::Answer);
    let wrong_path = scene.registry.url().replace("/schema-registry/api", "/wrong");
    let webhook = json!({ "type": "webhook", "config": { "url": "http://127.0.0.1:1/hook?key=canary" } });
    let recipe = Recipe::new(scene.group(), scene.broker.bootstrap(), &wrong_path)
        .change_logs(&topic)
        .platform_events(&missing)
        .source("dead_letter_topic", "no-such-letters")
        .option("failed_events_dir", "/proc/nowhere")
        .top("action", webhook);
    let (code, text) = connect(&scene, &recipe);
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("canary"), "{text}");
    let lines = lines(&scene, &text);
    let expected =
        format!("FAILED: topics: {missing} does not exist; create it, or correct source.config.topic_routes");
    assert!(lines.contains(&expected), "{text}");
    for (beginning, remedy) in [
        (format!("ok: topics: {topic} has 1 partition"), ""),
        (format!("ok: reading: {topic} can be read, and holds no record"), ""),
        (
            format!("FAILED: registry: no answer from the schema registry for schema id 0: GET {wrong_path}"),
            "path",
        ),
        ("FAILED: dead letters: /proc/nowhere/".to_owned(), "options.failed_events_dir"),
        ("FAILED: dead letters: the topic no-such-letters does not exist".to_owned(), "dead_letter_topic"),
        ("FAILED: action: the webhook http://127.0.0.1:1".to_owned(), "action.config"),
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(&beginning) && line.contains(remedy)),
            "{beginning} in\n{text}"
        );
    }
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn records_of_another_registry_are_noticed() {
    let scene = scene("connect-other-registry");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.raw(&topic, 0, &[0, 0, 0, 39, 15, 1, 2, 3]);
    feeder.flush();
    scene.registry.put(0, "\"string\"");
    let (code, text) = connect(&scene, &scene.recipe().change_logs(&topic));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("FAILED: ") && text.contains("schema id 9999"), "{text}");
    assert!(text.contains(&format!("a record of {topic}")), "{text}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_broker_that_is_not_there_fails_and_what_depends_on_it_is_skipped() {
    let scene = scene("connect-no-broker");
    let recipe = Recipe::new(scene.group(), "127.0.0.1:1", &scene.registry.url()).change_logs("any");
    let (code, text) = connect(&scene, &recipe);
    assert_eq!(code, Some(1), "{text}");
    let lines = lines(&scene, &text);
    assert!(lines[0].starts_with("FAILED: brokers: cannot reach Kafka at 127.0.0.1:1"), "{text}");
    assert!(lines[0].contains("connection.bootstrap"), "{text}");
    assert_eq!(lines[1..3], ["skipped: topics: no broker answered", "skipped: group: no broker answered"]);
    assert!(
        lines.iter().any(|line| line.contains("registry: ")),
        "the rest is looked at all the same: {text}"
    );
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_position_outside_of_its_log_is_warned_about_with_what_becomes_of_it() {
    let scene = scene("connect-gap");
    let topic = scene.topic("versioned", 3);
    let mut feeder = scene.feeder();
    for partition in 0..3 {
        feeder.change_logs_to(&topic, partition, 50);
    }
    let broker = KafkaBroker::shared();
    broker.delete_records_before(&topic, 0, 30);
    for (partition, offset) in [(0, 12), (1, 70), (2, 50)] {
        broker.commit(scene.group(), &topic, partition, offset);
    }
    let recipe = scene.recipe().change_logs(&topic);
    let warnings = |recipe: &Recipe| {
        let (code, text) = connect(&scene, recipe);
        assert_eq!(code, Some(0), "the pipeline can start: {text}");
        let lines = lines(&scene, &text);
        lines.into_iter().filter(|line| line.starts_with("warning: group: ")).collect::<Vec<_>>()
    };
    let gaps = [
        format!("{topic}[0]: offsets 12 to 29 (18 records) were deleted before they were read"),
        format!(
            "{topic}[1]: the position 70 lies beyond the log, which holds offsets 0 to 50: the topic was recreated or truncated"
        ),
    ];
    let expected = |endings: [&str; 2]| -> Vec<String> {
        let told = gaps.iter().zip(endings);
        told.map(|(gap, ending)| format!("warning: group: {gap}; the partition {ending}")).collect()
    };
    let goes_on = [
        "goes on at offset 30 at its next start (on_gap: continue)",
        "goes on at offset 0 at its next start (on_gap: continue)",
    ];
    assert_eq!(warnings(&recipe), expected(goes_on));

    let recipe = recipe.option("on_gap", "wait");
    let waits = "waits at its next start until `datahub-relay offsets acknowledge` (on_gap: wait)";
    assert_eq!(warnings(&recipe), expected([waits; 2]));
    // No pipeline runs that could go on: the command gives up waiting for it.
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    let said = command(&["offsets", "acknowledge", "-c", &file], &[]);
    assert!(said.stdout.contains("not gone on yet"), "{said:?}");
    let acknowledged = [
        "goes on at offset 30 at its next start, since the gap was acknowledged",
        "goes on at offset 0 at its next start, since the gap was acknowledged",
    ];
    assert_eq!(warnings(&recipe), expected(acknowledged));

    let recipe = recipe.source("reset_offsets", true);
    assert_eq!(warnings(&recipe), Vec::<String>::new(), "what is committed does not count then");
}
