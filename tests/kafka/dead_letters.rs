//! What cannot be processed is kept, and only then is its offset committed.

use std::fs;
use std::time::Duration;

use crate::harness::{Surroundings, Tally, Writer, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_record_that_cannot_be_decoded_is_kept_byte_for_byte_and_the_rest_goes_on() {
    let scene = scene("undecodable");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 50);
    let bad: [&[u8]; 5] = [
        b"no wire header",
        &[],
        &[0, 0, 0],
        &[0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
        &[0, 0, 0, 0, 18],
    ];
    let places = bad.map(|bytes| feeder.raw(&topic, 0, bytes));
    feeder.change_logs(&topic, 1, 50);

    let relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(105));
    relay.stop();

    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    let letters = letters.read();
    assert_eq!(letters.len(), bad.len());
    for ((letter, place), bytes) in letters.iter().zip(&places).zip(bad) {
        assert_eq!(&letter.record.place, place);
        assert_eq!(letter.record.value().as_deref(), Some(bytes));
        assert!(letter.event.is_null(), "what could not be decoded is no event");
        assert_ne!(letter.error.stage, "action");
    }
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn an_event_that_its_action_gave_up_on_is_kept_with_its_attempts() {
    let scene = scene("action-fails");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 10);
    // A disk that is always full.
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .write_to("/dev/full".as_ref())
        .option("retry_count", 2)
        .option("retry_backoff_seconds", 0);
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(10));
    relay.stop();

    let mut letters = scene.dead_letters();
    assert_eq!(letters.read().len(), 10);
    for letter in letters.read() {
        assert_eq!(letter.error.stage, "action");
        assert_eq!(letter.error.attempts, 3, "one attempt and two retries");
        assert_eq!(letter.event["entityType"], "dataset", "the event that the action saw");
    }
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_failed_event_holds_the_commit_until_its_dead_letter_is_stored() {
    /// Less than the bad record takes in a dead letter, more than anything else writes.
    const FULL_AT_BYTES: u64 = 1 << 20;
    let scene = scene("dead-letter-held");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    let mut relay = scene.run_in(Surroundings::LimitedFiles, &scene.recipe().change_logs(&topic));
    relay.wait_until_ready();
    relay.limit_file_size(Some(FULL_AT_BYTES));

    for partition in [0, 1] {
        for _ in 0..20 {
            feeder.change_log(&topic, partition, Writer::EarlyChangeLog);
        }
    }
    let bad = feeder.raw(&topic, 0, &vec![1; 900_000]);
    for partition in [0, 1] {
        for _ in 0..20 {
            feeder.change_log(&topic, partition, Writer::EarlyChangeLog);
        }
    }
    feeder.flush();

    let committed = scene.committed(&[(&topic, 2)]);
    let held = [((topic.clone(), 0), bad.offset), ((topic.clone(), 1), 40)];
    wait_until("the other partition to be done and this one to be held", ALL_FINISHED, || {
        committed.read() == Some(held.clone().into())
    });
    wait_until("readiness to say no", ALL_FINISHED, || relay.ready() == Some(false));
    assert!(scene.dead_letters().read().is_empty(), "half a dead letter is none");
    assert_eq!(committed.known(), held.into(), "still held");
    assert_eq!(relay.ended(), None, "{}", relay.log());

    relay.limit_file_size(None);
    wait_until("the rest to be committed", ALL_FINISHED, || committed.sum() == Some(81));
    wait_until("readiness to say yes again", ALL_FINISHED, || relay.ready() == Some(true));
    relay.stop();
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::of(&mut actions, &mut letters);
    tally.assert_nothing_lost(&feeder.fed());
    tally.assert_nothing_repeated();
    let letters = letters.read();
    assert_eq!(letters.len(), 1, "stored once");
    assert_eq!(letters[0].record.place, bad);
    assert_eq!(letters[0].record.value(), Some(vec![1; 900_000]));
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_whose_dead_letters_cannot_be_stored_does_not_start() {
    let scene = scene("dead-letters-nowhere");
    let topic = scene.topic("versioned", 1);
    let not_a_directory = scene.directory().join("a-file");
    fs::write(&not_a_directory, "").expect("the test's directory can be written");
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .option("failed_events_dir", not_a_directory.to_string_lossy().into_owned());
    let mut relay = scene.run(&[&recipe]);
    let ended = relay.wait_for_end(ALL_FINISHED);
    assert_eq!(ended, crate::harness::Ended::Code(1));
    assert!(relay.log().contains("a-file"), "says which path: {}", relay.log());
}
