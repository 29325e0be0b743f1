//! `infinite_retry`: a pipeline may be started before what it needs.

use std::time::Duration;

use datahub_relay::embedded::Behaviour;

use crate::harness::{KafkaBroker, Scene, Tally, wait_for, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(90);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_that_is_started_before_kafka_and_the_registry_waits_for_both() {
    let broker = KafkaBroker::start();
    let scene = Scene::on(&broker, "infinite-retry");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 200);
    let fed = feeder.fed();
    broker.kill();
    scene.registry.behave(Behaviour::Fail(503));

    let recipe = scene.recipe().change_logs(&topic).source("infinite_retry", true);
    let mut relay = scene.run(&[&recipe]);
    // Both at once: the registry is asked although Kafka does not answer.
    wait_until("the registry to be asked and asked again", ALL_FINISHED, || scene.registry.requests() >= 2);
    wait_until("the failed attempt to be told", ALL_FINISHED, || {
        relay.log().contains("cannot reach Kafka, trying on (infinite_retry)")
    });
    assert_ne!(relay.ready(), Some(true));
    broker.restart();
    wait_until("Kafka not to be missed any more", ALL_FINISHED, || {
        relay.get("/readyz").is_some_and(|(_, body)| !body.contains("\"brokers\""))
    });
    let committed = scene.committed(&[(&topic, 2)]);
    // Long enough for a group to be joined, were it not for the registry.
    let requests = scene.registry.requests();
    wait_until("the registry to be asked on", ALL_FINISHED, || scene.registry.requests() >= requests + 4);
    let offsets = wait_for("the broker to know", ALL_FINISHED, || committed.read());
    assert!(offsets.is_empty(), "the group is not joined without a registry: {offsets:?}");

    scene.registry.behave(Behaviour::Answer);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.wait_until_ready();
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
}
