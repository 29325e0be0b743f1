//! Where a group begins that has committed nothing.

use std::time::Duration;

use crate::harness::{Tally, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_group_that_starts_at_the_latest_does_not_skip_what_came_while_it_was_down() {
    let scene = scene("start-latest");
    let topic = scene.topic("versioned", 3);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 3, 300);
    let before = feeder.fed();
    let recipe = scene.recipe().change_logs(&topic).source("start_position", "latest");

    // It receives nothing, so only the position itself can have been committed.
    scene.run_until_ready(&[&recipe]).stop();
    assert_eq!(scene.committed(&[(&topic, 3)]).known_sum(), 300);
    feeder.change_logs(&topic, 3, 300);
    let after = feeder.fed().difference(&before).cloned().collect();

    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&after, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&after);
    tally.assert_nothing_repeated();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_start_position_in_time_begins_at_the_first_record_that_is_not_older() {
    let scene = scene("start-time");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 400);
    let time = feeder.timestamp_ms(100);
    let wanted = feeder.fed().into_iter().filter(|place| place.offset >= 100).collect();

    let recipe = scene.recipe().change_logs(&topic).source("start_position", time.to_string());
    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&wanted, &mut actions, &mut letters, ALL_FINISHED);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(400));
    relay.stop();
    tally.assert_nothing_lost(&wanted);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_committed_offset_wins_over_the_start_position() {
    let scene = scene("start-committed");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 200);
    let fed = feeder.fed();
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    for _ in 0..2 {
        let relay = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
        Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
        relay.stop();
    }
    Tally::of(&mut actions, &mut letters).assert_nothing_repeated();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_start_position_in_the_future_is_the_end_and_is_committed() {
    let scene = scene("start-future");
    let topic = scene.topic("versioned", 2);
    scene.feeder().change_logs(&topic, 2, 100);
    let recipe = scene.recipe().change_logs(&topic).source("start_position", "2100-01-01T00:00:00Z");
    scene.run_until_ready(&[&recipe]).stop();
    assert_eq!(scene.committed(&[(&topic, 2)]).known_sum(), 100, "as a number, though nothing was read");
}
