//! A process that is killed: nothing is lost, and what comes again is bounded.

use std::time::Duration;

use fastrand::Rng;

use crate::harness::{Observer, Recipe, Scene, Tally, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(120);
const KILLS: usize = 5;
const PARTITIONS: i32 = 4;

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn sigkill_loses_nothing_and_repeats_at_most_what_was_uncommitted() {
    const MAX_UNCOMMITTED: usize = 100;
    let scene = scene("sigkill");
    let limited = |recipe: Recipe| recipe.option("max_uncommitted", MAX_UNCOMMITTED);
    let repeated = kill_again_and_again(&scene, limited);
    assert!(repeated <= KILLS * PARTITIONS as usize * MAX_UNCOMMITTED, "{repeated} came again");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn with_a_commit_per_event_sigkill_repeats_at_most_one_event_a_partition() {
    let scene = scene("sigkill-per-event");
    let repeated = kill_again_and_again(&scene, |recipe| recipe.option("commit", "per_event"));
    assert!(repeated <= KILLS * PARTITIONS as usize, "{repeated} came again");
}

/// Kills the program in full swing, several times, then lets it finish; returns how many events
/// were acted on again.
fn kill_again_and_again(scene: &Scene<'_>, with_options: impl FnOnce(Recipe) -> Recipe) -> usize {
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    let mut rng = Rng::with_seed(scene.seed);
    let recipe = with_options(scene.recipe().change_logs(&topic));
    let observer = Observer::watch(scene, &[(&topic, PARTITIONS)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());

    for _ in 0..KILLS {
        let until = actions.read().len() + rng.usize(1..400);
        let relay = scene.run(&[&recipe]);
        feeder.change_logs_during(&topic, PARTITIONS, || {
            wait_until("some work to be done", ALL_FINISHED, || actions.read().len() >= until);
            relay.kill();
        });
    }

    let relay = scene.run(&[&recipe]);
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    assert!(letters.read().is_empty(), "a kill is no reason for a dead letter");
    assert_eq!(scene.committed(&[(&topic, PARTITIONS)]).sum(), Some(fed.len() as i64));
    observer.finish();
    println!("{} of {} records came again after {KILLS} kills", tally.repeated(), fed.len());
    tally.repeated()
}
