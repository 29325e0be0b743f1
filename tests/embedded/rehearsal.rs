//! What `datahub-relay dead-letters replay --dry-run` says, and what it leaves alone.

use std::fs;

use datahub_relay::embedded::EmbeddedBroker;

use super::letter_commands::{dead_letters, letters_of, line, names_in};
use crate::harness::Scene;

/// A line with a record of this topic, its value in base64.
fn with_record(pipeline: &str, topic: &str, offset: i64, value: Option<&str>) -> String {
    serde_json::json!({
        "event_type": null, "event": null, "meta": null, "pipeline": pipeline,
        "error": {"stage": "schema", "class": "unknown_id", "message": "m", "attempts": 1},
        "record": {"topic": topic, "partition": 0, "offset": offset, "timestamp": null,
            "key": null, "value": value, "headers": []},
    })
    .to_string()
        + "\n"
}

#[test]
fn a_rehearsed_replay_says_what_the_real_one_does_and_changes_nothing() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-rehearsed");
    let (group, failed) = (scene.group(), ("action", "retries_exhausted"));
    let lines = [
        line(group, failed, (1, 1)),
        line(group, failed, (2, 4)),
        line(group, ("filter", "panic"), (3, 2)),
        line("another", failed, (4, 1)),
        line(group, failed, (1, 1)),
        "{\n".to_owned(),
    ];
    let file = letters_of(&scene, &lines.concat());
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");

    let said = dead_letters(&scene, &recipe, &["replay", "--dry-run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let expected = [
        format!("would act on: {group}/PlatformEvent_v1/0/1 (round 1 of 3)"),
        format!(
            "refused: {group}/PlatformEvent_v1/0/2: it has been through 3 rounds (options.max_replay_rounds)"
        ),
        format!("would act on: {group}/PlatformEvent_v1/0/3 (round 2 of 3)"),
        "2 would be acted on, 0 would be dropped, 0 would fail again, 1 were replayed before, 1 would be refused, \
         1 cannot be read"
            .to_owned(),
    ];
    assert_eq!(said.stdout.lines().collect::<Vec<_>>(), expected, "the one that is stored twice counts once");
    assert_eq!(fs::read_to_string(&file).expect("the file"), lines.concat());
    assert_eq!(names_in(&scene.dead_letter_directory()), ["failed_events.log"], "no journal, no lock");
    assert!(scene.action_log().read().is_empty());

    let chosen = ["replay", "--class", "panic"];
    let said = dead_letters(&scene, &recipe, &[&chosen[..], &["--dry-run"]].concat());
    assert!(
        said.stdout.contains("1 would be acted on") && said.stdout.contains("0 were replayed before"),
        "{said:?}"
    );
    let said = dead_letters(&scene, &recipe, &chosen);
    assert!(said.stdout.contains("1 acted on") && said.stdout.contains("0 refused"), "{said:?}");
    let acted: Vec<i64> = scene.action_log().read().iter().map(|line| line.place().offset).collect();
    assert_eq!(acted, [3]);
    let journal = fs::read_to_string(file.with_extension("log.replayed")).expect("a journal");
    let noted: serde_json::Value = serde_json::from_str(&journal).expect("one line of JSON");
    assert_eq!(noted["id"], format!("{group}/PlatformEvent_v1/0/3"));
    assert_eq!((&noted["round"], &noted["first_failure"]), (&2.into(), &"2026-01-02T03:04:05.678Z".into()));
    assert_eq!(noted["replayed"], "acted");
    assert!(noted["at"].as_str().is_some_and(|at| at.starts_with("20")), "{noted}");
    let said = dead_letters(&scene, &recipe, &["replay", "--dry-run"]);
    assert!(
        said.stdout.contains("1 would be acted on") && said.stdout.contains("2 were replayed before"),
        "{said:?}"
    );
}

