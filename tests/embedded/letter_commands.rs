//! What `datahub-relay dead-letters` says of letters that are not there, not meant, broken, or somebody's secret.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Answer, Recipe, Said, Scene, WebhookServer, command, wait_for, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

pub(super) fn dead_letters(scene: &Scene<'_>, recipe: &Recipe, arguments: &[&str]) -> Said {
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    command(&[&["dead-letters"], arguments, &["-c", &file]].concat(), &[])
}

/// A line as a pipeline of this name stores it: the record of an entity change that no registry is needed for.
pub(super) fn line(pipeline: &str, (stage, class): (&str, &str), (offset, round): (i64, u32)) -> String {
    let event = serde_json::json!({
        "entityType": "dataset", "entityUrn": format!("urn:li:dataset:{offset}"),
        "category": "TAG", "operation": "ADD", "version": 0,
    });
    let place = serde_json::json!({"topic": "PlatformEvent_v1", "partition": 0, "offset": offset});
    let failed_at = "2026-01-02T03:04:05.678Z";
    serde_json::json!({
        "event_type": "EntityChangeEvent_v1", "event": event, "meta": {"kafka": place},
        "pipeline": pipeline, "id": format!("{pipeline}/PlatformEvent_v1/0/{offset}"), "round": round,
        "error": {"stage": stage, "class": class, "message": "the endpoint answered 500", "attempts": 3,
            "first_at": failed_at, "last_at": failed_at},
    })
    .to_string()
        + "\n"
}

/// The recipe's own file with these lines.
pub(super) fn letters_of(scene: &Scene<'_>, lines: &str) -> PathBuf {
    let directory = scene.dead_letter_directory();
    fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join("failed_events.log");
    fs::write(&file, lines).expect("a file");
    file
}

pub(super) fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_replay_takes_the_recipes_filters_and_transforms_as_they_are_now() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-filtered");
    let failed = ("transform", "panic");
    let lines = [1, 2, 3].map(|offset| line(scene.group(), failed, (offset, 1)));
    letters_of(&scene, &lines.concat());
    let wanted =
        serde_json::json!({"event_type": "EntityChangeEvent_v1", "event": {"entityUrn": "urn:li:dataset:2"}});
    let recipe = scene
        .recipe()
        .platform_events("PlatformEvent_v1")
        .top("filter", wanted)
        .top("transform", serde_json::json!([{"type": "enrich", "config": {"set": {"team": "data"}}}]));
    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("1 acted on, 2 dropped, 0 failed again"), "{said:?}");
    let mut acted = scene.action_log();
    let acted = acted.read();
    assert_eq!((acted[0].place().offset, &acted[0].event["team"]), (2, &"data".into()));
    assert_eq!(acted.len(), 1);
}

