//! When offsets are committed.

use std::time::Duration;

use crate::harness::{CommitHistory, Observer, Recipe, Scene, Tally, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(90);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_commit_per_event_is_never_more_than_one_event_behind() {
    const EVENTS: usize = 300;
    let scene = scene("commit-per-event");
    let commits = run_and_resume(&scene, EVENTS, |recipe| recipe.option("commit", "per_event"));
    assert!(commits >= EVENTS, "{commits} commits of {EVENTS} events");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_group_commit_takes_along_what_finished_while_the_last_one_was_under_way() {
    const EVENTS: usize = 5_000;
    let scene = scene("commit-group");
    let commits = run_and_resume(&scene, EVENTS, |recipe| recipe.option("commit", "group"));
    // Far fewer than events; and more than the beginning and the two stops make.
    assert!((20..EVENTS / 5).contains(&commits), "{commits} commits of {EVENTS} events");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_commit_at_an_interval_is_made_at_the_stop_too() {
    let scene = scene("commit-interval");
    // Longer than the test takes: whatever is committed was committed because of the stop.
    let commits = run_and_resume(&scene, 500, |recipe| recipe.option("commit", "3600s"));
    // Where each of two partitions begins, and two stops.
    assert!(commits <= 2 + 2 * 2, "{commits} commits");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_commit_at_an_interval_comes_without_a_stop() {
    let scene = scene("commit-each-second");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 500);
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .source("async_commit_enabled", true)
        .source("async_commit_interval", 1_000);
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the interval's commit", ALL_FINISHED, || committed.sum() == Some(500));
    relay.stop();
}

/// After a stop everything that was acted on is committed, so that the next run repeats nothing. Returns how many
/// commits Kafka has confirmed, of each partition by itself.
fn run_and_resume(scene: &Scene<'_>, count: usize, with_commit: impl FnOnce(Recipe) -> Recipe) -> usize {
    let history = CommitHistory::from_now(scene.broker);
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, count);
    let recipe = with_commit(scene.recipe().change_logs(&topic));
    let observer = Observer::watch(scene, &[(&topic, 2)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());

    let relay = scene.run(&[&recipe]);
    wait_until("half of it to be done", ALL_FINISHED, || actions.read().len() >= count / 2);
    relay.stop();
    let acted = actions.read().len();
    let committed = scene.committed(&[(&topic, 2)]);
    assert_eq!(committed.known_sum(), acted as i64, "the stop commits what was acted on");

    // Ready, since there may be nothing left to wait for.
    let relay = scene.run_until_ready(&[&recipe]);
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    observer.finish();
    history.of(scene.group()).values().map(Vec::len).sum()
}
