//! `topic` and `topics`: which of the standard topics are read, and what a Cloud recipe does here.

use std::time::Duration;

use serde_json::json;

use crate::harness::{KafkaBroker, Scene, Tally, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_cloud_recipe_reads_platform_events_by_default_and_other_topics_where_it_names_them() {
    // Of its own: the topics have DataHub's names.
    let broker = KafkaBroker::start();
    let scene = Scene::on(&broker, "cloud-topics");
    let topics = [("MetadataChangeLog_Versioned_v1", 1), ("PlatformEvent_v1", 1)];
    for (topic, partitions) in topics {
        assert!(scene.broker.create_topic(topic, partitions), "the broker is new");
    }
    let mut feeder = scene.feeder();
    feeder.platform_events("PlatformEvent_v1", 1, 100);
    let platform_events = feeder.fed();
    feeder.change_logs("MetadataChangeLog_Versioned_v1", 1, 100);

    let by_default = scene.recipe().of_cloud_source().source("consumer_id", "mine");
    let relay = scene.run(&[&by_default]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    Tally::when_finished(&platform_events, &mut actions, &mut letters, ALL_FINISHED)
        .assert_nothing_lost(&platform_events);
    let log = relay.log();
    relay.stop();
    assert!(log.contains(scene.broker.bootstrap()) && log.contains("not from DataHub Cloud"), "{log}");
    assert!(log.contains("consumer_id: has no effect"), "{log}");

    let both = by_default.source("topics", json!(["PlatformEvent_v1", "MetadataChangeLog_Versioned_v1"]));
    let relay = scene.run(&[&both]);
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_is_chosen_by_datahubs_name_for_it_whatever_its_own() {
    let scene = scene("chosen-topic");
    let topic = scene.topic("platform", 2);
    let mut feeder = scene.feeder();
    feeder.platform_events(&topic, 2, 100);
    let recipe = scene.recipe().platform_events(&topic).source("topic", "PlatformEvent_v1");
    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED).assert_nothing_lost(&fed);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(100));
    relay.stop();
}