#[test]
fn an_interrupted_replay_finishes_the_attempt_that_runs_and_begins_nothing_more() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::on(&broker, &format!("letters-interrupted-{}", signal.as_raw()));
        let failed = ("action", "permanent");
        let lines = [1, 2, 3, 4].map(|offset| line(scene.group(), failed, (offset, 1)));
        letters_of(&scene, &lines.concat());
        let (told, go_on) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (at_second, open) = (Arc::clone(&told), Arc::clone(&go_on));
        let endpoint = WebhookServer::start(move |place, _| {
            if place.offset == 2 {
                at_second.store(true, Ordering::Release);
                while !open.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            Answer::Confirm
        });
        let recipe = scene.recipe().platform_events("PlatformEvent_v1").post_to(&endpoint.url());
        let log = scene.directory().join("replay.log");
        let mut replay = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
            .args(["dead-letters", "replay", "-c"])
            .arg(recipe.write(scene.directory()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("the program was built");
        wait_until("the second letter to be with the action", ALL_FINISHED, || told.load(Ordering::Acquire));
        let process = i32::try_from(replay.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(process, signal).expect("it is our child");
        wait_until("the signal to have come", ALL_FINISHED, || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("stopping: what runs is finished"))
        });
        // The attempt goes on, and may succeed.
        go_on.store(true, Ordering::Release);
        let code = wait_for("the end of the replay", ALL_FINISHED, || replay.try_wait().expect("our child"));
        let mut said = String::new();
        replay.stdout.take().expect("a pipe").read_to_string(&mut said).expect("text");
        assert_eq!(code.code(), Some(1), "{said}");
        assert!(
            said.contains("2 acted on") && said.contains("stopped before the end; start it again"),
            "{said}"
        );
        assert_eq!(endpoint.requests(), 2);

        let said = dead_letters(&scene, &recipe, &["replay"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.contains("2 acted on") && said.stdout.contains("2 replayed before"), "{said:?}");
        assert_eq!(endpoint.requests(), 4);
    }
}

#[test]
fn a_replay_that_nobody_reads_any_more_ends_and_says_that_letters_may_be_left() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-unread");
    let failed = ("action", "permanent");
    // The first one is refused, which is told at once.
    letters_of(&scene, &[line(scene.group(), failed, (1, 4)), line(scene.group(), failed, (2, 1))].concat());
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");
    let ended = |arguments: &[&str]| {
        let (reads, writes) = std::io::pipe().expect("a pipe");
        drop(reads);
        let output = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
            .arg("dead-letters")
            .args(arguments)
            .arg("-c")
            .arg(recipe.write(scene.directory()))
            .stdin(Stdio::null())
            .stdout(writes)
            .output()
            .expect("the program was built");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(ended(&["list"]), (Some(0), String::new()));
    assert_eq!(ended(&["replay", "--dry-run"]), (Some(0), String::new()));
    let (code, said) = ended(&["replay"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("letters may be left; start the replay again to go on"), "{said}");
    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert!(said.stdout.contains("1 acted on") && said.stdout.contains("1 refused"), "{said:?}");
}

#[test]
fn letters_that_cannot_go_back_to_their_topic_are_refused_and_the_others_go() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-refused");
    let topic = scene.topic("platform", 1);
    let group = scene.group();
    let with_record = |topic: &str, offset: i64| {
        serde_json::json!({
            "event_type": null, "event": null, "meta": null, "pipeline": group,
            "error": {"stage": "envelope", "class": "no_magic", "message": "m", "attempts": 1},
            "record": {"topic": topic, "partition": 0, "offset": offset, "timestamp": null,
                "key": null, "value": "YmFk", "headers": []},
        })
        .to_string()
            + "\n"
    };
    let only_an_event = line(group, ("action", "permanent"), (1, 1));
    letters_of(&scene, &[with_record("Another_v1", 2), only_an_event, with_record(&topic, 3)].concat());
    let recipe = scene.recipe().platform_events(&topic);
    let refused = [
        format!(
            "refused: {group}/Another_v1/0/2: it came from the topic Another_v1, which this recipe does not read"
        ),
        format!(
            "refused: {group}/PlatformEvent_v1/0/1: the letter has no original record, only the event; replay it through the action"
        ),
    ];
    let said = dead_letters(&scene, &recipe, &["replay", "--to-topic", "--dry-run"]);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[..2], refused, "{said:?}");
    assert_eq!(lines[2], format!("would send to its topic: {group}/{topic}/0/3 (round 1 of 3)"));
    let said = dead_letters(&scene, &recipe, &["replay", "--to-topic"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.stdout.lines().take(2).collect::<Vec<_>>(), refused, "{said:?}");
    assert!(
        said.stdout.contains("1 sent to their topic, 0 failed again, 0 replayed before, 2 refused"),
        "{said:?}"
    );
    assert!(scene.action_log().read().is_empty());
}

#[test]
fn a_journal_may_stand_in_a_directory_of_its_own() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-journal");
    letters_of(&scene, &line(scene.group(), ("action", "permanent"), (1, 1)));
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");
    let elsewhere = scene.directory().join("journals");
    let elsewhere = ["--journal-dir", &elsewhere.to_string_lossy()];
    let said = dead_letters(&scene, &recipe, &[&["replay"], &elsewhere[..]].concat());
    assert!(said.code == Some(0) && said.stdout.contains("1 acted on"), "{said:?}");
    assert_eq!(names_in(&scene.dead_letter_directory()), ["failed_events.log"]);
    for (arguments, states) in [(&[][..], 1), (&elsewhere[..], 0)] {
        let said = dead_letters(&scene, &recipe, &[&["list", "--json", "--pending"], arguments].concat());
        assert_eq!(said.stdout.lines().count(), states, "{arguments:?}: {said:?}");
        let said = dead_letters(&scene, &recipe, &[&["replay", "--dry-run"], arguments].concat());
        assert!(said.stdout.contains(&format!("{states} would be acted on")), "{arguments:?}: {said:?}");
    }
}

