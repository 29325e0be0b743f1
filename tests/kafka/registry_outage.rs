//! A registry that is down is waited for; the records that need it are not bad.

use std::time::Duration;

use datahub_relay::embedded::Behaviour;

use crate::harness::{Tally, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(90);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_registry_that_is_down_at_first_is_waited_for() {
    let scene = scene("registry-late");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 200);
    scene.registry.behave(Behaviour::Fail(503));
    let mut relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
    wait_until("the program to have asked and asked again", ALL_FINISHED, || scene.registry.requests() >= 2);
    assert_ne!(relay.ready(), Some(true), "not ready without a registry");
    assert!(scene.action_log().read().is_empty());

    scene.registry.behave(Behaviour::Answer);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.wait_until_ready();
    relay.stop();
    tally.assert_nothing_lost(&fed);
    assert!(letters.read().is_empty(), "an outage makes no dead letters");
}
