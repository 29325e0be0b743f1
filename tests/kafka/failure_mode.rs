//! `failure_mode: THROW` stops its own pipeline, and no other.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{END, Ended, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn throw_ends_a_process_of_one_pipeline_with_exit_code_1_and_leaves_the_event_uncommitted() {
    let scene = scene("throw-alone");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 20);
    let bad = feeder.raw(&topic, 0, b"bad");
    feeder.change_logs(&topic, 1, 20);

    let mut relay = scene.run(&[&scene.recipe().change_logs(&topic).option("failure_mode", "throw")]);
    assert_eq!(relay.wait_for_end(ALL_FINISHED), Ended::Code(1), "{}", relay.log());
    assert_eq!(scene.committed(&[(&topic, 1)]).known_sum(), bad.offset, "all before it, and not itself");
    let mut letters = scene.dead_letters();
    assert_eq!(letters.read().len(), 1, "it is recorded all the same");
    assert_eq!(letters.read()[0].record.place, bad);
    assert!(
        scene.action_log().read().iter().all(|line| line.place().offset < bad.offset),
        "nothing behind it"
    );
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn throw_in_one_pipeline_leaves_the_others_at_work_and_shows_in_the_exit_code() {
    let scene = scene("throw-beside");
    let (bad_topic, good_topic) = (scene.topic("bad", 1), scene.topic("good", 2));
    let mut feeder = scene.feeder();
    let throwing = scene.recipe().change_logs(&bad_topic).option("failure_mode", "THROW");
    let other = scene.second_recipe().change_logs(&good_topic);
    let mut relay = scene.run_until_ready(&[&throwing, &other]);

    feeder.raw(&bad_topic, 0, b"bad");
    wait_until("readiness to show the failed pipeline", ALL_FINISHED, || relay.ready() == Some(false));
    feeder.change_logs(&good_topic, 2, 500);
    let mut actions = scene.second_action_log();
    wait_until("the other pipeline to work on", ALL_FINISHED, || actions.read().len() == 500);
    assert_eq!(relay.ended(), None);

    relay.signal(Signal::TERM);
    assert_eq!(relay.wait_for_end(END), Ended::Code(1), "{}", relay.log());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_that_dead_letters_too_much_stops_with_the_event_recorded_and_uncommitted() {
    let scene = scene("too-many-failures");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 10);
    let bad: Vec<_> = (0..6).map(|_| feeder.raw(&topic, 0, b"bad")).collect();
    feeder.change_logs(&topic, 1, 10);

    let recipe = scene.recipe().change_logs(&topic).option("max_consecutive_failures", 3);
    let mut relay = scene.run(&[&recipe]);
    assert_eq!(relay.wait_for_end(ALL_FINISHED), Ended::Code(1), "{}", relay.log());
    let log = relay.log();
    assert!(log.contains("max_consecutive_failures is 3"), "says the limit: {log}");
    assert!(log.contains("begins with byte 98"), "and the last failure: {log}");
    assert_eq!(
        scene.committed(&[(&topic, 1)]).known_sum(),
        bad[3].offset,
        "three were borne, not the fourth"
    );
    let mut letters = scene.dead_letters();
    let stored: Vec<_> = letters.read().iter().map(|letter| letter.record.place.clone()).collect();
    assert_eq!(stored, bad[..4], "the fourth is recorded");
}
