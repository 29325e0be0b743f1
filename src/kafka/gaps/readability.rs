//! Whether a record can be read at all, tried with a client of its own, away from the polling thread.
//!
//! A corrupt batch shows up as errors that name no partition, and the partition stops although its
//! position is in range. So a partition that stops again and again is tried alone.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, client_beside};
use crate::kafka::source::ConsumerSettings;

/// How long one try may take. A corrupt batch is reported, and a good one delivered, at once.
const TRY: Duration = Duration::from_secs(10);

/// What was found where a partition does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) enum Found {
    /// The record can be read: something else was the matter.
    Readable,
    /// It cannot. The first that can be read behind it, or the log's end if there is none.
    Corrupt {
        /// The offset at which reading can go on.
        next_readable: i64,
    },
    /// Kafka gave no answer that says one or the other.
    Unknown,
}

/// A search that is under way.
#[derive(Debug)]
pub(in crate::kafka) struct Search {
    /// The partition.
    pub(in crate::kafka) source: TopicPartition,
    /// The offset that does not come.
    pub(in crate::kafka) from: i64,
    found: Receiver<Found>,
}

impl Search {
    /// Begins to look whether the record at `from` can be read, and which is the next that can, below
    /// `end`.
    pub(in crate::kafka) fn start(
        settings: &ConsumerSettings,
        source: &TopicPartition,
        (from, end): (i64, i64),
    ) -> std::io::Result<Self> {
        let (answer, found) = bounded(1);
        let (settings, partition) = (settings.clone(), source.clone());
        // Left to itself: it ends by itself, and dropping its consumer may take long.
        thread::Builder::new().name("search".to_owned()).spawn(move || {
            let _ = answer.send(search(&settings, &partition, from, end));
        })?;
        Ok(Self { source: source.clone(), from, found })
    }

    /// A search that finds nothing, for tests.
    #[cfg(test)]
    pub(in crate::kafka) fn without_end(
        source: TopicPartition,
        from: i64,
    ) -> (Self, crossbeam_channel::Sender<Found>) {
        let (answer, found) = bounded(1);
        (Self { source, from, found }, answer)
    }

    /// What was found, once it is known.
    pub(in crate::kafka) fn found(&self) -> Option<Found> {
        match self.found.try_recv() {
            Ok(found) => Some(found),
            Err(crossbeam_channel::TryRecvError::Empty) => None,
            Err(crossbeam_channel::TryRecvError::Disconnected) => Some(Found::Unknown),
        }
    }
}

/// Whether the record at `offset` of a partition can be read; `None` if Kafka does not say. Tried with a client
/// of its own: librdkafka tells of a corrupt batch in two errors that name no offset, and the second one may come
/// after an assignment that follows. A record that can be read would then be taken for a corrupt one.
pub(super) fn is_readable(settings: &ConsumerSettings, source: &TopicPartition, offset: i64) -> Option<bool> {
    let consumer = reader(settings)?;
    try_at(&consumer, source, offset).ok()?
}

/// A client of the pipeline's own group, which it may read in, without joining it.
fn reader(settings: &ConsumerSettings) -> Option<RelayConsumer> {
    let client = client_beside(settings, &settings.group_id);
    client.inspect_err(|error| tracing::warn!("cannot try a record by itself: {error}")).ok()
}

/// Doubles its steps until it finds a record that can be read, then halves them to find the first. With
/// two corrupt batches near each other, readable ones between them may be taken for lost: the gap that is
/// reported holds them.
fn search(settings: &ConsumerSettings, source: &TopicPartition, from: i64, end: i64) -> Found {
    let readable = |offset| is_readable(settings, source, offset);
    match readable(from) {
        Some(false) => {}
        Some(true) => return Found::Readable,
        None => return Found::Unknown,
    }
    let mut corrupt = from;
    let mut good = end;
    let mut step = 1;
    while from + step < end {
        match readable(from + step) {
            Some(true) => {
                good = from + step;
                break;
            }
            Some(false) => corrupt = from + step,
            None => return Found::Unknown,
        }
        step *= 2;
    }
    while good - corrupt > 1 {
        let middle = corrupt + (good - corrupt) / 2;
        match readable(middle) {
            Some(true) => good = middle,
            Some(false) => corrupt = middle,
            None => return Found::Unknown,
        }
    }
    Found::Corrupt { next_readable: good }
}

/// Reads from an offset on until there is a record or an error.
fn try_at(consumer: &RelayConsumer, source: &TopicPartition, offset: i64) -> KafkaResult<Option<bool>> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&source.topic, source.partition, Offset::Offset(offset))?;
    consumer.assign(&list)?;
    let deadline = Instant::now() + TRY;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.offset() >= offset => return Ok(Some(true)),
            Some(Err(error)) if is_of_the_record(&error) => return Ok(Some(false)),
            Some(Ok(_) | Err(_)) | None => {}
        }
    }
    Ok(None)
}

/// Whether an error is about what the log holds; the others are about the way to the brokers.
fn is_of_the_record(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, BadMessage};
    matches!(error.rdkafka_error_code(), Some(BadMessage | AutoOffsetReset))
}
