//! What can be seen from outside.

use std::time::Duration;

use datahub_relay::embedded::Behaviour;

use crate::harness::{KafkaBroker, Resource, Tally, wait_until};
use crate::scene;

const SEEN: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn metrics_tell_what_was_received_acted_on_dead_lettered_and_committed() {
    let scene = scene("metrics");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 200);
    feeder.raw(&topic, 0, b"bad");
    let relay = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("everything to be committed", SEEN, || committed.sum() == Some(201));

    let pipeline = format!("\"{}\"", scene.group());
    let (_, page) = relay.get("/metrics").expect("the metrics answer");
    wait_until("the framework's offsets to be those committed", SEEN, || {
        relay.metric("kafka_offset", &[&topic, &pipeline]) == Some(201.0)
    });
    wait_until("the framework's message count", SEEN, || {
        relay.metric("kafka_messages_total", &[&pipeline]) == Some(201.0)
    });
    wait_until("no lag to be left", SEEN, || relay.metric("kafka_consumer_lag", &[&topic]) == Some(0.0));
    assert!(page.contains("datahub_relay_"), "its own metrics are there too:\n{page}");
    relay.stop();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn probes_answer_yes_while_all_is_well_and_name_what_is_missing_otherwise() {
    let scene = scene("probes");
    let topic = scene.topic("versioned", 1);
    let relay = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200));
    let (status, body) = relay.get("/readyz").expect("the probe answers");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(scene.group()), "it names the pipeline: {body}");

    scene.registry.behave(Behaviour::Fail(503));
    wait_until("readiness to name the registry", SEEN, || {
        relay.get("/readyz").is_some_and(|(status, body)| status == 503 && body.contains("registry"))
    });
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "it lives all the same");
    relay.stop();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_that_may_not_be_read_is_named_until_it_may_and_the_others_are_read() {
    let broker = KafkaBroker::shared();
    let scene = scene("topic-denied");
    let (topic, other) = (scene.topic("versioned", 2), scene.topic("platform", 1));
    let recipe = scene.recipe().change_logs(&topic).platform_events(&other);
    let recipe = broker.as_limited_user(recipe).consumer("topic.metadata.refresh.interval.ms", 1000);
    broker.allow("Read", &[Resource::Topic(&other), Resource::Group(scene.group())]);
    let mut relay = scene.run(&[&recipe]);
    let denied = format!(r#""topics":"{topic} may not be read"#);
    wait_until("readiness to name the topic from the start", SEEN, || relay.says_no(&[&denied, "READ"]));
    broker.allow("Read", &[Resource::Topic(&topic)]);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 100);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the topic to be read and committed", SEEN, || committed.sum() == Some(100));
    relay.wait_until_ready();

    // Described it may still be: so it stays assigned, and only its fetches are refused.
    broker.allow("Describe", &[Resource::Topic(&topic)]);
    broker.forbid("Read", &[Resource::Topic(&topic)]);
    feeder.change_logs(&topic, 2, 100);
    feeder.platform_events(&other, 1, 20);
    wait_until("readiness to name the topic", SEEN, || relay.says_no(&[&denied, "READ"]));
    let others = scene.committed(&[(&other, 1)]);
    wait_until("the other topic to be read", SEEN, || others.sum() == Some(20));
    wait_until("the lag to grow although nothing is fetched", SEEN, || {
        relay.metric("datahub_relay_lag_records", &[&topic]) == Some(100.0)
    });
    assert!(relay.says_no(&[&denied]), "the other one says nothing of it");
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "a restart would not help");

    broker.allow("Read", &[Resource::Topic(&topic)]);
    relay.wait_until_ready();
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut scene.action_log(), &mut scene.dead_letters(), SEEN);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
}