#[test]
fn letters_that_are_not_there_or_not_meant_are_told_apart() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-none");
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");
    let file = scene.dead_letter_directory().join("failed_events.log");
    let none = format!("no dead letters in {}\n", file.display());
    let said = dead_letters(&scene, &recipe, &["list"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), none.as_str()), "never run: {said:?}");
    fs::create_dir_all(scene.dead_letter_directory()).expect("a directory");
    let said = dead_letters(&scene, &recipe, &["list", "--summary"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), none.as_str()), "put away: {said:?}");
    letters_of(&scene, "\n");
    assert_eq!(dead_letters(&scene, &recipe, &["list"]).stdout, none, "empty");

    let group = scene.group();
    letters_of(
        &scene,
        &[line("another", ("action", "permanent"), (1, 1)), line(group, ("avro", "truncated"), (2, 1))]
            .concat(),
    );
    let nothing =
        format!("of 2 dead letters in {} none matches --pipeline {group} --stage schema\n", file.display());
    for arguments in [&["list"][..], &["list", "--summary"], &["replay", "--dry-run"]] {
        let said = dead_letters(&scene, &recipe, &[arguments, &["--stage", "schema"]].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.stdout.starts_with(&nothing), "{said:?}");
    }
    let said = dead_letters(&scene, &recipe, &["list", "--stage", "schema", "--json"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "a program counts by itself");
    let said = dead_letters(&scene, &recipe, &["show", "nobody/PlatformEvent_v1/0/2"]);
    assert_eq!(said.code, Some(1));
    let text =
        format!("there is no dead letter with the id nobody/PlatformEvent_v1/0/2 in {}", file.display());
    assert!(said.stderr.contains(&text), "{said:?}");

    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = dead_letters(&scene, &recipe, &["list", "--pending"]);
    assert_eq!(said.stdout, "the one dead letter that matches was replayed\n", "{said:?}");
}

#[test]
fn a_stage_that_is_none_is_wrong_usage_and_the_stages_are_named() {
    let said = command(&["dead-letters", "list", "--file", "x", "--stage", "actoin"], &[]);
    assert_eq!(said.code, Some(2), "{said:?}");
    for expected in ["envelope, schema, avro, type, payload, filter, transform, action", "'action'"] {
        assert!(said.stderr.contains(expected), "{expected}: {said:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_file_line_and_byte() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("failed_events.log");
    let good = line("p", ("action", "permanent"), (7, 1));
    let mut lines = good.clone().into_bytes();
    lines.extend(b"{\"event\": nul}\n[1]\n\"\xff\"\n{\"record\": {\"topic\": \"t\"}}\n{\"event\": null}\n");
    lines.extend(b"{\"record\":{\"topic\":\"t\",\"partition\":0,\"offset\":1,\"value\":\"?\"}}\n");
    lines.extend(good.trim_end().as_bytes().split_last().expect("not empty").1);
    fs::write(&file, &lines).expect("a file");
    let name = file.to_string_lossy().into_owned();
    let said = command(&["dead-letters", "list", "--json", "--file", &name], &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 1, "{said:?}");
    let told: Vec<&str> = said.stderr.lines().collect();
    let expected = [
        (2, "expected ident, at byte "),
        (3, "invalid"),
        (4, "invalid"),
        (5, "missing field `partition`"),
        (6, "it has neither `event` nor `record`"),
        (7, "`record.value` is not base64"),
        (8, "EOF while parsing an object, at byte "),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (text, (line, why)) in told.iter().zip(expected) {
        assert!(text.contains(&format!("{name}:{line}: is no dead letter: ")), "{text}");
        assert!(text.contains(why) && !text.contains("line 1"), "{why}: {text}");
    }
    let said = command(&["dead-letters", "show", "p/PlatformEvent_v1/0/8", "--file", &name], &[]);
    assert!(said.stderr.contains("7 that cannot be read were passed over"), "{said:?}");

    let said = command(&["dead-letters", "list", "--file", &directory.path().to_string_lossy()], &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains(&format!("{}:1: Is a directory", directory.path().display())), "{said:?}");
    let missing = directory.path().join("none.log");
    let said = command(&["dead-letters", "list", "--file", &missing.to_string_lossy()], &[]);
    assert_eq!(said.code, Some(1), "a file that is named has to be there: {said:?}");
    assert!(said.stderr.contains(&format!("{}: No such file", missing.display())), "{said:?}");
}

#[test]
fn no_command_shows_a_secret_of_the_recipe_that_stands_in_a_letter() {
    const CANARY: &str = "c4n4ry-0f-s3crets";
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letters-secret");
    // As the Python framework stores it: with the text of the error as it came.
    let letter = line(scene.group(), ("action", "permanent"), (1, 4)).replace("answered 500", CANARY);
    letters_of(&scene, &letter);
    let recipe = scene
        .recipe()
        .platform_events("PlatformEvent_v1")
        .post_to("http://127.0.0.1:9/")
        .action("headers", serde_json::json!({"Authorization": CANARY}));
    let id = format!("{}/PlatformEvent_v1/0/1", scene.group());
    for arguments in
        [&["list"][..], &["list", "--json"], &["show", &id], &["replay", "--dry-run"], &["replay"]]
    {
        let said = dead_letters(&scene, &recipe, arguments);
        assert!(said.stdout.contains(&id), "{arguments:?}: {said:?}");
        assert!(!said.stdout.contains(CANARY) && !said.stderr.contains(CANARY), "{arguments:?}: {said:?}");
    }
    let shown = dead_letters(&scene, &recipe, &["show", &id]).stdout;
    assert!(shown.contains("message       the endpoint …"), "{shown}");
}
