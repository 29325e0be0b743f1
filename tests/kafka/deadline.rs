//! `event_processing_time_max_duration_seconds`: an attempt that takes too long is given up.

use std::time::Duration;

use crate::harness::{Surroundings, wait_until};
use crate::scene;

const GIVEN_UP: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn an_action_that_hangs_costs_its_events_and_not_its_partitions() {
    let scene = scene("deadline");
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 2_000);
    // It prints to a pipe that nobody reads, which hangs as soon as that is full.
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .print()
        .source("event_processing_time_max_duration_seconds", 0.5)
        .option("retry_count", 1)
        .option("retry_backoff_seconds", 0);
    let mut relay = scene.run_in(Surroundings::PipedOutput, &recipe);
    let _stdout = relay.take_stdout();
    let mut letters = scene.dead_letters();
    wait_until("two events to be given up", GIVEN_UP, || letters.read().len() >= 2);
    let letter = &letters.read()[1];
    assert_eq!((letter.error.stage.as_str(), letter.error.class.as_str()), ("action", "deadline"));
    assert_eq!(letter.error.attempts, 2);
    let behind = letter.record.place.offset + 1;
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the partition to go on", GIVEN_UP, || committed.sum() >= Some(behind));
    relay.stop();
}
