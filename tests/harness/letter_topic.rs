//! The dead letters of a topic, as far as they have come.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::action_log::Place;
use super::broker::Broker;
use super::observer::Letters;

/// Longer than a broker that is there needs.
const ANSWER: Duration = Duration::from_secs(2);

/// A topic of one partition that takes a run's dead letters.
pub(crate) struct LetterTopic {
    consumer: BaseConsumer,
    topic: String,
    next: i64,
}

impl LetterTopic {
    /// The letters of `topic`, from its first.
    pub(crate) fn new(broker: &dyn Broker, topic: &str) -> Self {
        let mut config = broker.client();
        config.set("group.id", "reads-the-letters-and-never-joins").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.set("log_level", "0").create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
        consumer.assign(&list).expect("a partition can be assigned");
        Self { consumer, topic: topic.to_owned(), next: 0 }
    }
}

impl Letters for LetterTopic {
    fn take_new(&mut self) -> Option<Vec<Place>> {
        // All that is there by now: a commit that was read before may rest on the last of them.
        let (_, end) = self.consumer.fetch_watermarks(&self.topic, 0, ANSWER).ok()?;
        let mut places = Vec::new();
        let asked = Instant::now();
        while self.next < end && asked.elapsed() < 5 * ANSWER {
            let Some(Ok(letter)) = self.consumer.poll(Duration::from_millis(50)) else { continue };
            self.next = letter.offset() + 1;
            let text = |name: &str| {
                let headers = letter.headers().expect("a dead letter has headers");
                let header = headers.iter().find(|header| header.key == name).expect("a header of its place");
                String::from_utf8(header.value.expect("a value").to_vec()).expect("text")
            };
            places.push(Place {
                topic: text("__connect.errors.topic"),
                partition: text("__connect.errors.partition").parse().expect("a number"),
                offset: text("__connect.errors.offset").parse().expect("a number"),
            });
        }
        Some(places)
    }
}
