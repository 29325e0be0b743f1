//! Feeds records as they are: any key, value and headers, or none.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::action_log::Place;
use super::broker::Broker;

const DELIVERY: Duration = Duration::from_secs(60);

/// A record of which nothing is said but what the test says.
#[derive(Debug, Clone)]
pub(crate) struct BareRecord {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl BareRecord {
    /// With this value, a key, and no headers.
    pub(crate) fn of(value: Vec<u8>) -> Self {
        Self { key: Some(b"key".to_vec()), value: Some(value), headers: Vec::new() }
    }
}

/// Produces to the first partition of topics that nobody else writes to, so that the n-th record has
/// offset n.
pub(crate) struct BareFeeder {
    producer: BaseProducer,
    next_offsets: BTreeMap<String, i64>,
}

impl BareFeeder {
    pub(crate) fn new(broker: &dyn Broker) -> Self {
        let mut config = broker.client();
        // A record of more than a mebibyte passes a broker's limit compressed.
        let producer = config
            .set("enable.idempotence", "true")
            .set("compression.type", "zstd")
            .set("message.max.bytes", "16777216")
            .set("linger.ms", "5");
        Self { producer: producer.create().expect("a producer"), next_offsets: BTreeMap::new() }
    }

    /// Feeds a record; it is delivered with the next [`flush`](Self::flush).
    pub(crate) fn feed(&mut self, topic: &str, record: &BareRecord) -> Place {
        let next = self.next_offsets.entry(topic.to_owned()).or_default();
        let place = Place { topic: topic.to_owned(), partition: 0, offset: *next };
        *next += 1;
        let mut to_send: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(0);
        to_send.key = record.key.as_deref();
        to_send.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let none = OwnedHeaders::new();
            to_send.headers =
                Some(record.headers.iter().fold(none, |headers, (key, value)| {
                    headers.insert(Header { key, value: value.as_deref() })
                }));
        }
        self.producer.send(to_send).map_err(|(error, _)| error).expect("room for a few hundred records");
        place
    }

    /// Waits until everything is delivered.
    pub(crate) fn flush(&self) {
        self.producer.flush(DELIVERY).expect("Kafka takes everything that is fed");
    }
}
