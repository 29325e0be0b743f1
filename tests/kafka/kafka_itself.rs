//! The harness itself: without these, a green suite would prove nothing.

use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::harness::{Broker, KafkaBroker, wait_for};

fn produce(broker: &KafkaBroker, topic: &str, value: &str) {
    let producer: BaseProducer = broker.client().create().expect("a producer");
    producer.send(BaseRecord::<(), str>::to(topic).partition(0).payload(value)).expect("room in the queue");
    producer.flush(Duration::from_secs(30)).expect("delivered");
}

fn consume(broker: &KafkaBroker, topic: &str, offset: i64) -> String {
    let consumer: BaseConsumer = broker.client().set("group.id", "unused").create().expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Offset(offset)).expect("a valid offset");
    consumer.assign(&assignment).expect("assigned");
    wait_for("the record", Duration::from_secs(30), || {
        let message = consumer.poll(Duration::from_millis(100))?.ok()?;
        Some(String::from_utf8(message.payload()?.to_vec()).expect("what was written is text"))
    })
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn what_is_written_to_the_shared_broker_can_be_read_back() {
    let broker = KafkaBroker::shared();
    broker.create_topic("round-trip", 1);
    produce(broker, "round-trip", "there and back");
    assert_eq!(consume(broker, "round-trip", 0), "there and back");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_broker_that_was_killed_comes_back_with_its_data() {
    let broker = KafkaBroker::start();
    assert!(broker.create_topic("kept", 1));
    produce(&broker, "kept", "still here");
    broker.kill();
    broker.restart();
    assert!(!broker.create_topic("kept", 1), "the topic outlived the broker");
    assert_eq!(consume(&broker, "kept", 0), "still here");
}
