//! `datahub-relay offsets`, compared with what Kafka's own command says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Broker, KafkaBroker, Recipe, Said, Tally, command, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 3;

/// (topic, partition) to (committed, end, lag).
type Offsets = BTreeMap<(String, i64), [Option<i64>; 3]>;

fn offsets(recipe: &Recipe, directory: &std::path::Path, arguments: &[&str]) -> Said {
    let file = recipe.write(directory).to_string_lossy().into_owned();
    command(&[&["offsets"], arguments, &["-c", &file]].concat(), &[])
}

/// What Kafka's own command says of the group.
fn as_kafka_says(group: &str) -> Offsets {
    let rows = KafkaBroker::shared().consumer_groups(&["--describe", "--group", group]);
    let number = |text: &String| text.parse().ok();
    rows.iter()
        .filter(|row| row.first().is_some_and(|first| first == group))
        .map(|row| {
            ((row[1].clone(), row[2].parse().unwrap()), [number(&row[3]), number(&row[4]), number(&row[5])])
        })
        .collect()
}

fn as_we_say(said: &Said) -> Offsets {
    let json = said.json();
    let partitions = json[0]["partitions"].as_array().unwrap().clone();
    partitions
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64();
            let place = (row["topic"].as_str().unwrap().to_owned(), row["partition"].as_i64().unwrap());
            (place, [number("committed"), number("end"), number("lag")])
        })
        .collect()
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn what_is_shown_is_what_kafka_says() {
    let scene = scene("offsets-show");
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, PARTITIONS, 300);
    let recipe = scene.recipe().change_logs(&topic);

    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(300));
    let said = offsets(&recipe, scene.directory(), &["show", "--json"]);
    let members = said.json()[0]["members"].clone();
    let theirs =
        KafkaBroker::shared().consumer_groups(&["--describe", "--members", "--group", scene.group()]);
    let id = members[0]["member_id"].as_str().unwrap();
    assert!(theirs.iter().flatten().any(|word| word == id), "{id} in {theirs:?}");
    assert_eq!(members[0]["partitions"].as_array().unwrap().len(), 3, "{members}");
    relay.stop();

    feeder.change_logs(&topic, PARTITIONS, 60);
    let said = offsets(&recipe, scene.directory(), &["show", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(as_we_say(&said), as_kafka_says(scene.group()));
    let json = said.json();
    assert_eq!(json[0]["members"], Value::Array(Vec::new()), "{json}");
    assert_eq!(json[0]["lag"], 60);
    for row in json[0]["partitions"].as_array().unwrap() {
        let next = row["committed"].as_i64().unwrap();
        assert_eq!(row["next_record_ms"], feeder.timestamp_ms(next), "{row}");
        assert_eq!(row["log_start"], 0);
    }
    let said = offsets(&recipe, scene.directory(), &["show"]);
    assert!(said.stdout.contains("members: none\n") && said.stdout.contains("lag in all: 60"), "{said:?}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_that_does_not_exist_is_told_and_is_an_error_where_none_of_the_recipe_does() {
    let scene = scene("offsets-no-topic");
    let topic = scene.topic("versioned", 1);
    let missing = format!("{topic}-missing");
    scene.feeder().change_logs(&topic, 1, 10);
    KafkaBroker::shared().commit(scene.group(), &topic, 0, 4);
    let recipe = scene.recipe().change_logs(&topic).platform_events(&missing);
    let show = |arguments: &[&str]| offsets(&recipe, scene.directory(), &[&["show"], arguments].concat());
    let not_there = |topic: &str| format!("  {topic} does not exist: it was deleted, or not created yet\n");

    let said = show(&[]);
    assert_eq!(said.code, Some(0), "it may be created yet: {said:?}");
    assert!(
        said.stdout.contains(&not_there(&missing)) && said.stdout.contains("lag in all: 6\n"),
        "{said:?}"
    );
    let said = show(&["--json"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let told = &said.json()[0];
    assert!(told["unreadable_topics"][&missing].as_str().unwrap().starts_with("does not exist"), "{told}");
    assert_eq!(told["lag"], 6);

    KafkaBroker::shared().delete_topic(&topic);
    let said = show(&[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let names = format!("none of its topics exists ({topic}, {missing})");
    assert!(said.stderr.contains(&names), "{said:?}");
    assert!(
        said.stdout.contains(&not_there(&topic)) && said.stdout.contains(&not_there(&missing)),
        "{said:?}"
    );
    assert!(!said.stdout.contains("lag in all"), "nobody knows it: {said:?}");
    let said = show(&["--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told = &said.json()[0];
    assert_eq!((&told["lag"], &told["partitions"]), (&Value::Null, &Value::Array(Vec::new())), "{told}");
    assert_eq!(told["unreadable_topics"].as_object().unwrap().len(), 2, "{told}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn nothing_is_moved_while_the_group_has_members() {
    refused_while_running("offsets-members", |recipe| recipe);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn nothing_is_moved_while_the_group_has_members_of_the_brokers_own_protocol() {
    refused_while_running("offsets-members-kip-848", Recipe::assigned_by_the_brokers);
}

fn refused_while_running(test: &str, with_protocol: impl Fn(Recipe) -> Recipe) {
    let scene = scene(test);
    let topic = scene.topic("versioned", PARTITIONS);
    scene.feeder().change_logs(&topic, PARTITIONS, 90);
    let recipe = with_protocol(scene.recipe().change_logs(&topic));
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(90));

    let before = committed.known();
    let said = offsets(&recipe, scene.directory(), &["reset", "--to", "earliest", "--dry-run"]);
    assert_eq!(said.code, Some(0), "who looks is shown the plan: {said:?}");
    assert!(said.stdout.contains("in all: 90 come again, 0 are skipped"), "{said:?}");
    // Of a group of the brokers' own protocol nobody can say before it is tried.
    let is_listed = !test.ends_with("kip-848");
    assert_eq!(said.stderr.contains("note: this could not be done now: the group"), is_listed, "{said:?}");
    let said = offsets(&recipe, scene.directory(), &["reset", "--to", "earliest", "--yes"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("has members"), "{said:?}");
    assert!(said.stderr.contains("nothing was changed"), "{said:?}");
    assert_eq!(committed.known(), before);

    relay.stop();
    let said = offsets(&recipe, scene.directory(), &["reset", "--to", "earliest", "--yes"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(committed.known_sum(), 0);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_group_that_was_reset_reads_again_from_there() {
    let scene = scene("offsets-reset");
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, PARTITIONS, 300);
    let recipe = scene.recipe().change_logs(&topic);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let relay = scene.run_until_ready(&[&recipe]);
    Tally::when_finished(&feeder.fed(), &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();

    // As if partitions had been added since: what the commits say of that has to stay.
    let before = as_kafka_says(scene.group());
    let time = jiff_time(feeder.timestamp_ms(50));
    let said = offsets(&recipe, scene.directory(), &["reset", "--to", &time, "--dry-run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("in all: 150 come again, 0 are skipped"), "{said:?}");
    assert_eq!(as_kafka_says(scene.group()), before, "a dry run changes nothing");

    let said = offsets(&recipe, scene.directory(), &["reset", "--to", &time, "--yes", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.json()[0]["applied"], true);
    let theirs = as_kafka_says(scene.group());
    assert!(theirs.values().all(|[committed, ..]| *committed == Some(50)), "{theirs:?}");
    assert_eq!(metadata(scene.broker, scene.group(), &topic), ["datahub-relay partitions=3"; 3]);

    let lines = actions.read().len();
    let relay = scene.run_until_ready(&[&recipe]);
    wait_until("what comes again", ALL_FINISHED, || actions.read().len() >= lines + 150);
    relay.stop();
    assert_eq!(actions.read().len(), lines + 150);
    assert!(actions.read()[lines..].iter().all(|line| line.place().offset >= 50));
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_process_whose_group_was_moved_back_while_it_slept_says_how_many_records_come_again() {
    let scene = scene("offsets-behind-its-back");
    let topic = scene.topic("versioned", PARTITIONS);
    scene.feeder().change_logs(&topic, PARTITIONS, 300);
    let recipe = scene.recipe().change_logs(&topic);
    let mut actions = scene.action_log();
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(300));
    let lines = actions.read().len();
    let again = committed.known()[&(topic.clone(), 1)] - 30;

    relay.signal(Signal::STOP);
    let reset = ["reset", "--to", "30", "--topic", &topic, "--partition", "1", "--yes"];
    // Refused until the session of the process that sleeps is over.
    wait_until("the group to be moved", ALL_FINISHED, || {
        offsets(&recipe, scene.directory(), &reset).code == Some(0)
    });
    relay.signal(Signal::CONT);
    wait_until("what comes again", ALL_FINISHED, || (actions.read().len() - lines) as i64 >= again);
    let log = relay.stop_and_tell();
    let lines = &actions.read()[lines..];
    assert_eq!(lines.len() as i64, again);
    assert!(lines.iter().all(|line| line.place().partition == 1 && line.place().offset >= 30), "{lines:?}");
    let is_told = |line: &&str| line.contains("before what Kafka had confirmed");
    let told: Vec<&str> = log.lines().filter(is_told).collect();
    let [told] = told[..] else { panic!("one partition was moved: {log}") };
    assert!(told.contains(&format!("stands {again} records before")), "{told}");
    assert!(told.contains(&format!("{topic}[1]")), "{told}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn an_offset_is_checked_against_its_partition() {
    let scene = scene("offsets-one");
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, PARTITIONS, 300);
    let recipe = scene.recipe().change_logs(&topic);
    let reset = |arguments: &[&str]| {
        offsets(&recipe, scene.directory(), &[&["reset", "--yes", "--to"], arguments].concat())
    };
    let refused = |arguments: &[&str], why: &str| {
        let said = reset(arguments);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains(why), "{why} in {said:?}");
    };
    refused(&["7"], "an offset belongs to one partition, and 3 were chosen");
    refused(&["1000", "--topic", &topic, "--partition", "1"], "holds the offsets 0 to");
    refused(&["7", "--partition", "3"], "has no partition that was asked for");
    refused(&["latest", "--topic", "PlatformEvent_v1"], &format!("it reads {topic}"));

    let said = reset(&["7", "--partition", "1"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    assert_eq!(committed.known(), BTreeMap::from([((topic.clone(), 1), 7)]));
    let said = reset(&["latest"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(committed.known_sum(), 300);
    assert!(reset(&["latest"]).stdout.contains("nothing to change"));
}

fn jiff_time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// The metadata of each partition's commit.
fn metadata(broker: &dyn Broker, group: &str, topic: &str) -> Vec<String> {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let consumer: BaseConsumer = broker.client().set("group.id", group).create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_range(topic, 0, PARTITIONS - 1);
    let committed = consumer.committed_offsets(list, Duration::from_secs(10)).unwrap();
    committed.elements().iter().map(|element| element.metadata().to_owned()).collect()
}
