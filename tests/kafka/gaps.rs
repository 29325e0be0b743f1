//! Records that are gone before they were read are reported exactly, and passed or waited at.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{CommittedOffsets, Ended, KafkaBroker, Recipe, Relay, Scene, Tally, Writer, wait_until};
use crate::scene;

const SEEN: Duration = Duration::from_secs(60);

/// Runs a command of the program for a recipe; its output, if its exit code is 0.
pub(crate) fn command(scene: &Scene<'_>, arguments: &[&str], recipe: &Recipe) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(arguments)
        .arg("-c")
        .arg(recipe.write(scene.directory()))
        .output()
        .expect("the program was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What is committed of partition 0.
pub(crate) fn position_in(committed: &CommittedOffsets, topic: &str) -> Option<i64> {
    committed.known().get(&(topic.to_owned(), 0)).copied()
}

pub(crate) fn gap_records(relay: &Relay, topic: &str) -> Option<f64> {
    relay.metric("datahub_relay_gap_records_total", &[&format!("topic=\"{topic}\"")])
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn records_that_retention_took_are_told_and_reading_goes_on_behind_them() {
    let scene = scene("gap-retention");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    for partition in 0..2 {
        for _ in 0..100 {
            feeder.change_log(&topic, partition, Writer::EarlyChangeLog);
        }
    }
    feeder.flush();
    let recipe = scene.recipe().change_logs(&topic);
    let first = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the first records to be committed", SEEN, || committed.sum() == Some(200));
    first.stop();

    let before = feeder.fed();
    for _ in 0..100 {
        feeder.change_log(&topic, 0, Writer::EarlyChangeLog);
    }
    feeder.flush();
    KafkaBroker::shared().delete_records_before(&topic, 0, 137);
    let kept =
        feeder.fed().into_iter().filter(|place| before.contains(place) || place.offset >= 137).collect();

    let relay = scene.run_until_ready(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&kept, &mut actions, &mut letters, SEEN);
    wait_until("the metric to say it", SEEN, || gap_records(&relay, &topic) == Some(37.0));
    assert_eq!(
        relay.metric("datahub_relay_gaps_total", &[&topic, "cause=\"deleted\""]),
        Some(1.0),
        "one gap"
    );
    let says = format!("{topic}[0]: offsets 100 to 136 (37 records) were deleted before they were read");
    wait_until("the status to warn of it", SEEN, || {
        relay.get("/readyz").is_some_and(|(status, body)| status == 200 && body.contains(&says))
    });
    wait_until("the log to tell it", SEEN, || relay.log().contains(&says));
    wait_until("everything behind it to be committed", SEEN, || committed.sum() == Some(300));
    relay.stop();
    tally.assert_nothing_lost(&kept);
    tally.assert_nothing_repeated();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_that_waits_at_a_gap_goes_on_once_somebody_has_acknowledged_it() {
    let scene = scene("gap-wait");
    waits_and_goes_on(&scene, |recipe| recipe);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_whose_assignments_replace_each_other_waits_at_a_gap_as_well() {
    let scene = scene("gap-wait-eager");
    waits_and_goes_on(&scene, |recipe| recipe.consumer("partition.assignment.strategy", "range"));
}

fn waits_and_goes_on(scene: &Scene<'_>, change: impl FnOnce(Recipe) -> Recipe) {
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 100);
    let recipe = change(scene.recipe().change_logs(&topic).option("on_gap", "wait"));
    let first = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the first records to be committed", SEEN, || committed.sum() == Some(100));
    assert!(command(scene, &["offsets", "acknowledge"], &recipe).contains("no gap"));
    first.stop();
    let position = position_in(&committed, &topic).expect("it was committed");

    for _ in 0..50 {
        feeder.change_log(&topic, 0, Writer::EarlyChangeLog);
        feeder.change_log(&topic, 1, Writer::EarlyChangeLog);
    }
    feeder.flush();
    KafkaBroker::shared().delete_records_before(&topic, 0, position + 20);
    let relay = scene.run(&[&recipe]);
    wait_until("the other partition to be read", SEEN, || committed.sum() == Some(150));
    let says = format!("{topic}[0]: offsets {position} to {} (20 records) were deleted", position + 19);
    wait_until("readiness to say why it waits", SEEN, || {
        relay.get("/readyz").is_some_and(|(status, body)| {
            status == 503 && body.contains(r#""records":"#) && body.contains(&says)
        })
    });
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "a restart would not help");
    wait_until("the metric to say it", SEEN, || gap_records(&relay, &topic) == Some(20.0));
    assert_eq!(position_in(&committed, &topic), Some(position), "it waits");

    let dry = command(scene, &["offsets", "acknowledge", "--dry-run"], &recipe);
    assert!(dry.contains(&says) && dry.contains("nothing was acknowledged"), "{dry}");
    assert_eq!(position_in(&committed, &topic), Some(position), "it still waits");
    // Were it assigned again with the other, its position would be reported anew and put both in doubt, every
    // second, for ever.
    let assigned_again = || relay.log().matches("assigned again").count();
    let (waits, before) = (Instant::now(), assigned_again());
    wait_until("five seconds to pass", SEEN, || waits.elapsed() > Duration::from_secs(5));
    let times = assigned_again() - before;
    assert!(times <= 1, "the other was assigned again {times} times in {:?}", waits.elapsed());
    let said = command(scene, &["offsets", "acknowledge"], &recipe);
    assert!(said.contains("the pipeline has gone on"), "{said}");
    wait_until("the rest to be committed", SEEN, || committed.sum() == Some(200));
    wait_until("readiness to say yes", SEEN, || relay.ready() == Some(true));
    assert_eq!(gap_records(&relay, &topic), Some(20.0), "told once");
    relay.stop();
    let mut actions = scene.action_log();
    assert_eq!(actions.read().len(), 180, "all but the 20 that are gone");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_that_waits_at_a_gap_is_not_idle() {
    let scene = scene("gap-idle");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 50);
    let recipe = scene.recipe().change_logs(&topic).option("on_gap", "wait");
    let first = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the first records to be committed", SEEN, || committed.sum() == Some(50));
    first.stop();
    feeder.change_logs(&topic, 1, 50);
    KafkaBroker::shared().delete_records_before(&topic, 0, 70);

    let idle = Duration::from_secs(1);
    let recipe = recipe
        .source("kill_after_idle_timeout", true)
        .source("idle_timeout_duration_seconds", idle.as_secs());
    let mut relay = scene.run(&[&recipe]);
    wait_until("readiness to say why it waits", SEEN, || {
        relay.get("/readyz").is_some_and(|(_, body)| body.contains(r#""records":"#))
    });
    let waits = Instant::now();
    wait_until("the idle time to be over", SEEN, || waits.elapsed() > idle * 3);
    assert!(relay.get("/readyz").is_some_and(|(status, _)| status == 503), "{}", relay.log());
    command(&scene, &["offsets", "acknowledge"], &recipe);
    assert_eq!(relay.wait_for_end(SEEN), Ended::Code(0), "{}", relay.log());
    assert_eq!(committed.known_sum(), 100);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_that_was_recreated_is_read_from_its_start_and_told() {
    let scene = scene("gap-recreated");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 100);
    let recipe = scene.recipe().change_logs(&topic);
    let first = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the first log to be committed", SEEN, || committed.sum() == Some(100));
    first.stop();
    let mut actions = scene.action_log();
    assert_eq!(actions.read().len(), 100);

    // Kafka forgets a group's offsets of a topic that is deleted; one that lives in another cluster, or
    // was truncated, is what leaves a position behind. A commit puts it back.
    KafkaBroker::shared().recreate_topic(&topic, 1);
    KafkaBroker::shared().commit(scene.group(), &topic, 0, 100);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 30);
    let relay = scene.run_until_ready(&[&recipe]);
    wait_until("the new log to be committed", SEEN, || committed.sum() == Some(30));
    wait_until("the new log to be acted on", SEEN, || actions.read().len() == 130);
    assert_eq!(relay.metric("datahub_relay_gaps_total", &[&topic, "cause=\"another_log\""]), Some(1.0));
    let says = format!("{topic}[0]: the position 100 lies beyond the log, which holds offsets 0 to 30");
    wait_until("the status to warn of it", SEEN, || {
        relay.get("/readyz").is_some_and(|(_, body)| body.contains(&says))
    });
    relay.stop();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn partitions_that_are_added_are_read_from_their_first_record() {
    let scene = scene("partitions-added");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 50);
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .source("start_position", "latest")
        .consumer("topic.metadata.refresh.interval.ms", 500);
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the start to be committed", SEEN, || committed.sum() == Some(50));

    // Written before the group knows of the partitions: the latest would skip them.
    KafkaBroker::shared().grow_topic(&topic, 3);
    let mut feeder = scene.feeder();
    for _ in 0..40 {
        for partition in 1..3 {
            feeder.change_log(&topic, partition, Writer::EarlyChangeLog);
        }
    }
    feeder.flush();
    let fed = feeder.fed();
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, SEEN);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    assert_eq!(scene.committed(&[(&topic, 3)]).known_sum(), 50 + 2 * 40);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_corrupt_batch_is_waited_at_and_passed_once_it_is_acknowledged() {
    // The broker checks what it appends, not what it serves: a byte flipped on its disk reaches us.
    let broker = KafkaBroker::start();
    let scene = Scene::on(&broker, "gap-corrupt");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    // Each flush is a batch of its own.
    for _ in 0..5 {
        for _ in 0..10 {
            feeder.change_log(&topic, 0, Writer::EarlyChangeLog);
        }
        feeder.flush();
    }
    feeder.change_log(&topic, 1, Writer::EarlyChangeLog);
    feeder.flush();
    broker.damage_batch(&topic, 0, 2);

    let recipe = scene.recipe().change_logs(&topic).option("on_gap", "wait");
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 2)]);
    let says = format!("{topic}[0]: offsets 20 to 29 (10 records) cannot be read, their batch is corrupt");
    wait_until("readiness to say why it waits", SEEN, || {
        relay.get("/readyz").is_some_and(|(status, body)| status == 503 && body.contains(&says))
    });
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200));
    wait_until("everything before it to be committed", SEEN, || committed.sum() == Some(21));
    let said = command(&scene, &["offsets", "acknowledge"], &recipe);
    assert!(said.contains("cannot be read") && said.contains("the pipeline has gone on"), "{said}");
    wait_until("the rest to be committed", SEEN, || committed.sum() == Some(51));
    wait_until("the metric to say it", SEEN, || gap_records(&relay, &topic) == Some(10.0));
    relay.stop();
    let mut actions = scene.action_log();
    let offsets: Vec<i64> = actions
        .read()
        .iter()
        .map(|line| line.place())
        .filter(|place| place.partition == 0)
        .map(|place| place.offset)
        .collect();
    assert_eq!(offsets, (0..20).chain(30..50).collect::<Vec<i64>>());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn records_between_two_corrupt_batches_are_read() {
    let broker = KafkaBroker::start();
    let scene = Scene::on(&broker, "gap-corrupt-twice");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    // Offsets 20 to 29 and 35 to 44 are damaged: steps from 20 on that are doubled go over those between.
    for records in [20, 10, 5, 10, 15] {
        for _ in 0..records {
            feeder.change_log(&topic, 0, Writer::EarlyChangeLog);
        }
        feeder.flush();
    }
    broker.damage_batch(&topic, 0, 1);
    broker.damage_batch(&topic, 0, 3);

    let recipe = scene.recipe().change_logs(&topic);
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("all that can be read to be committed", SEEN, || committed.sum() == Some(60));
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200));
    wait_until("the metric to say it", SEEN, || gap_records(&relay, &topic) == Some(20.0));
    relay.stop();
    let offsets: Vec<i64> = scene.action_log().read().iter().map(|line| line.place().offset).collect();
    assert_eq!(offsets, (0..20).chain(30..35).chain(45..60).collect::<Vec<i64>>());
}
