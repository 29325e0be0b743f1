//! `datahub-relay tail` and `run --dry-run`: what they show is what is there, and nobody notices them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{KafkaBroker, Recipe, Said, Scene, Tally, command, wait_for, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 3;

/// Topic, partition, offset.
type Places = BTreeSet<(String, i64, i64)>;

fn lines(said: &Said) -> Vec<Value> {
    assert_eq!(said.code, Some(0), "{said:?}");
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn places(lines: &[Value]) -> Places {
    let place = |line: &Value| {
        let kafka = &line["meta"]["kafka"];
        let topic = kafka["topic"].as_str().unwrap().to_owned();
        (topic, kafka["partition"].as_i64().unwrap(), kafka["offset"].as_i64().unwrap())
    };
    lines.iter().map(place).collect()
}

/// `tail --json` of this scene's Kafka, without a recipe.
fn tail(scene: &Scene<'_>, arguments: &[&str]) -> Said {
    let registry = format!("{}/", scene.registry.url());
    let own = ["tail", "--json", "--bootstrap", scene.broker.bootstrap(), "--registry", &registry];
    command(&[&own, arguments].concat(), &[])
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn tail_shows_what_was_produced_and_leaves_the_group_alone() {
    let scene = scene("tail");
    let (versioned, platform) = (scene.topic("versioned", PARTITIONS), scene.topic("platform", 1));
    let mut feeder = scene.feeder();
    feeder.change_logs(&versioned, PARTITIONS, 120);
    feeder.platform_events(&platform, 1, 30);
    let recipe = scene.recipe().change_logs(&versioned).platform_events(&platform);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let relay = scene.run_until_ready(&[&recipe]);
    Tally::when_finished(&feeder.fed(), &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    let offsets = scene.committed(&[(&versioned, PARTITIONS), (&platform, 1)]);
    let committed = offsets.known();
    let groups = KafkaBroker::shared().consumer_groups(&["--list"]);

    let topics = ["--topic", &versioned, "--topic", &platform, "--from", "earliest", "--until-end"];
    let shown = lines(&tail(&scene, &topics));
    assert_eq!(shown.len(), 150);
    let acted = std::fs::read_to_string(scene.directory().join(format!("{}.jsonl", scene.group()))).unwrap();
    let key = |line: &Value| line["meta"].to_string();
    let mut acted: Vec<Value> = acted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut sorted = shown.clone();
    acted.sort_by_key(key);
    sorted.sort_by_key(key);
    assert_eq!(sorted, acted, "what it shows is what the action gets, although no recipe names the topics");

    let tags = [&topics[..], &["--filter", "aspectName=globalTags", "--filter", "changeType=UPSERT,CREATE"]];
    let wanted = |line: &&Value| {
        line["event"]["aspectName"] == "globalTags" && line["event"]["changeType"] != "DELETE"
    };
    let expected: Vec<Value> = acted.iter().filter(wanted).cloned().collect();
    assert!(!expected.is_empty());
    assert_eq!(places(&lines(&tail(&scene, &tags.concat()))), places(&expected));
    let sequence = [&topics[..], &["--filter", "aspect.value.sequence=7"]].concat();
    let sequence = lines(&tail(&scene, &sequence));
    assert!(!sequence.is_empty() && sequence.iter().all(|line| line["meta"]["kafka"]["offset"] == 7));

    assert_eq!(lines(&tail(&scene, &[&topics[..], &["--limit", "7"]].concat())).len(), 7);
    let time = jiff::Timestamp::from_millisecond(feeder.timestamp_ms(20)).unwrap().to_string();
    let one = ["--topic", &versioned, "--partition", "1", "--until-end", "--from"];
    let by_time = places(&lines(&tail(&scene, &[&one[..], &[&time]].concat())));
    assert_eq!(by_time, places(&lines(&tail(&scene, &[&one[..], &["20"]].concat()))));
    assert_eq!(by_time.first().unwrap().2, 20);
    assert_eq!(lines(&tail(&scene, &[&one[..], &["latest"]].concat())), Vec::<Value>::new());

    feeder.raw(&versioned, 0, b"{}");
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    let said = command(&["tail", "-c", &file, "--from", "earliest", "--until-end"], &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("NOT AN EVENT   envelope: the value begins with byte 123"),
        "{}",
        said.stdout
    );
    assert!(said.stderr.contains("150 shown, 0 not wanted, 1 that are not events"), "{}", said.stderr);
    assert!(!said.stdout.contains('\u{1b}'), "no colours beside a terminal");

    let said = tail(&scene, &["--topic", "no-such-topic"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("the topic no-such-topic cannot be read"), "{said:?}");
    assert_eq!(offsets.known(), committed);
    let mut now = KafkaBroker::shared().consumer_groups(&["--list"]);
    now.retain(|group| groups.contains(group) || group.concat().contains("tail"));
    assert_eq!(now.len(), groups.len(), "no group was made: {now:?}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn the_time_that_is_shown_of_a_record_leads_back_to_it() {
    let scene = scene("shown-time");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    // A millisecond apart each, so that a time to the second lies somewhere else.
    feeder.change_logs(&topic, 1, 30);
    let file = scene.recipe().change_logs(&topic).write(scene.directory()).to_string_lossy().into_owned();
    let said = command(&["tail", "-c", &file, "--from", "7", "--limit", "1"], &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let shown = said.stdout.split(' ').next().unwrap();

    let from = ["--topic", &topic, "--until-end", "--from", shown];
    assert_eq!(places(&lines(&tail(&scene, &from))).first().unwrap().2, 7, "{shown}");
    let said = command(&["offsets", "reset", "-c", &file, "--to", shown, "--yes"], &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(scene.committed(&[(&topic, 1)]).known_sum(), 7);
    let said = command(&["offsets", "show", "-c", &file], &[]);
    assert!(said.stdout.contains(&format!(" {shown} (")), "the same time: {said:?}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn tail_goes_on_until_it_is_interrupted() {
    let scene = scene("tail-on");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 5);
    let recipe = scene.recipe().change_logs(&topic).write(scene.directory());
    let mut process = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(["tail", "--json", "--from", "4", "-c"])
        .arg(recipe)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["meta"]["kafka"]["offset"].clone()
    };
    assert_eq!(next(), 4);
    feeder.change_logs(&topic, 1, 2);
    assert_eq!((next(), next()), (json!(5), json!(6)));
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = wait_for("the end", Duration::from_secs(30), || process.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

/// A recipe that wants some of what is fed, in two filters and two transforms.
fn picky(recipe: Recipe, topic: &str) -> Recipe {
    let wanted = |event: Value| json!({"type": "event_type", "config": {"filter": {"MetadataChangeLogEvent_v1": {"event": [event]}}}});
    recipe
        .change_logs(topic)
        .top("filters", json!([wanted(json!({"aspectName": "status"})), wanted(json!({"aspect": {"value": {"removed": false}}}))]))
        .top("filter", json!({"event_type": "MetadataChangeLogEvent_v1", "event": {"changeType": ["UPSERT", "CREATE"]}}))
        .top("transform", json!([
            {"type": "enrich", "config": {"set": {"seen": true}}},
            {"type": "filter", "config": {"event_type": "MetadataChangeLogEvent_v1", "event": {"changeType": "CREATE"}, "matching": "drop"}},
        ]))
}

fn dry_run(scene: &Scene<'_>, recipe: &Recipe, arguments: &[&str]) -> (Vec<Value>, Value) {
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    let said = command(&[&["run", "--dry-run", "--json", "-c", &file], arguments].concat(), &[]);
    let mut lines = lines(&said);
    let sum = lines.pop().unwrap()["dry_run"].clone();
    (lines, sum)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_dry_run_shows_what_a_run_then_does_and_changes_nothing() {
    let scene = scene("dry-run");
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, PARTITIONS, 300);
    feeder.raw(&topic, 0, b"\0\0\0\0\0\x01");
    let recipe = picky(scene.recipe(), &topic);
    let offsets = scene.committed(&[(&topic, PARTITIONS)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());

    let (shown, sum) = dry_run(&scene, &recipe, &[]);
    assert_eq!(offsets.known().len(), 0, "nothing was committed");
    assert_eq!(actions.read().len() + letters.read().len(), 0, "nothing was acted on");
    assert_eq!((&sum["records"], &sum["whole"]), (&json!(301), &json!(true)), "{sum}");
    let (bad, shown): (Vec<Value>, Vec<Value>) = shown.into_iter().partition(|line| line["event"].is_null());
    assert_eq!((bad.len(), &sum["dead_letters"]), (1, &json!({"avro": 1})), "{sum}");
    assert_eq!(sum["acted_on"], shown.len());
    let dropped = |by: &str| sum["dropped"][by]["records"].as_u64().unwrap_or(0);
    let by_each = ["filters[0]", "filter", "transform[1]"].map(dropped);
    assert!(by_each.iter().all(|count| *count > 0), "{sum}");
    assert_eq!(by_each.iter().sum::<u64>() + shown.len() as u64 + 1, 301);
    assert_eq!(sum["dropped"]["filter"]["on_scan"], by_each[1], "a type of change is decided on the bytes");
    assert_eq!(dry_run(&scene, &recipe, &["--limit", "3"]).1["acted_on"], 3);

    let relay = scene.run_until_ready(&[&recipe]);
    wait_until("all to be committed", ALL_FINISHED, || offsets.sum() == Some(301));
    relay.stop();
    let acted = std::fs::read_to_string(scene.directory().join(format!("{}.jsonl", scene.group()))).unwrap();
    let acted: Vec<Value> = acted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let key = |line: &Value| line["meta"].to_string();
    let sorted = |mut lines: Vec<Value>| {
        lines.sort_by_key(key);
        lines
    };
    assert_eq!(sorted(shown), sorted(acted), "the run does what was shown");
    assert_eq!(letters.read().len(), 1);

    let committed = offsets.known();
    feeder.change_logs(&topic, PARTITIONS, 60);
    let (_, sum) = dry_run(&scene, &recipe, &[]);
    assert_eq!(sum["records"], 60, "from where the group stands");
    assert_eq!(offsets.known(), committed);
}
