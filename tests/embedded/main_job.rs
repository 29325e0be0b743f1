//! Events come in and are acted on; what is bad is kept; what is finished is committed.

use std::time::Duration;

use datahub_relay::embedded::{Behaviour, EmbeddedBroker};

use crate::harness::{Observer, Scene, Tally, assert_in_order, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
fn every_event_of_all_three_topics_is_acted_on_once_and_committed() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-all-topics");
    let (versioned, timeseries) = (scene.topic("versioned", 2), scene.topic("timeseries", 1));
    let platform = scene.topic("platform", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&versioned, 2, 500);
    feeder.change_logs(&timeseries, 1, 200);
    feeder.platform_events(&platform, 2, 300);
    let bad = feeder.raw(&versioned, 1, b"bad");
    let topics = [(versioned.as_str(), 2), (timeseries.as_str(), 1), (platform.as_str(), 2)];

    let observer = Observer::watch(&scene, &topics);
    let recipe = scene.recipe().change_logs(&versioned).timeseries(&timeseries).platform_events(&platform);
    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    let committed = scene.committed(&topics);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(1_001));
    relay.stop();

    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    assert_in_order(actions.read(), |line| (line.place().topic.clone(), line.place().partition));
    assert_eq!(letters.read().len(), 1);
    assert_eq!(letters.read()[0].record.place, bad);
    observer.finish();
}

#[test]
fn a_registry_that_fails_hangs_or_talks_nonsense_is_waited_for() {
    for behaviour in [Behaviour::Fail(500), Behaviour::Fail(401), Behaviour::Garbage, Behaviour::Hang] {
        let broker = EmbeddedBroker::start(&[]).expect("a broker");
        let scene = Scene::on(&broker, "embedded-registry");
        let topic = scene.topic("versioned", 1);
        let mut feeder = scene.feeder();
        feeder.change_logs(&topic, 1, 20);
        scene.registry.behave(behaviour);
        let mut relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
        wait_until("the registry to be asked", ALL_FINISHED, || scene.registry.requests() >= 1);
        assert_ne!(relay.ready(), Some(true), "{behaviour:?}");

        scene.registry.behave(Behaviour::Answer);
        let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
        let fed = feeder.fed();
        Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED).assert_nothing_lost(&fed);
        assert!(letters.read().is_empty(), "{behaviour:?} makes no dead letters");
        relay.wait_until_ready();
        relay.stop();
    }
}
