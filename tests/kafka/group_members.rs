//! Two members of one consumer group: one joins, one leaves.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Observer, Recipe, Tally, wait_until};
use crate::scene;

const SHARED_OUT: Duration = Duration::from_secs(60);
const ALL_FINISHED: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 6;

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn members_that_join_and_leave_lose_and_repeat_nothing_with_the_cooperative_assignor() {
    join_and_leave("members-cooperative", |recipe| {
        recipe.consumer("partition.assignment.strategy", "cooperative-sticky")
    });
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn members_that_join_and_leave_lose_and_repeat_nothing_with_an_eager_assignor() {
    join_and_leave("members-eager", |recipe| recipe.consumer("partition.assignment.strategy", "range"));
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn members_that_join_and_leave_lose_and_repeat_nothing_with_the_brokers_own_protocol() {
    join_and_leave("members-kip-848", |recipe| {
        let nothing = serde_json::Value::Null;
        recipe
            .consumer("group.protocol", "consumer")
            .consumer("session.timeout.ms", nothing.clone())
            .consumer("heartbeat.interval.ms", nothing)
    });
}

fn join_and_leave(test: &str, with_protocol: impl Fn(Recipe) -> Recipe) {
    let scene = scene(test);
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    // Commits come once a second: so at any time there is much that only the commit at the hand-over
    // can keep from being acted on again.
    let first_recipe = with_protocol(scene.recipe().change_logs(&topic)).option("commit", "1s");
    let second_recipe =
        with_protocol(scene.recipe_of_second_member().change_logs(&topic)).option("commit", "1s");
    let (mut first_actions, mut second_actions) = (scene.action_log(), scene.second_action_log());
    let mut letters = scene.dead_letters();

    let observer = Observer::watch(&scene, &[(&topic, PARTITIONS)]);
    let first = scene.run_until_ready(&[&first_recipe]);
    feeder.change_logs_during(&topic, PARTITIONS, || {
        wait_until("the first member to work", SHARED_OUT, || first_actions.read().len() > 500);
        let second = scene.run(&[&second_recipe]);
        wait_until("the second member to take its share", SHARED_OUT, || second_actions.read().len() > 500);
        second.stop();
        let left_at = first_actions.read().len();
        wait_until("the first member to go on", SHARED_OUT, || first_actions.read().len() > left_at + 500);
    });

    let fed = feeder.fed();
    wait_until("both members together to finish", ALL_FINISHED, || {
        first_actions.read().len() + second_actions.read().len() >= fed.len()
    });
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(fed.len() as i64));
    first.stop();
    let tally = Tally::of(&mut first_actions, &mut letters).and(Tally::of(&mut second_actions, &mut letters));
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_takes_over_from_one_that_was_killed() {
    const MAX_UNCOMMITTED: usize = 50;
    let scene = scene("members-killed");
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    let option = ("max_uncommitted", MAX_UNCOMMITTED);
    let first_recipe = scene.recipe().change_logs(&topic).option(option.0, option.1);
    let second_recipe = scene.recipe_of_second_member().change_logs(&topic).option(option.0, option.1);
    let (mut first_actions, mut second_actions) = (scene.action_log(), scene.second_action_log());
    let mut letters = scene.dead_letters();

    let observer = Observer::watch(&scene, &[(&topic, PARTITIONS)]);
    let first = scene.run(&[&first_recipe]);
    let second = scene.run(&[&second_recipe]);
    feeder.change_logs_during(&topic, PARTITIONS, || {
        wait_until("both members to work", SHARED_OUT, || {
            first_actions.read().len() > 200 && second_actions.read().len() > 200
        });
        second.kill();
    });

    let fed = feeder.fed();
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    wait_until("the first member to finish alone", ALL_FINISHED, || {
        committed.sum() == Some(fed.len() as i64)
    });
    first.stop();
    let tally = Tally::of(&mut first_actions, &mut letters).and(Tally::of(&mut second_actions, &mut letters));
    tally.assert_nothing_lost(&fed);
    let bound = PARTITIONS as usize * MAX_UNCOMMITTED;
    assert!(tally.repeated() <= bound, "{} came again, {bound} may", tally.repeated());
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_that_was_frozen_beyond_its_session_commits_nothing_that_goes_back() {
    let scene = scene("members-frozen");
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    // Commits come once a second: what the frozen member has not committed, another one does again.
    let first_recipe = scene.recipe().change_logs(&topic).option("commit", "1s");
    let second_recipe = scene.recipe_of_second_member().change_logs(&topic).option("commit", "1s");
    let (mut first_actions, mut second_actions) = (scene.action_log(), scene.second_action_log());
    let mut letters = scene.dead_letters();

    let observer = Observer::watch(&scene, &[(&topic, PARTITIONS)]);
    let first = scene.run(&[&first_recipe]);
    let second = scene.run(&[&second_recipe]);
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    feeder.change_logs_during(&topic, PARTITIONS, || {
        wait_until("both members to work", SHARED_OUT, || {
            first_actions.read().len() > 200 && second_actions.read().len() > 200
        });
        second.signal(Signal::STOP);
        // Every partition moves again only once the first member has taken over those of the second.
        let frozen_at = committed.read().expect("the broker answers");
        wait_until("the first member to have taken over", SHARED_OUT, || {
            committed.read().is_some_and(|now| {
                frozen_at.iter().all(|(partition, offset)| now.get(partition) > Some(&(offset + 200)))
            })
        });
        second.signal(Signal::CONT);
        let awake_at = second_actions.read().len();
        wait_until("the second member to get its share again", SHARED_OUT, || {
            second_actions.read().len() > awake_at + 500
        });
    });

    let fed = feeder.fed();
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(fed.len() as i64));
    first.stop();
    second.stop();
    let tally = Tally::of(&mut first_actions, &mut letters).and(Tally::of(&mut second_actions, &mut letters));
    tally.assert_nothing_lost(&fed);
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_without_a_partition_is_ready_and_harms_nobody() {
    let scene = scene("members-idle");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    let observer = Observer::watch(&scene, &[(&topic, 1)]);
    let first = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
    let second = scene.run_until_ready(&[&scene.recipe_of_second_member().change_logs(&topic)]);
    feeder.change_logs(&topic, 1, 500);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(500));
    first.stop();
    second.stop();
    let mut letters = scene.dead_letters();
    let tally = Tally::of(&mut scene.action_log(), &mut letters)
        .and(Tally::of(&mut scene.second_action_log(), &mut letters));
    tally.assert_nothing_lost(&feeder.fed());
    tally.assert_nothing_repeated();
    observer.finish();
}
