//! A broker that goes away and comes back.

use std::time::Duration;

use crate::harness::{KafkaBroker, Observer, Scene, Tally, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_broker_that_is_killed_and_comes_back_is_waited_for() {
    let broker = KafkaBroker::start();
    let scene = Scene::on(&broker, "broker-restart");
    let topic = scene.topic("versioned", 3);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 3, 5_000);
    let observer = Observer::watch(&scene, &[(&topic, 3)]);
    let mut relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    wait_until("the work to have begun", ALL_FINISHED, || actions.read().len() > 100);

    broker.kill();
    wait_until("readiness to say no", ALL_FINISHED, || relay.ready() == Some(false));
    broker.restart();
    feeder.change_logs(&topic, 3, 1_000);
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    let committed = scene.committed(&[(&topic, 3)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(6_000));
    relay.wait_until_ready();
    relay.stop();
    tally.assert_nothing_lost(&fed);
    observer.finish();
}
