//! Writing records to a topic, with keys, headers and timestamps of one's own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::event::{Header, Position, TopicPartition};

/// How long to wait for room in the client's queue when nothing of ours is in it.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; `None` chooses one by the key, as Kafka's clients do.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` writes a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers, in their order.
    pub headers: Vec<Header>,
    /// In milliseconds since the Unix epoch; `None` is now.
    pub timestamp_ms: Option<i64>,
}

impl FeedRecord {
    /// A record with a value, and neither key nor headers.
    pub fn new(topic: impl Into<Arc<str>>, value: Vec<u8>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            key: None,
            value: Some(value),
            headers: Vec::new(),
            timestamp_ms: None,
        }
    }
}

/// Why records were not written.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The client was not made.
    #[error("cannot make a producer for {bootstrap}: {source}")]
    Client {
        /// The brokers.
        bootstrap: String,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// A record was not delivered; those before it were, those behind it may have been.
    #[error(
        "a record was not delivered to {topic}: {source}; check that the broker is up and the topic exists"
    )]
    NotDelivered {
        /// The topic.
        topic: Arc<str>,
        /// What librdkafka said.
        source: KafkaError,
    },
}

/// Writes records to any Kafka, and waits until they are there.
pub struct Feeder {
    producer: FutureProducer,
}

impl Feeder {
    /// A feeder for the brokers given. The first record connects.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn connect(bootstrap: &str) -> Result<Self, FeedError> {
        let mut config = ClientConfig::new();
        // Idempotence keeps the order of a partition across the client's own retries.
        config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true").set("linger.ms", "5");
        let client_error = |source| FeedError::Client { bootstrap: bootstrap.to_owned(), source };
        Ok(Self { producer: config.create().map_err(client_error)? })
    }

    /// Writes the records, in their order within each partition, and returns where each one stands.
    ///
    /// # Errors
    /// At the first record that was not delivered.
    pub async fn feed(
        &self,
        records: impl IntoIterator<Item = FeedRecord>,
    ) -> Result<Vec<Position>, FeedError> {
        let mut positions = Vec::new();
        let mut on_their_way = VecDeque::new();
        for record in records {
            while let Err(source) = self.enqueue(&record, &mut on_their_way) {
                if source.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(FeedError::NotDelivered { topic: record.topic, source });
                }
                match on_their_way.pop_front() {
                    Some(oldest) => positions.push(arrival(oldest).await?),
                    None => tokio::time::sleep(QUEUE_FULL_WAIT).await,
                }
            }
        }
        for delivery in on_their_way {
            positions.push(arrival(delivery).await?);
        }
        Ok(positions)
    }

    fn enqueue(&self, record: &FeedRecord, on_their_way: &mut VecDeque<Delivery>) -> Result<(), KafkaError> {
        let delivered = self.producer.send_result(to_kafka(record)).map_err(|(error, _)| error)?;
        on_their_way.push_back(Delivery { topic: Arc::clone(&record.topic), delivered });
        Ok(())
    }
}

impl std::fmt::Debug for Feeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feeder").finish_non_exhaustive()
    }
}

struct Delivery {
    topic: Arc<str>,
    delivered: DeliveryFuture,
}

async fn arrival(Delivery { topic, delivered }: Delivery) -> Result<Position, FeedError> {
    let result = match delivered.await {
        Ok(result) => result.map_err(|(error, _)| error),
        Err(_) => Err(KafkaError::Canceled),
    };
    match result {
        Ok(at) => {
            Ok(Position { source: TopicPartition { topic, partition: at.partition }, offset: at.offset })
        }
        Err(source) => Err(FeedError::NotDelivered { topic, source }),
    }
}

fn to_kafka(record: &FeedRecord) -> FutureRecord<'_, [u8], [u8]> {
    let mut to_send = FutureRecord::to(&record.topic);
    to_send.partition = record.partition;
    to_send.key = record.key.as_deref();
    to_send.payload = record.value.as_deref();
    to_send.timestamp = record.timestamp_ms;
    if !record.headers.is_empty() {
        let none = OwnedHeaders::new_with_capacity(record.headers.len());
        to_send.headers = Some(record.headers.iter().fold(none, |headers, (key, value)| {
            headers.insert(KafkaHeader { key, value: value.as_deref() })
        }));
    }
    to_send
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Headers, Message};
    use rdkafka::{Offset, TopicPartitionList};

    use super::*;
    use crate::embedded::EmbeddedBroker;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn consumer_of(broker: &EmbeddedBroker, topic: &str, partition: i32) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker.bootstrap()).set("group.id", "reader");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        consumer
    }

    #[tokio::test]
    async fn a_record_arrives_with_key_headers_and_timestamp() {
        let broker = EmbeddedBroker::start(&[("events", 2)]).unwrap();
        let record = FeedRecord {
            partition: Some(1),
            key: Some(b"urn".to_vec()),
            headers: vec![("trace".to_owned(), Some(b"1".to_vec())), ("trace".to_owned(), None)],
            timestamp_ms: Some(1_700_000_000_000),
            ..FeedRecord::new("events", vec![0, 1, 2])
        };
        let positions = Feeder::connect(broker.bootstrap()).unwrap().feed([record]).await.unwrap();
        assert_eq!(positions[0].to_string(), "events[1]@0");

        let consumer = consumer_of(&broker, "events", 1);
        let message = consumer.poll(PATIENCE).unwrap().unwrap();
        assert_eq!(message.key(), Some(&b"urn"[..]));
        assert_eq!(message.payload(), Some(&[0, 1, 2][..]));
        assert_eq!(message.timestamp().to_millis(), Some(1_700_000_000_000));
        let headers = message.headers().unwrap();
        assert_eq!((headers.count(), headers.get(0).value, headers.get(1).value), (2, Some(&b"1"[..]), None));
    }

    #[tokio::test]
    async fn records_of_a_partition_keep_their_order_and_a_tombstone_has_no_value() {
        let broker = EmbeddedBroker::start(&[("events", 1)]).unwrap();
        let numbered = (0..500_u32).map(|number| FeedRecord::new("events", number.to_be_bytes().to_vec()));
        let tombstone = FeedRecord { value: None, ..FeedRecord::new("events", Vec::new()) };
        let feeder = Feeder::connect(broker.bootstrap()).unwrap();
        let positions = feeder.feed(numbered.chain([tombstone])).await.unwrap();
        assert_eq!(
            positions.iter().map(|position| position.offset).collect::<Vec<_>>(),
            (0..=500).collect::<Vec<_>>()
        );

        let consumer = consumer_of(&broker, "events", 0);
        for number in 0..500_u32 {
            let message = consumer.poll(PATIENCE).unwrap().unwrap();
            assert_eq!(message.payload(), Some(&number.to_be_bytes()[..]));
        }
        assert_eq!(consumer.poll(PATIENCE).unwrap().unwrap().payload(), None);
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_delivered_is_an_error_with_the_topic() {
        let broker = EmbeddedBroker::start(&[("events", 1)]).unwrap();
        let feeder = Feeder::connect(broker.bootstrap()).unwrap();
        let record = FeedRecord { partition: Some(9), ..FeedRecord::new("events", Vec::new()) };
        let error = feeder.feed([record]).await.unwrap_err().to_string();
        assert!(error.contains("to events"), "{error}");
    }
}