#[test]
fn a_rehearsal_decodes_filters_and_transforms_and_comes_to_the_numbers_of_the_replay() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-foretold");
    let (group, failed, topic) = (scene.group(), ("action", "permanent"), "PlatformEvent_v1");
    let lines = [
        line(group, failed, (1, 1)),
        line(group, failed, (2, 1)),
        line(group, failed, (3, 1)),
        with_record(group, topic, 4, Some("YmFk")),
        with_record(group, "Another_v1", 5, Some("YmFk")),
        with_record(group, topic, 6, None),
    ];
    letters_of(&scene, &lines.concat());
    let urns = |offsets: &[i64]| -> Vec<String> {
        offsets.iter().map(|offset| format!("urn:li:dataset:{offset}")).collect()
    };
    let wanted = |offsets: &[i64]| serde_json::json!({"event_type": "EntityChangeEvent_v1", "event": {"entityUrn": urns(offsets)}});
    let recipe = scene
        .recipe()
        .platform_events(topic)
        .top("filter", wanted(&[1, 2]))
        .top("transform", serde_json::json!([{"type": "filter", "config": wanted(&[1])}]));

    let said = dead_letters(&scene, &recipe, &["replay", "--dry-run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let told: Vec<&str> = said.stdout.lines().collect();
    let of = |offset: i64| format!("{group}/{topic}/0/{offset} (round 1 of 3)");
    assert_eq!(told[0], format!("would act on: {}", of(1)));
    assert_eq!(told[1], format!("would drop: {}: by transform[0]", of(2)));
    assert_eq!(told[2], format!("would drop: {}: by filter", of(3)));
    assert!(told[3].starts_with(&format!("would fail again: {}: ", of(4))), "{told:#?}");
    assert!(told[4].starts_with(&format!("refused: {group}/Another_v1/0/5: ")), "{told:#?}");
    assert_eq!(told[5], format!("would drop: {}: it has no value", of(6)));
    let numbers = "1 would be acted on, 3 would be dropped, 1 would fail again, 0 were replayed before, \
                   1 would be refused, 0 cannot be read";
    assert_eq!(told[6], numbers);
    assert!(told[7].contains("counts as replayed for good"), "{told:#?}");
    assert_eq!(names_in(&scene.dead_letter_directory()), ["failed_events.log"], "nothing was written");
    assert!(scene.action_log().read().is_empty());

    let said = dead_letters(&scene, &recipe, &["replay"]);
    let numbers = "1 acted on, 3 dropped, 1 failed again, 0 replayed before, 1 refused";
    assert!(said.stdout.contains(numbers), "{said:?}");
}

#[test]
fn a_letter_that_a_replay_dropped_is_listed_so_and_due_again_without_its_line_in_the_journal() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-dropped");
    let lines = [1, 2].map(|offset| line(scene.group(), ("action", "permanent"), (offset, 1)));
    let file = letters_of(&scene, &lines.concat());
    let wanted =
        serde_json::json!({"event_type": "EntityChangeEvent_v1", "event": {"entityUrn": "urn:li:dataset:1"}});
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");
    let filtering = recipe.clone().top("filter", wanted);
    let states = || -> Vec<String> {
        let said = dead_letters(&scene, &recipe, &["list", "--json"]);
        let state = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["state"].take();
        said.stdout.lines().map(|line| state(line).as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(states(), ["pending", "pending"]);
    let said = dead_letters(&scene, &filtering, &["replay"]);
    assert!(said.stdout.contains("1 acted on, 1 dropped"), "{said:?}");
    assert_eq!(states(), ["replayed", "dropped"]);
    let said = dead_letters(&scene, &recipe, &["list", "--pending"]);
    assert!(said.stdout.contains("all 2 dead letters that match were replayed"), "{said:?}");

    let journal = file.with_extension("log.replayed");
    let noted = fs::read_to_string(&journal).expect("a journal");
    let kept: Vec<&str> = noted.split_inclusive('\n').filter(|line| !line.contains("\"dropped\"")).collect();
    fs::write(&journal, kept.concat()).expect("the journal can be written");
    assert_eq!(states(), ["replayed", "pending"]);
    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert!(said.stdout.contains("1 acted on, 0 dropped, 0 failed again, 1 replayed before"), "{said:?}");
    assert_eq!(states(), ["replayed", "replayed"]);
}

#[test]
fn a_rehearsal_that_needs_a_registry_which_does_not_answer_says_so_and_ends() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let mut scene = Scene::on(&broker, "letters-unforetold");
    let lines = [
        line(scene.group(), ("action", "permanent"), (1, 1)),
        // A wire header, of the schema 1.
        with_record(scene.group(), "PlatformEvent_v1", 2, Some("AAAAAAEC")),
    ];
    letters_of(&scene, &lines.concat());
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");
    scene.registry_goes_down();
    let said = dead_letters(&scene, &recipe, &["replay", "--dry-run"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("would act on: ") && !said.stdout.contains("fail again"), "{said:?}");
    assert!(said.stderr.contains("cannot be said without the schema registry"), "{said:?}");
}
