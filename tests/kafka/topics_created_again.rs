//! A topic that is deleted and created again while it is read is read from its first record: nothing that the new one
//! holds is skipped, whatever it holds by then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Answer, Broker, KafkaBroker, Relay, WebhookServer, wait_until};
use crate::scene;

const SEEN: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_that_is_deleted_is_named_and_read_from_its_first_record_once_it_is_there_again() {
    // Long enough to write something before the group knows of the topic: the latest would skip it.
    deleted_and_created_again("topic-deleted", 30, 5_000, false);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_new_log_that_holds_the_position_in_the_deleted_one_is_read_from_its_first_record_too() {
    // The group does not hear of the deletion, and goes on with the partition that it has.
    deleted_and_created_again("topic-regrown", 60, 300_000, false);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_that_the_group_has_given_up_in_between_is_read_from_its_first_record_too() {
    deleted_and_created_again("topic-given-up", 60, 5_000, true);
}

/// The position in the deleted log is 50. The second partition is empty, before and after.
fn deleted_and_created_again(test: &str, records: usize, metadata_refresh_ms: u32, given_up: bool) {
    let broker = KafkaBroker::shared();
    let scene = scene(test);
    let (topic, other) = (scene.topic("versioned", 2), scene.topic("platform", 1));
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .platform_events(&other)
        .source("start_position", "latest")
        .consumer("topic.metadata.refresh.interval.ms", metadata_refresh_ms);
    let mut relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, 2)]);
    let of = |partition: i32| Some(*committed.known().get(&(topic.clone(), partition))?);
    wait_until("the start to be committed", SEEN, || (of(0), of(1)) == (Some(0), Some(0)));
    scene.feeder().change_logs(&topic, 1, 50);
    wait_until("the first log to be committed", SEEN, || of(0) == Some(50));

    broker.delete_topic(&topic);
    let gone = format!(r#""topics":"{topic} does not exist any more"#);
    wait_until("readiness to name the topic", SEEN, || relay.says_no(&[&gone]));
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "a restart would not help");
    if given_up {
        wait_until("the group to hear of it", SEEN, || relay.assigned() == Some(1));
    }

    assert!(broker.create_topic(&topic, 2), "it was deleted");
    scene.feeder().change_logs(&topic, 1, records);
    let mut actions = scene.action_log();
    // What lies behind the position in the old log may be read before the new one is begun, and comes again.
    let both_are_read = || {
        let read: Vec<i64> = actions.read().iter().map(|line| line.place().offset).collect();
        let times = |offset: i64| read.iter().filter(|read| **read == offset).count();
        let logs = |offset: i64| usize::from(offset < 50) + usize::from(offset < records as i64);
        (0..50.max(records as i64)).all(|offset| times(offset) >= logs(offset))
    };
    wait_until("the new log to be acted on", SEEN, both_are_read);
    relay.wait_until_ready();
    wait_until("the new log to be committed, and the start of the empty one", SEEN, || {
        (of(0), of(1)) == (Some(records as i64), Some(0))
    });
    relay.stop();
    let (acted, again) = (actions.read().len(), records.saturating_sub(50));
    assert!((50 + records..=50 + records + again).contains(&acted), "{acted} of {records} behind 50");
}

/// Says when readiness names the topic as one that is gone.
fn until_gone(relay: &Relay, topic: &str) {
    let gone = format!(r#""topics":"{topic} does not exist any more"#);
    wait_until("readiness to name the topic", SEEN, || relay.says_no(&[&gone]));
}

/// An action holds an event of the deleted log for as long as it likes. The group stands at the first record of the
/// new log all the same, and not where the event's end would put it.
#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn what_still_runs_of_a_deleted_log_moves_the_group_nowhere_in_the_new_one() {
    let broker = KafkaBroker::shared();
    let scene = scene("topic-held");
    let (topic, other) = (scene.topic("versioned", 1), scene.topic("platform", 1));
    let open = Arc::new(AtomicBool::new(false));
    let plan = Arc::clone(&open);
    let server = WebhookServer::start(move |place, _| match place.offset {
        40 if !plan.load(Ordering::Acquire) => Answer::NotYet,
        _ => Answer::Confirm,
    });
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .platform_events(&other)
        .post_to(&server.url())
        .action("timeout_seconds", 600)
        .consumer("topic.metadata.refresh.interval.ms", 300_000);
    let relay = scene.run_until_ready(&[&recipe]);
    scene.feeder().change_logs(&topic, 1, 50);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("all before the held event to be committed", SEEN, || committed.sum() == Some(40));

    broker.delete_topic(&topic);
    until_gone(&relay, &topic);
    assert!(broker.create_topic(&topic, 1), "it was deleted");
    scene.feeder().change_logs(&topic, 1, 60);
    let stands = || committed.known().get(&(topic.clone(), 0)).copied();
    wait_until("the first record of the new log to be committed", SEEN, || stands() == Some(0));
    relay.kill();

    let mut deliveries = server.deliveries();
    deliveries.take_new();
    open.store(true, Ordering::Release);
    let relay = scene.run(&[&recipe]);
    wait_until("the new log to be committed", SEEN, || stands() == Some(60));
    relay.stop();
    let read: BTreeSet<i64> = deliveries.take_new().iter().map(|delivered| delivered.place.offset).collect();
    assert_eq!(read, (0..60).collect(), "from the first record on");
}

/// The group hears nothing of the deletion: only that one partition's log ends before its position shows it.
#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn the_empty_partitions_of_a_topic_created_again_are_committed_anew() {
    let scene = scene("topic-empty-part");
    let topic = scene.topic("versioned", 2);
    let recipe = scene.recipe().change_logs(&topic).source("start_position", "latest");
    let relay = scene.run_until_ready(&[&recipe]);
    scene.feeder().change_logs_to(&topic, 0, 50);
    let committed = scene.committed(&[(&topic, 2)]);
    let stands = |partition: i32| committed.known().get(&(topic.clone(), partition)).copied();
    wait_until("the first log to be committed", SEEN, || (stands(0), stands(1)) == (Some(50), Some(0)));
    KafkaBroker::shared().recreate_topic(&topic, 2);
    wait_until("Kafka to have forgotten the group's offsets", SEEN, || stands(1).is_none());
    scene.feeder().change_logs_to(&topic, 0, 30);
    wait_until("the new logs to be committed", SEEN, || (stands(0), stands(1)) == (Some(30), Some(0)));
    relay.stop();
}
