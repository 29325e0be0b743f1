//! What is told while nothing can be read, and that it is taken back.

use std::sync::atomic::Ordering;

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::scene::{Broker, TOPIC, delivery, start_with, wait_until};
use crate::kafka::{Unreadable, UnreadableTopic};

/// Statistics often, so that a test need not wait for them.
const SEEN_SOON: [(&str, &str); 2] = [("group.protocol", "consumer"), ("statistics.interval.ms", "100")];

#[test]
fn a_consumer_that_had_caught_up_and_whose_fetches_then_all_fail_is_told() {
    let broker = Broker::new();
    broker.produce(0, ["e"; 5]);
    let running = start_with(&broker, "caught-up", delivery(), &SEEN_SOON);
    wait_until("all is read and committed", || broker.committed("caught-up").get(&0) == Some(&5));
    let not_there = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE;
    broker.cluster.request_errors(RDKafkaApiKey::Fetch, &[not_there; 10_000]);
    // One fetch may be under way that still finds something.
    for _ in 0..20 {
        broker.produce(0, ["e"]);
    }
    let stalled = || running.counts.stalled.lock().unwrap().clone();
    wait_until("it is noticed", || {
        stalled().is_some_and(|why| why.starts_with("PlatformEvent_v1[0] stands at offset "))
    });
    assert!(running.seen().len() < 25, "most could not be fetched");
    broker.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    wait_until("everything is processed", || running.seen().len() == 25);
    wait_until("it is over", || stalled().is_none());
    running.stop();
}

#[test]
fn a_topic_that_may_not_be_read_any_more_is_told_by_name_until_it_may() {
    let broker = Broker::new();
    broker.produce(0, ["e"; 5]);
    let running = start_with(&broker, "denied-topic", delivery(), &SEEN_SOON);
    wait_until("all is read", || running.seen().len() == 5);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    broker.cluster.request_errors(RDKafkaApiKey::Fetch, &[denied; 10_000]);
    let unreadable = || running.counts.unreadable.lock().unwrap().clone();
    let topic = UnreadableTopic { topic: TOPIC.into(), why: Unreadable::Denied };
    wait_until("it is told", || unreadable() == std::slice::from_ref(&topic));
    broker.produce(0, ["e"; 5]);
    let looks = || running.counts.looks.load(Ordering::Relaxed);
    let so_far = looks();
    wait_until("statistics have come that say that the broker is there", || looks() > so_far + 90);
    assert_eq!(unreadable(), [topic], "which says nothing of the topic");
    assert_eq!(*running.counts.stalled.lock().unwrap(), None, "it is no partition that hangs");
    broker.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    wait_until("it is taken back", || unreadable().is_empty());
    wait_until("everything is processed", || running.seen().len() == 10);
    running.stop();
}
