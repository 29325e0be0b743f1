//! Reads stretches of partitions, without a group and without a commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::event::{Record, Route, TopicPartition, offset_after};
use crate::kafka::client::{
    Cause, ConsumerError, RelayConsumer, RelayContext, cause_of, onlooker_config, owned_record,
    partition_list,
};
use crate::kafka::source::ConsumerSettings;

/// How many records may wait for whoever reads: enough to keep both sides busy.
const WAITING: usize = 256;

/// How long a poll waits before it looks whether the reader is still wanted.
const POLL: Duration = Duration::from_millis(100);

/// A part of a partition that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The partition.
    pub source: TopicPartition,
    /// What its topic carries.
    pub route: Route,
    /// The offset of the first record.
    pub from: i64,
    /// The offset behind the last record; without it reading goes on for as long as records come.
    pub until: Option<i64>,
}

/// What a reader hands out.
#[derive(Debug)]
pub enum Reading {
    /// A record, and what its topic carries.
    Record(Route, Record),
    /// A stretch was read to its end.
    Ended(TopicPartition),
    /// Kafka reported trouble. Reading goes on by itself.
    Trouble(KafkaError),
    /// Kafka reported an error after which a topic is read no more.
    Failed(KafkaError),
}

/// How much is fetched ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// As much as the settings say: everything is wanted.
    Everything,
    /// The first record of each stretch, and no more of it.
    FirstOfEach,
}

/// Reads stretches of partitions on threads of its own, which end when it is dropped.
pub struct LogReader {
    readings: Receiver<Reading>,
    wanted: Arc<AtomicBool>,
}

impl LogReader {
    /// Begins to read. The records of one partition come in their order.
    ///
    /// # Errors
    /// If librdkafka refuses the settings, or a thread cannot be started.
    pub fn start(
        name: &str,
        settings: &ConsumerSettings,
        stretches: Vec<Stretch>,
        reach: Reach,
    ) -> Result<Self, ConsumerError> {
        let (sender, readings) = async_channel::bounded(WAITING);
        let wanted = Arc::new(AtomicBool::new(true));
        let mut config = onlooker_config(settings);
        // How the end of a stretch shows whose last offsets belong to no record: those of a compacted
        // topic, or of a transaction's markers.
        config.set("enable.partition.eof", "true");
        // There is no group whose position could be lost: what retention takes meanwhile is passed over.
        config.set("auto.offset.reset", "earliest");
        if reach == Reach::FirstOfEach {
            config.set("fetch.message.max.bytes", "1024").set("queued.min.messages", "1");
        }
        let mut topics: Vec<Arc<str>> =
            stretches.iter().map(|stretch| Arc::clone(&stretch.source.topic)).collect();
        topics.sort();
        topics.dedup();
        for topic in topics {
            // One consumer a topic: rdkafka tells the end of a partition by its number alone.
            let consumer: RelayConsumer = config
                .create_with_context(RelayContext::new(name, settings)?)
                .map_err(ConsumerError::Create)?;
            let stretches =
                stretches.iter().filter(|stretch| stretch.source.topic == topic).cloned().collect();
            let (sender, wanted) = (sender.clone(), Arc::clone(&wanted));
            let reading = TopicReader { consumer, stretches, sender, wanted, reach };
            std::thread::Builder::new()
                .name(format!("read {topic}"))
                .spawn(move || reading.run())
                .map_err(ConsumerError::Thread)?;
        }
        Ok(Self { readings, wanted })
    }

    /// What comes next; `None` once every stretch was read to its end or has failed. May be dropped at any time
    /// without losing a record.
    pub async fn next(&self) -> Option<Reading> {
        self.readings.recv().await.ok()
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        self.readings.close();
    }
}

/// Nobody reads any more.
struct Unwanted;

struct TopicReader {
    consumer: RelayConsumer,
    /// What is still to be read.
    stretches: Vec<Stretch>,
    sender: Sender<Reading>,
    wanted: Arc<AtomicBool>,
    reach: Reach,
}

impl TopicReader {
    fn run(mut self) {
        // An end that nobody reports would look like the end of what there is to read.
        if catch_unwind(AssertUnwindSafe(|| self.read())).is_err() {
            // Where this fails nobody wants to know any more.
            let _ = self.send(Reading::Failed(KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::Fail)));
        }
    }

    fn read(&mut self) -> Result<(), Unwanted> {
        let (open, empty): (Vec<Stretch>, Vec<Stretch>) = std::mem::take(&mut self.stretches)
            .into_iter()
            .partition(|stretch| stretch.until.is_none_or(|until| stretch.from < until));
        self.stretches = open;
        for stretch in empty {
            self.send(Reading::Ended(stretch.source))?;
        }
        if let Err(error) = self.assign() {
            return self.send(Reading::Failed(error));
        }
        while !self.stretches.is_empty() && self.wanted.load(Ordering::Relaxed) {
            let polled = match self.consumer.poll(POLL) {
                None => continue,
                Some(Ok(message)) => {
                    let index = self.stretches.iter().position(|s| s.source.partition == message.partition());
                    let Some(index) = index else { continue };
                    let Stretch { source, route, until, .. } = &self.stretches[index];
                    if until.is_some_and(|until| message.offset() >= until) {
                        Polled::End(index)
                    } else {
                        let record = Box::new(owned_record(&message, source));
                        let next = offset_after(message.offset());
                        let last =
                            until.is_some_and(|until| next >= until) || self.reach == Reach::FirstOfEach;
                        Polled::Record { route: route.clone(), record, ended: last.then_some(index) }
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let ended =
                        |stretch: &Stretch| stretch.source.partition == partition && stretch.until.is_some();
                    let Some(index) = self.stretches.iter().position(ended) else { continue };
                    Polled::End(index)
                }
                Some(Err(error)) => Polled::Error(error),
            };
            match polled {
                Polled::Record { route, record, ended } => {
                    self.send(Reading::Record(route, *record))?;
                    if let Some(index) = ended {
                        self.end(index)?;
                    }
                }
                Polled::End(index) => self.end(index)?,
                Polled::Error(error) if is_fatal(&error) => return self.send(Reading::Failed(error)),
                Polled::Error(error) => self.send(Reading::Trouble(error))?,
            }
        }
        Ok(())
    }

    fn assign(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(self.stretches.len());
        for Stretch { source, from, .. } in &self.stretches {
            list.add_partition_offset(&source.topic, source.partition, Offset::Offset(*from))?;
        }
        self.consumer.assign(&list)
    }

    fn end(&mut self, index: usize) -> Result<(), Unwanted> {
        let Stretch { source, .. } = self.stretches.swap_remove(index);
        // Where this fails, records that nobody wants are fetched and thrown away.
        let _ = self.consumer.pause(&partition_list(std::slice::from_ref(&source)));
        self.send(Reading::Ended(source))
    }

    fn send(&self, reading: Reading) -> Result<(), Unwanted> {
        self.sender.send_blocking(reading).map_err(|_| Unwanted)
    }
}

/// What a poll came to.
enum Polled {
    Record { route: Route, record: Box<Record>, ended: Option<usize> },
    End(usize),
    Error(KafkaError),
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(cause_of(error), Cause::Fatal | Cause::TopicRefused | Cause::Missing)
}
