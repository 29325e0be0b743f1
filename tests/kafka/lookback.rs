//! `lookback_days`: a group without offsets begins some days ago.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Recipe, Scene, Tally, Writer, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Looks back for a day. That it would begin at the earliest otherwise must not matter.
fn looking_back(scene: &Scene<'_>, topic: &str) -> Recipe {
    let recipe = scene.recipe().change_logs(topic).source("start_position", Value::Null);
    recipe.source("lookback_days", 1).consumer("auto.offset.reset", "earliest")
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_look_back_begins_at_the_first_record_that_is_not_older() {
    let scene = scene("lookback");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.set_age(3 * DAY);
    feeder.change_logs(&topic, 2, 200);
    let old = feeder.fed();
    feeder.set_age(DAY / 2);
    feeder.change_logs(&topic, 2, 200);
    let wanted = feeder.fed().difference(&old).cloned().collect();

    let relay = scene.run(&[&looking_back(&scene, &topic)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    Tally::when_finished(&wanted, &mut actions, &mut letters, ALL_FINISHED);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(400));
    relay.stop();
    let tally = Tally::of(&mut actions, &mut letters);
    tally.assert_nothing_lost(&wanted);
    tally.assert_nothing_repeated();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn where_nothing_is_that_young_the_end_is_committed_and_what_comes_next_is_not_skipped() {
    let scene = scene("lookback-end");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.set_age(3 * DAY);
    // Partition 1 is empty: its end is 0.
    for _ in 0..100 {
        feeder.change_log(&topic, 0, Writer::EarlyChangeLog);
    }
    feeder.flush();
    let old = feeder.fed();
    let recipe = looking_back(&scene, &topic);

    // It receives nothing, so only the position itself can have been committed.
    scene.run_until_ready(&[&recipe]).stop();
    let committed = scene.committed(&[(&topic, 2)]).known();
    assert_eq!(committed.into_values().collect::<Vec<_>>(), [100, 0], "numbers, for both partitions");
    feeder.change_logs(&topic, 2, 100);
    let wanted = feeder.fed().difference(&old).cloned().collect();

    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&wanted, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&wanted);
    tally.assert_nothing_repeated();
}
