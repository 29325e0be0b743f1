//! `datahub-relay dead-letters`, on letters that a run on real Kafka left behind.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;

use crate::harness::{Recipe, Running, Said, Scene, command, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

pub(crate) fn dead_letters(scene: &Scene<'_>, recipe: &Recipe, arguments: &[&str]) -> Said {
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    command(&[&["dead-letters"], arguments, &["-c", &file]].concat(), &[])
}

pub(crate) fn lines(said: &Said) -> Vec<Value> {
    assert_eq!(said.code, Some(0), "{said:?}");
    said.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Lets the action fail for every event, and returns once all of them are dead letters.
pub(crate) fn fail_all(scene: &Scene<'_>, recipe: &Recipe, topic: &str, events: i64) {
    let failing = recipe.clone().write_to("/dev/full".as_ref());
    let relay = scene.run_until_ready(&[&failing]);
    let committed = scene.committed(&[(topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(events));
    relay.stop();
}

/// A replay that the test may interrupt.
pub(crate) fn start_replay(scene: &Scene<'_>, recipe: &Recipe) -> Running {
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    Running::start(&["dead-letters", "replay", "-c", &file])
}

fn offsets_acted_on(scene: &Scene<'_>) -> Vec<i64> {
    scene.action_log().read().iter().map(|line| line.place().offset).collect()
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_replay_that_was_killed_goes_on_and_repeats_at_most_the_one_in_flight() {
    const EVENTS: usize = 1_500;
    let scene = scene("replay-killed");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, EVENTS);
    let recipe = scene.recipe().change_logs(&topic);
    fail_all(&scene, &recipe, &topic, 1_500);

    let mut kills = 0;
    for at in [50, 300] {
        let replay = start_replay(&scene, &recipe);
        wait_until("the replay to be under way", ALL_FINISHED, || offsets_acted_on(&scene).len() >= at);
        drop(replay);
        kills += 1;
    }
    assert!(offsets_acted_on(&scene).len() < EVENTS, "it was killed on the way");
    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let acted = offsets_acted_on(&scene);
    let distinct: BTreeSet<i64> = acted.iter().copied().collect();
    assert_eq!(distinct.len(), EVENTS, "nothing is lost");
    assert!(acted.len() - EVENTS <= kills, "{} were repeated by {kills} kills", acted.len() - EVENTS);

    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert_eq!(said.code, Some(0), "what was replayed is passed over: {said:?}");
    assert!(said.stdout.contains("0 acted on") && said.stdout.contains("1500 replayed before"), "{said:?}");
    assert_eq!(offsets_acted_on(&scene).len(), acted.len());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn letters_in_a_topic_are_listed_shown_replayed_and_refused_after_the_last_round() {
    let scene = scene("replay-topic");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 2));
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 5);
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .source("dead_letter_topic", letters.as_str())
        .option("max_replay_rounds", 1);
    fail_all(&scene, &recipe, &topic, 5);

    let listed = lines(&dead_letters(&scene, &recipe, &["list", "--json"]));
    assert_eq!(listed.len(), 5);
    let id = format!("{}/{topic}/0/3", scene.group());
    let one = listed.iter().find(|letter| letter["id"] == id.as_str()).expect("the fourth event");
    assert_eq!(one["event_type"], "MetadataChangeLogEvent_v1");
    assert_eq!(
        (&one["stage"], &one["round"], &one["state"]),
        (&"action".into(), &1.into(), &"pending".into())
    );
    let said = dead_letters(&scene, &recipe, &["show", &id]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for expected in ["event, decoded now", "\"entityType\": \"dataset\"", "000000  00 00 00 00", &letters] {
        assert!(said.stdout.contains(expected), "{expected}: {}", said.stdout);
    }

    let only_one = ["replay", "--id", &id];
    let said = dead_letters(&scene, &recipe, &[only_one.as_slice(), &["--dry-run"]].concat());
    assert!(said.stdout.contains(&format!("would act on: {id} (round 1 of 1)")), "{said:?}");
    assert!(offsets_acted_on(&scene).is_empty());
    let said = dead_letters(&scene, &recipe, &only_one);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(offsets_acted_on(&scene), [3]);

    // The others fail again, and then have been through the one round that is allowed.
    let failing = recipe.clone().write_to("/dev/full".as_ref());
    let said = dead_letters(&scene, &failing, &["replay"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("4 failed again, 1 replayed before, 0 refused"), "{said:?}");
    let said = dead_letters(&scene, &recipe, &["replay"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stdout.contains("0 acted on, 0 dropped, 0 failed again, 5 replayed before, 4 refused"),
        "{said:?}"
    );
    let second: Vec<Value> = lines(&dead_letters(&scene, &recipe, &["list", "--json", "--pending"]));
    assert_eq!(second.len(), 4);
    assert!(second.iter().all(|letter| letter["round"] == 2), "{second:?}");

    let patient = recipe.clone().option("max_replay_rounds", 2);
    let said = dead_letters(&scene, &patient, &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let acted: BTreeSet<i64> = offsets_acted_on(&scene).into_iter().collect();
    assert_eq!(acted, BTreeSet::from([0, 1, 2, 3, 4]));
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_record_that_is_sent_back_to_its_topic_comes_again_and_is_counted_by_its_id() {
    let scene = scene("replay-back");
    // Not where its key alone would bring it.
    let (topic, partition) = (scene.topic("versioned", 12), 7);
    let producer: BaseProducer = scene.broker.client().create().expect("a producer");
    let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some(b"a".as_slice()) });
    let bad = BaseRecord::<[u8], [u8]>::to(&topic).partition(partition).key(b"k").payload(b"bad");
    producer
        .send(bad.timestamp(1_700_000_000_123).headers(headers))
        .map_err(|(error, _)| error)
        .expect("room in the queue");
    producer.flush(ALL_FINISHED).expect("the record is delivered");
    let recipe = scene.recipe().change_logs(&topic);
    let relay = scene.run_until_ready(&[&recipe]);
    let mut file = scene.dead_letters();
    wait_until("the dead letter", ALL_FINISHED, || file.read().len() == 1);
    // While the pipeline runs: it appends to the file that is read.
    let said = dead_letters(&scene, &recipe, &["replay", "--to-topic"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("1 sent to their topic"), "{said:?}");
    wait_until("the record to fail again", ALL_FINISHED, || file.read().len() == 2);
    relay.stop();
    let again = &file.read()[1].record;
    assert_eq!(again.value().as_deref(), Some(b"bad".as_slice()));
    assert_eq!((again.place.partition, again.place.offset), (partition, 1), "a record of its own");
    let stored = std::fs::read_to_string(scene.dead_letter_directory().join("failed_events.log"));
    let stored: Vec<Value> = stored
        .expect("the file")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    for what in ["key", "value", "timestamp", "headers"] {
        assert!(!stored[0]["record"][what].is_null());
        assert_eq!(stored[0]["record"][what], stored[1]["record"][what], "{what} as it was");
    }
    let listed = lines(&dead_letters(&scene, &recipe, &["list", "--json"]));
    let ids: BTreeSet<&str> = listed.iter().filter_map(|letter| letter["id"].as_str()).collect();
    assert_eq!(
        ids,
        BTreeSet::from([format!("{}/{topic}/{partition}/0", scene.group()).as_str()]),
        "still the same letter"
    );
    assert_eq!((&listed[0]["round"], &listed[1]["round"]), (&1.into(), &2.into()));
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&"replayed".into(), &"pending".into()));
}
