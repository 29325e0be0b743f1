//! Gaps that open while a pipeline runs are told exactly and once, whatever its partitions are doing, and
//! handled as `on_gap` says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::gaps::{command, gap_records, position_in};
use crate::harness::{Answer, KafkaBroker, Scene, WebhookServer, wait_until};
use crate::scene;

const SEEN: Duration = Duration::from_secs(60);
/// How many events of a partition may be with the action: then it is paused.
const HELD: i64 = 10;

/// Kafka forgets the group's offsets with the topic: nobody but the pipeline knows of the gap then.
#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_that_waits_before_a_log_created_again_is_acknowledged_and_waits_again_after_a_restart() {
    let scene = scene("gap-recreated-running");
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 100);
    let recipe = scene.recipe().change_logs(&topic).option("on_gap", "wait");
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the first log to be committed", SEEN, || committed.sum() == Some(100));
    let mut actions = scene.action_log();
    wait_until("the first log to be acted on", SEEN, || actions.read().len() == 100);

    KafkaBroker::shared().recreate_topic(&topic, 1);
    scene.feeder().change_logs(&topic, 1, 30);
    let says = format!("{topic}[0]: the position 100 lies beyond the log, which holds offsets 0 to ");
    wait_until("readiness to say why it waits", SEEN, || relay.says_no(&[&says]));
    wait_until("the position to be committed once more", SEEN, || committed.known_sum() == 100);
    // By the time that somebody looks the new log holds the position.
    scene.feeder().change_logs(&topic, 1, 120);
    relay.stop();
    let says =
        format!("{topic}[0]: the topic was deleted and created again; its log, which holds offsets 0 to ");
    let relay = scene.run(&[&recipe]);
    wait_until("readiness to say it again", SEEN, || relay.says_no(&[&says]));
    let said = command(&scene, &["offsets", "acknowledge"], &recipe);
    assert!(said.contains(&says), "{said}");
    wait_until("the new log to be acted on", SEEN, || actions.read().len() == 250);
    wait_until("the new log to be committed", SEEN, || committed.sum() == Some(150));
    relay.stop();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn retention_that_overtakes_paused_partitions_is_told_exactly_and_once() {
    let scene = scene("gap-paused");
    overtake(&scene, "continue");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn paused_partitions_that_retention_overtakes_wait_for_an_acknowledgement() {
    let scene = scene("gap-paused-wait");
    overtake(&scene, "wait");
}

/// Both partitions are paused when the records behind their positions are deleted. The first goes on and has
/// the gap reported by librdkafka, which names no partition; the second is found while it is still paused.
fn overtake(scene: &Scene<'_>, on_gap: &str) {
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    for partition in 0..2 {
        feeder.change_logs_to(&topic, partition, 100);
    }
    let open = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let plan = Arc::clone(&open);
    let server = WebhookServer::start(move |place, _| {
        let open = plan[usize::try_from(place.partition).expect("one of two")].load(Ordering::Acquire);
        if open { Answer::Confirm } else { Answer::NotYet }
    });
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .post_to(&server.url())
        .action("timeout_seconds", 600)
        .option("max_uncommitted", HELD)
        .option("on_gap", on_gap);
    let relay = scene.run(&[&recipe]);
    wait_until("both partitions to pause", SEEN, || {
        relay.metric("datahub_relay_paused_partitions", &[]) == Some(2.0)
    });
    KafkaBroker::shared().delete_records_before(&topic, 0, 60);
    KafkaBroker::shared().delete_records_before(&topic, 1, 70);
    open[0].store(true, Ordering::Release);
    let lost = |partition: i32, to: i64| {
        let records = to - HELD + 1;
        format!(
            "{topic}[{partition}]: offsets {HELD} to {to} ({records} records) were deleted before they were read"
        )
    };
    wait_until("both gaps to be told", SEEN, || gap_records(&relay, &topic) == Some(110.0));
    let (_, body) = relay.get("/readyz").expect("the probe answers");
    assert!(body.contains(&lost(0, 59)) && body.contains(&lost(1, 69)), "{body}");
    let committed = scene.committed(&[(&topic, 2)]);
    if on_gap == "wait" {
        wait_until("readiness to say that it waits", SEEN, || {
            relay.says_no(&[r#""records":"#, &lost(0, 59), &lost(1, 69)])
        });
    } else {
        wait_until("the first to be read to its end", SEEN, || position_in(&committed, &topic) == Some(100));
    }
    open[1].store(true, Ordering::Release);
    if on_gap == "wait" {
        wait_until("what was held to be committed", SEEN, || committed.sum() == Some(2 * HELD));
        let said = command(scene, &["offsets", "acknowledge"], &recipe);
        assert!(said.contains("the pipeline has gone on"), "{said}");
    }
    wait_until("everything that is left to be committed", SEEN, || committed.sum() == Some(200));
    wait_until("readiness to say yes", SEEN, || relay.ready() == Some(true));
    assert_eq!(gap_records(&relay, &topic), Some(110.0), "told once");
    assert_eq!(relay.metric("datahub_relay_gaps_total", &[&topic, "cause=\"deleted\""]), Some(2.0));
    relay.stop();
    let mut acted: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for delivered in server.deliveries().take_new() {
        acted.entry(delivered.place.partition).or_default().push(delivered.place.offset);
    }
    let all_but = |to| (0..HELD).chain(to..100).collect::<Vec<i64>>();
    assert_eq!(acted, BTreeMap::from([(0, all_but(60)), (1, all_but(70))]));
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_gap_that_a_partition_waits_at_is_not_told_again_after_a_rebalance() {
    let scene = scene("gap-rebalance");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs_to(&topic, 0, 50);
    // With this assignor every rebalance takes all partitions away from everybody.
    let eager = |recipe: crate::harness::Recipe| {
        let recipe = recipe.change_logs(&topic).option("on_gap", "wait");
        recipe.consumer("partition.assignment.strategy", "range")
    };
    let recipe = eager(scene.recipe());
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the first records to be committed", SEEN, || position_in(&committed, &topic) == Some(50));
    relay.stop();
    feeder.change_logs_to(&topic, 0, 50);
    KafkaBroker::shared().delete_records_before(&topic, 0, 70);

    let relay = scene.run(&[&recipe]);
    let found = || relay.log().matches("waiting (on_gap: wait)").count();
    wait_until("the gap to be found", SEEN, || found() == 1);
    let second = scene.run(&[&eager(scene.recipe_of_second_member())]);
    wait_until("each to have a partition", SEEN, || {
        (relay.assigned(), second.assigned()) == (Some(1), Some(1))
    });
    let so_far = found();
    second.stop();
    wait_until("the first to have both", SEEN, || relay.assigned() == Some(2));
    wait_until("the gap to be found again", SEEN, || found() > so_far);
    wait_until("readiness to say that it waits", SEEN, || relay.says_no(&[r#""records":"#]));
    assert_eq!(gap_records(&relay, &topic), Some(20.0), "told once");
    assert_eq!(relay.metric("datahub_relay_gaps_total", &[&topic, "cause=\"deleted\""]), Some(1.0));
    relay.stop();
}
