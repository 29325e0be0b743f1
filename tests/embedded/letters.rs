//! `datahub-relay dead-letters` on files: what the Python framework wrote, broken lines, two at once.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;

use super::letter_commands::line;
use crate::harness::{Recipe, Said, Scene, command, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

fn dead_letters(scene: &Scene<'_>, recipe: &Recipe, arguments: &[&str]) -> Said {
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    command(&[&["dead-letters"], arguments, &["-c", &file]].concat(), &[])
}

/// A file in which the Python framework left letters, and a line that is none.
fn framework_file(scene: &Scene<'_>) -> PathBuf {
    let path = scene.directory().join("failed_events.log");
    let line = |offset: i64| {
        format!(
            r#"{{"event_type":"EntityChangeEvent_v1","event":{{"entityType":"dataset","entityUrn":"urn:li:dataset:{offset}","category":"TAG","operation":"ADD","version":0}},"meta":{{"kafka":{{"topic":"PlatformEvent_v1","partition":0,"offset":{offset}}}}}}}"#
        )
    };
    fs::write(path.with_extension("log.1"), line(1) + "\n{\"event_type\": \"half\n").expect("a file");
    fs::write(&path, line(2) + "\n").expect("a file");
    path
}

#[test]
fn letters_of_the_framework_are_listed_and_shown_and_replayed_from_their_json() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-framework");
    let file = framework_file(&scene);
    let file = file.to_string_lossy();
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");

    let said = command(&["dead-letters", "list", "--file", &file, "--json"], &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let ids: Vec<serde_json::Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["id"].take())
        .collect();
    assert_eq!(ids, ["framework/PlatformEvent_v1/0/1", "framework/PlatformEvent_v1/0/2"]);
    assert!(said.stderr.contains("failed_events.log.1:2: is no dead letter"), "{said:?}");

    let said = command(&["dead-letters", "show", "framework/PlatformEvent_v1/0/2", "--file", &file], &[]);
    assert!(said.stdout.contains("\"entityUrn\": \"urn:li:dataset:2\""), "{said:?}");
    let said = command(&["dead-letters", "show", "framework/PlatformEvent_v1/0/3", "--file", &file], &[]);
    assert_eq!(said.code, Some(1), "{said:?}");

    let said = dead_letters(&scene, &recipe, &["replay", "--file", &file]);
    assert_eq!(said.code, Some(1), "one line could not be read: {said:?}");
    assert!(said.stdout.contains("2 acted on") && said.stdout.contains("1 unreadable"), "{said:?}");
    let acted: Vec<i64> = scene.action_log().read().iter().map(|line| line.place().offset).collect();
    assert_eq!(acted, [1, 2]);
    let said = dead_letters(&scene, &recipe, &["replay", "--file", &file, "--to-topic"]);
    assert!(said.stdout.contains("2 replayed before"), "by whatever way: {said:?}");
}

#[test]
fn a_framework_letter_that_fails_again_keeps_its_event_and_has_a_round_more() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-again");
    let file = framework_file(&scene);
    let recipe = scene.recipe().platform_events("PlatformEvent_v1").write_to("/dev/full".as_ref());
    let said = dead_letters(&scene, &recipe, &["replay", "--file", &file.to_string_lossy()]);
    assert!(said.stdout.contains("2 failed again"), "{said:?}");
    let said = dead_letters(&scene, &recipe, &["list", "--json"]);
    let letters: Vec<serde_json::Value> =
        said.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(letters.len(), 2, "{said:?}");
    assert!(
        letters.iter().all(|letter| letter["round"] == 2 && letter["event_type"] == "EntityChangeEvent_v1")
    );
    let said = dead_letters(&scene, &recipe.write_to(&scene.directory().join("out.jsonl")), &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("2 acted on"), "{said:?}");
}

#[test]
fn letters_of_a_run_are_replayed_through_the_filter_and_both_stores_are_read() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-both");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    let mut feeder = scene.feeder();
    let recipe = scene.recipe().change_logs(&topic);
    let full = recipe.clone().write_to("/dev/full".as_ref());
    let committed = scene.committed(&[(&topic, 1)]);
    let to_topic = full.clone().source("dead_letter_topic", letters.as_str());
    for (recipe, fed) in [(&full, 10), (&to_topic, 20)] {
        feeder.change_logs(&topic, 1, 10);
        let relay = scene.run(&[recipe]);
        wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(fed));
        relay.stop();
    }
    let recipe = recipe.source("dead_letter_topic", letters.as_str());
    let said = dead_letters(&scene, &recipe, &["list", "--summary", "--json"]);
    let summary: serde_json::Value = said.json();
    assert_eq!((&summary["letters"], &summary["pending"]), (&20.into(), &20.into()), "{said:?}");

    let nothing = serde_json::json!({ "event_type": "EntityChangeEvent_v1", "event": {} });
    let said = dead_letters(&scene, &recipe.clone().top("filter", nothing), &["replay", "--until", "-1w"]);
    assert!(said.stdout.contains("0 acted on, 0 dropped"), "none is that old: {said:?}");
    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("20 acted on"), "{said:?}");
    let mut acted: Vec<i64> = scene.action_log().read().iter().map(|line| line.place().offset).collect();
    acted.sort_unstable();
    assert_eq!(acted, (0..20).collect::<Vec<_>>());
}

#[test]
fn a_replay_says_what_it_needs() {
    let said = command(&["dead-letters", "list"], &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("name the recipe (-c recipe.yml) or the file"), "{said:?}");
    let said = command(&["dead-letters", "list", "--file", "/nonexistent/failed_events.log"], &[]);
    assert!(said.stderr.contains("/nonexistent/failed_events.log"), "{said:?}");
    let said = command(&["dead-letters", "list", "--file", "x", "--since", "soon"], &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn letters_are_chosen_by_a_time_or_by_how_long_ago_and_another_text_names_both_forms() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("failed_events.log");
    let of_the_past = line("p", ("action", "permanent"), (1, 1));
    let now = jiff::Timestamp::now().to_string();
    let of_today = line("p", ("action", "permanent"), (2, 1)).replace("2026-01-02T03:04:05.678Z", &now);
    fs::write(&file, of_the_past + &of_today).expect("a file");
    let name = file.to_string_lossy().into_owned();
    let listed = |times: &[&str]| {
        command(&[&["dead-letters", "list", "--json", "--file", &name], times].concat(), &[])
    };
    for (times, offset) in [
        (&["--since", "1h"][..], 2),
        (&["--since", "-1h"], 2),
        (&["--since", "2026-01-03T00:00:00Z"], 2),
        (&["--until", "30m"], 1),
        (&["--since", "9999d", "--until", "1d"], 1),
    ] {
        let said = listed(times);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(said.stdout.lines().count(), 1, "{times:?}: {said:?}");
        assert!(said.stdout.contains(&format!("/PlatformEvent_v1/0/{offset}\"")), "{times:?}: {said:?}");
    }
    for (option, wrong) in [("--since", "17"), ("--until", "yesterday")] {
        let said = listed(&[option, wrong]);
        assert_eq!(said.code, Some(2), "{said:?}");
        for form in ["2026-01-31T08:00:00Z", "1h, 30m or 2d"] {
            assert!(said.stderr.contains(form), "{form}: {said:?}");
        }
    }
}
