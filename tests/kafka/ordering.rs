//! What comes in which order.

use std::time::Duration;

use crate::harness::{Observer, Tally, assert_in_order};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn ordering_by_key_keeps_the_order_of_each_entity() {
    let scene = scene("order-by-key");
    let topic = scene.topic("versioned", 3);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 3, 5_000);
    let observer = Observer::watch(&scene, &[(&topic, 3)]);
    let recipe = scene.recipe().change_logs(&topic).option("ordering", "key").option("concurrency", 8);
    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    assert_in_order(actions.read(), |line| line.entity().to_owned());
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn unordered_events_are_all_acted_on_and_committed_in_order_nonetheless() {
    let scene = scene("unordered");
    let topic = scene.topic("versioned", 3);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 3, 5_000);
    let observer = Observer::watch(&scene, &[(&topic, 3)]);
    let recipe = scene.recipe().change_logs(&topic).option("ordering", "unordered").option("concurrency", 8);
    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    observer.finish();
}
