//! `reset_offsets`: a process begins anew, once, and takes nothing back from others.

use std::time::Duration;

use crate::harness::{END, Ended, Observer, Tally, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);
/// Members come and go within the session time-out and a few polls.
const SHARED_OUT: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_reset_begins_anew_at_the_start_and_not_again_at_a_later_rebalance() {
    let scene = scene("reset-once");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 200);
    let early = feeder.fed();
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    // Every rebalance takes all partitions away and gives them anew.
    let recipe = scene.recipe().change_logs(&topic).consumer("partition.assignment.strategy", "range");
    let committed = scene.committed(&[(&topic, 2)]);

    let relay = scene.run(&[&recipe]);
    Tally::when_finished(&early, &mut actions, &mut letters, ALL_FINISHED).assert_nothing_repeated();
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(200));
    relay.stop();

    let relay = scene.run(&[&recipe.clone().source("reset_offsets", true)]);
    wait_until("all of it to be done again", ALL_FINISHED, || actions.read().len() == 400);
    wait_until("all of it to be committed again", ALL_FINISHED, || committed.sum() == Some(200));
    assert!(relay.log().contains("reset_offsets is on"), "it warns:\n{}", relay.log());

    let second = scene.recipe_of_second_member().change_logs(&topic);
    let second = scene.run_until_ready(&[&second.consumer("partition.assignment.strategy", "range")]);
    second.stop();
    feeder.change_logs(&topic, 2, 100);
    wait_until("what came later to be committed", SHARED_OUT, || committed.sum() == Some(300));
    relay.stop();
    let tally = Tally::of(&mut actions, &mut letters);
    let tally = tally.and(Tally::of(&mut scene.second_action_log(), &mut letters));
    tally.assert_nothing_lost(&feeder.fed());
    assert_eq!(tally.repeated(), 200, "what was there at the reset came a second time, and nothing else");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_reset_is_refused_while_another_member_is_there() {
    let scene = scene("reset-refused");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 200);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let observer = Observer::watch(&scene, &[(&topic, 2)]);
    let first = scene.run(&[&scene.recipe().change_logs(&topic)]);
    Tally::when_finished(&feeder.fed(), &mut actions, &mut letters, ALL_FINISHED);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(200));

    let second = scene.recipe_of_second_member().change_logs(&topic).source("reset_offsets", true);
    let mut second = scene.run(&[&second]);
    assert_eq!(second.wait_for_end(SHARED_OUT), Ended::Code(1), "{}", second.log());
    let log = second.log();
    assert!(log.contains("not alone in the group") && log.contains(scene.group()), "{log}");

    feeder.change_logs(&topic, 2, 100);
    wait_until("the first member to go on", SHARED_OUT, || committed.sum() == Some(300));
    first.stop();
    let tally = Tally::of(&mut actions, &mut letters);
    tally.assert_nothing_lost(&feeder.fed());
    tally.assert_nothing_repeated();
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_reset_to_the_latest_that_receives_nothing_is_committed_all_the_same() {
    let scene = scene("reset-latest");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 200);
    let recipe = scene.recipe().change_logs(&topic);
    let committed = scene.committed(&[(&topic, 2)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let relay = scene.run(&[&recipe]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(200));
    relay.stop();

    // What came meanwhile is left out, as the recipe says.
    feeder.change_logs(&topic, 2, 100);
    let left_out = feeder.fed();
    let at_the_latest = recipe.clone().source("start_position", "latest").source("reset_offsets", true);
    scene.run_until_ready(&[&at_the_latest]).stop();
    assert_eq!(committed.known_sum(), 300, "without a single event");

    // What came after it is not.
    feeder.change_logs(&topic, 2, 50);
    let mut relay = scene.run(&[&recipe]);
    wait_until("what came after the reset to be done", ALL_FINISHED, || actions.read().len() >= 250);
    wait_until("it to be committed", ALL_FINISHED, || committed.sum() == Some(350));
    relay.signal(rustix::process::Signal::TERM);
    assert_eq!(relay.wait_for_end(END), Ended::Code(0), "{}", relay.log());
    Tally::of(&mut actions, &mut letters).assert_nothing_repeated();
    let later = actions.read()[200..].iter().map(|line| line.place().clone()).collect();
    let wanted: std::collections::BTreeSet<_> = feeder.fed().difference(&left_out).cloned().collect();
    assert_eq!(wanted, later);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_that_gets_no_partition_at_first_resets_with_the_first_that_it_gets() {
    let scene = scene("reset-later");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 100);
    let committed = scene.committed(&[(&topic, 1)]);
    let first = scene.run(&[&scene.recipe().change_logs(&topic)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(100));

    // The one partition stays where it is: this member is assigned nothing, which is no first assignment.
    let resetting = scene.recipe_of_second_member().change_logs(&topic).source("reset_offsets", true);
    let second = scene.run_until_ready(&[&resetting]);
    assert_eq!(second.assigned(), Some(0));
    let mut actions = scene.second_action_log();
    assert!(actions.read().is_empty());
    first.stop();
    wait_until("all of it to be done again", SHARED_OUT, || actions.read().len() == 100);
    wait_until("it to be committed again", ALL_FINISHED, || committed.sum() == Some(100));
    second.stop();
}
