//! What the log says while Kafka is away, and that it says it once.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;

use crate::harness::{Scene, wait_until};

const SEEN: Duration = Duration::from_secs(60);

/// The number of the only broker.
const BROKER: i32 = 1;

#[test]
fn brokers_that_go_away_are_told_once_with_their_address_and_once_that_they_are_back() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-outage");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let relay = scene.run_until_ready(&[&recipe]);
    let lines = |words: &str| {
        let log = relay.log();
        log.lines().filter(|line| line.contains(words)).map(str::to_owned).collect::<Vec<_>>()
    };
    broker.cluster().broker_down(BROKER).expect("it is there");
    let away = format!("Kafka is away, none of its brokers can be reached at {}: ", broker.bootstrap());
    wait_until("the outage to be told", SEEN, || !lines(&away).is_empty());
    // librdkafka tells it again and again meanwhile, and of each connection.
    let errors = || relay.metric("kafka_messages_total", &["error=\"True\""]).unwrap_or_default();
    wait_until("errors to come in their number", SEEN, || errors() >= 10.0);
    broker.cluster().broker_up(BROKER).expect("it is there");
    let back = "Kafka is back after ";
    wait_until("its end to be told", SEEN, || !lines(back).is_empty());
    scene.feeder().change_logs(&topic, 1, 5);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the events to be committed", SEEN, || committed.sum() == Some(5));
    let log = relay.stop_and_tell();
    let told = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!((told(&away), told(back)), (1, 1), "{log}");
    let bad = |line: &&str| [" WARN ", " ERROR "].iter().any(|level| line.contains(level));
    assert_eq!(log.lines().filter(bad).count(), 1, "nothing else is made of it: {log}");
}

#[test]
fn a_start_without_kafka_says_once_that_it_is_tried_and_once_that_kafka_answers() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-late-broker");
    let topic = scene.topic("versioned", 1);
    broker.cluster().broker_down(BROKER).expect("it is there");
    let mut relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
    let errors = || relay.metric("kafka_messages_total", &["error=\"True\""]).unwrap_or_default();
    wait_until("errors to come in their number", SEEN, || errors() >= 5.0);
    broker.cluster().broker_up(BROKER).expect("it is there");
    relay.wait_until_ready();
    let log = relay.stop_and_tell();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).collect::<Vec<_>>();
    let told = lines("cannot reach Kafka, trying for 60 s in all: ");
    let address = format!("brokers=\"{}\"", broker.bootstrap());
    assert!(told.len() == 1 && told[0].contains("Connection refused"), "{log}");
    assert!(told[0].contains(&address) && lines("Kafka answers, after ").len() == 1, "{log}");
    assert_eq!(lines(" WARN ").len() + lines(" ERROR ").len(), 1, "nothing else is made of it: {log}");
}
