//! `kill_after_idle_timeout`: a pipeline ends by itself once nothing comes any more.

use std::time::Duration;

use crate::harness::{Ended, Recipe, Tally, wait_until};
use crate::scene;

/// Beyond joining the group and the idle time.
const BY_ITSELF: Duration = Duration::from_secs(60);

fn ending_when_idle(recipe: Recipe) -> Recipe {
    recipe.source("kill_after_idle_timeout", true).source("idle_timeout_duration_seconds", 2)
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_process_whose_pipelines_are_all_idle_has_committed_everything_and_exits_with_code_0() {
    let scene = scene("idle");
    let (topic, empty) = (scene.topic("versioned", 2), scene.topic("empty", 1));
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 500);
    let working = ending_when_idle(scene.recipe().change_logs(&topic));
    let idle = ending_when_idle(scene.second_recipe().change_logs(&empty));
    let mut relay = scene.run(&[&working, &idle]);
    assert_eq!(relay.wait_for_end(BY_ITSELF), Ended::Code(0), "{}", relay.log());
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::of(&mut actions, &mut letters);
    tally.assert_nothing_lost(&feeder.fed());
    tally.assert_nothing_repeated();
    assert_eq!(scene.committed(&[(&topic, 2)]).known_sum(), 500);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_that_gets_no_partition_is_idle_and_the_others_go_on() {
    let scene = scene("idle-member");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    let first = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
    let idle = ending_when_idle(scene.recipe_of_second_member().change_logs(&topic));
    let mut second = scene.run(&[&idle]);
    assert_eq!(second.wait_for_end(BY_ITSELF), Ended::Code(0), "{}", second.log());
    feeder.change_logs(&topic, 1, 100);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the first to go on", BY_ITSELF, || committed.sum() == Some(100));
    first.stop();
}
