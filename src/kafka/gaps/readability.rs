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

/// So many offsets behind the first corrupt one are asked for one by one: hundreds of records fit into one batch.
const ONE_BY_ONE: i64 = 256;

/// So many further behind them, ever closer to each other.
const FURTHER: usize = 64;

/// When the last of them is asked, from the beginning of the search: each takes a connection of its own, and the
/// partition waits meanwhile. It bounds these alone. The doubled steps before them, and what halves a distance, go on
/// until there is an offset to go on at or a try has no answer: some forty tries in a log of millions. Where each takes
/// a second that is longer than the watchdog lets a partition stand, so it is patient with one that is searched.
const LONGEST: Duration = Duration::from_secs(10);

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

fn search(settings: &ConsumerSettings, source: &TopicPartition, from: i64, end: i64) -> Found {
    find(|offset| is_readable(settings, source, offset), (from, end), LONGEST)
}

/// Whether the record at `from` can be read and, if not, which is the next that can. `readable` says it of one
/// offset, or nothing.
fn find(mut readable: impl FnMut(i64) -> Option<bool>, (from, end): (i64, i64), longest: Duration) -> Found {
    let next = match readable(from) {
        Some(false) => next_readable(readable, (from, end), longest),
        Some(true) => return Found::Readable,
        None => None,
    };
    next.map_or(Found::Unknown, |next_readable| Found::Corrupt { next_readable })
}

/// The first offset behind `from`, which is corrupt, that can be read, or `end`.
///
/// Doubled steps find one that can be read at all, soon also in a log of millions. They may have stepped from one
/// corrupt batch into another, over one that can be read: so what lies before it is looked at again, at first one by
/// one. Far behind `from` a stretch may be left out that is shorter than a thirtieth of what was searched.
fn next_readable(
    mut readable: impl FnMut(i64) -> Option<bool>,
    (from, end): (i64, i64),
    longest: Duration,
) -> Option<i64> {
    let began = Instant::now();
    let (mut corrupt, mut good, mut step) = (from, end, 1);
    while from + step < end {
        if readable(from + step)? {
            good = from + step;
            break;
        }
        corrupt = from + step;
        step *= 2;
    }
    good = boundary(&mut readable, corrupt, good)?;
    let behind = good.min(from + 1 + ONE_BY_ONE);
    for at in from + 1..behind {
        if began.elapsed() >= longest {
            return Some(good);
        }
        if readable(at)? {
            return Some(at);
        }
    }
    let from = behind - 1;
    let mut step = 1;
    while from + 2 * step < good {
        step *= 2;
    }
    let mut questions_left = FURTHER;
    while step > 0 {
        // What lies at an even number of steps was asked for with longer steps, and is corrupt.
        let mut at = from + step;
        while at < good {
            if questions_left == 0 || began.elapsed() >= longest {
                return Some(good);
            }
            questions_left -= 1;
            if readable(at)? {
                good = boundary(&mut readable, at - step, at)?;
                break;
            }
            at += 2 * step;
        }
        step /= 2;
    }
    Some(good)
}

/// Between an offset that is corrupt and one that is not: one that is not, right behind one that is.
fn boundary(readable: &mut impl FnMut(i64) -> Option<bool>, mut corrupt: i64, mut good: i64) -> Option<i64> {
    while good - corrupt > 1 {
        let middle = corrupt + (good - corrupt) / 2;
        match readable(middle)? {
            true => good = middle,
            false => corrupt = middle,
        }
    }
    Some(good)
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// What is found from offset 20 on where these offsets are corrupt, and with how many questions.
    fn found(corrupt: impl Fn(i64) -> bool, end: i64) -> (Found, usize) {
        let mut questions = 0;
        let readable = |offset| {
            assert!((20..end).contains(&offset), "{offset} is not in the log");
            questions += 1;
            Some(!corrupt(offset))
        };
        (find(readable, (20, end), HOUR), questions)
    }

    #[test]
    fn the_first_record_that_can_be_read_is_found_between_corrupt_batches_however_they_lie() {
        // Each bit is an offset.
        for layout in 0..1_u32 << 13 {
            let corrupt = |offset: i64| layout >> (offset - 20) & 1 == 1;
            let next_readable = (20..33).find(|offset| !corrupt(*offset)).unwrap_or(33);
            let expected = match next_readable {
                20 => Found::Readable,
                _ => Found::Corrupt { next_readable },
            };
            assert_eq!(found(corrupt, 33).0, expected, "{layout:013b}");
        }
        let two_batches = |offset: i64| matches!(offset, 20..30 | 35..45);
        assert_eq!(found(two_batches, 2_000_000).0, Found::Corrupt { next_readable: 30 });
        // No doubled step meets it.
        let next_readable = 20 + ONE_BY_ONE - 3;
        let one_in_hundreds = |offset: i64| offset < 100_000 && offset != next_readable;
        assert_eq!(found(one_in_hundreds, 2_000_000).0, Found::Corrupt { next_readable });
    }

    #[test]
    fn a_long_corrupt_stretch_is_searched_with_few_questions_and_what_is_found_follows_a_corrupt_one() {
        let end = 2_000_000;
        assert_eq!(found(|_| true, end).0, Found::Corrupt { next_readable: end });
        let (one, questions) = found(|offset| offset != 1_999_998, end);
        assert!(questions < 400, "{questions}");
        assert!(matches!(one, Found::Corrupt { next_readable: 1_999_998 | 2_000_000 }), "{one:?}");
        let a_fiftieth = |offset: i64| !(700_000..740_000).contains(&offset);
        assert_eq!(found(a_fiftieth, end).0, Found::Corrupt { next_readable: 700_000 });
    }

    #[test]
    fn without_an_answer_or_time_nothing_is_made_up() {
        assert_eq!(find(|_| None, (20, 50), HOUR), Found::Unknown);
        assert_eq!(find(|offset| (offset < 25).then_some(false), (20, 50), HOUR), Found::Unknown);
        let two_batches = |offset: i64| Some(!matches!(offset, 20..30 | 35..45));
        assert_eq!(find(two_batches, (20, 100), Duration::ZERO), Found::Corrupt { next_readable: 45 });
    }
}
