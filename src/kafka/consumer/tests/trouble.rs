//! What is told while nothing can be read, and that it is taken back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::super::log_ends::watch_log_ends;
use super::scene::{Broker, TOPIC, delivery, start_with, wait_until};
use crate::event::TopicPartition;
use crate::kafka::client::RelayContext;
use crate::kafka::{Unreadable, UnreadableTopic};

/// Statistics often, so that a test need not wait for them.
const SEEN_SOON: [(&str, &str); 2] = [("group.protocol", "consumer"), ("statistics.interval.ms", "100")];

#[test]
fn where_a_log_ends_is_known_without_a_fetch() {
    let broker = Broker::new();
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", broker.cluster.bootstrap_servers())
        .set("group.id", "ends")
        .create_with_context(RelayContext::default())
        .unwrap();
    let ends = watch_log_ends(Arc::new(consumer), Duration::from_millis(10)).unwrap();
    let source = |partition| TopicPartition { topic: TOPIC.into(), partition };
    broker.produce(1, ["e"; 3]);
    ends.want(vec![source(0), source(1)]);
    wait_until("they are looked up", || ends.of(&source(1)) == Some(3));
    assert_eq!((ends.of(&source(0)), ends.of(&source(2))), (Some(0), None));
    broker.produce(1, ["e"; 2]);
    wait_until("they are looked up again", || ends.of(&source(1)) == Some(5));
    // No look-up replaces what was found.
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    broker.cluster.request_errors(RDKafkaApiKey::ListOffsets, &[denied; 10_000]);
    ends.forget(&[source(1)]);
    assert_eq!(ends.of(&source(1)), None, "it was given up");
    ends.want(vec![source(0), source(1)]);
    broker.cluster.clear_request_errors(RDKafkaApiKey::ListOffsets);
    wait_until("it is looked up once it is back", || ends.of(&source(1)) == Some(5));
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
