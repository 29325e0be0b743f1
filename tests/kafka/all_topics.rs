//! The main job: everything in DataHub's three topics reaches the action, once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::harness::{Observer, Tally, Writer, assert_in_order, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn every_event_of_all_three_topics_is_acted_on_once_and_committed() {
    let scene = scene("all-topics");
    let (versioned, timeseries) = (scene.topic("versioned", 3), scene.topic("timeseries", 2));
    let platform = scene.topic("platform", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&versioned, 3, 3_000);
    feeder.change_logs(&timeseries, 2, 1_000);
    feeder.platform_events(&platform, 2, 1_000);
    let topics = [(versioned.as_str(), 3), (timeseries.as_str(), 2), (platform.as_str(), 2)];

    let observer = Observer::watch(&scene, &topics);
    let recipe = scene.recipe().change_logs(&versioned).timeseries(&timeseries).platform_events(&platform);
    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);

    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    assert!(letters.read().is_empty(), "nothing in it was bad");
    assert_in_order(actions.read(), |line| (line.place().topic.clone(), line.place().partition));
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for line in actions.read() {
        *types.entry(&line.event_type).or_default() += 1;
    }
    assert_eq!(types["MetadataChangeLogEvent_v1"], 4_000);
    assert_eq!(types["EntityChangeEvent_v1"] + types["RelationshipChangeEvent_v1"], 1_000, "{types:?}");

    let committed = scene.committed(&topics);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(5_000));
    relay.stop();
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_filter_lets_through_what_matches_and_commits_the_rest() {
    let scene = scene("filtered");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 2_000);

    let wanted = serde_json::json!({ "event_type": "MetadataChangeLogEvent_v1", "event": { "aspectName": "globalTags" } });
    let relay = scene.run(&[&scene.recipe().change_logs(&topic).top("filter", wanted)]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the dropped ones to be committed too", ALL_FINISHED, || committed.sum() == Some(2_000));
    relay.stop();

    let mut actions = scene.action_log();
    assert!(!actions.read().is_empty(), "one in ten matches");
    for line in actions.read() {
        assert_eq!(line.event["aspectName"], "globalTags", "{line:?}");
    }
    assert!(scene.dead_letters().read().is_empty());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_partition_may_hold_records_of_several_schema_versions_and_of_schema_id_0() {
    let scene = scene("schema-versions");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    assert_eq!(Writer::EarlyChangeLog.id(), 0);
    for turn in 0..20 {
        feeder.change_log(&topic, 0, Writer::OF_CHANGE_LOGS[turn % 2]);
    }
    feeder.flush();

    let relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let fed = feeder.fed();
    Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED).assert_nothing_lost(&fed);
    relay.stop();
    assert!(letters.read().is_empty());
    assert!(
        actions.read().iter().all(|line| line.event.get("approvals").is_none()),
        "a field that only the writer knows is left out"
    );
}
