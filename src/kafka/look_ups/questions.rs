//! Questions to the brokers about groups and logs, each asked again until there is an answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::committed::{Committed, committed_offsets};
use crate::event::TopicPartition;
use crate::kafka::client::{Cause, RelayConsumer, StartError, cause_of, partition_count, partition_list};
use crate::kafka::source::StartPosition;

/// The time-out of one question.
const QUESTION: Duration = Duration::from_secs(10);

/// So many partitions are asked about in one question: a topic of a thousand takes ten and not a thousand, and
/// between two of them a stop is noticed, and the thread that asks shows that it lives.
const AT_ONCE: usize = 100;

/// What the id of a cluster begins with that librdkafka mocks: the embedded broker's.
const MOCK_CLUSTER: &str = "mockCluster";

/// Look-ups at the brokers. Each question is asked again until it is answered or refused, somebody says stop, or
/// the time for all of them is up.
pub(in crate::kafka) struct LookUps<'a> {
    pub(in crate::kafka) consumer: &'a RelayConsumer,
    /// Asked before each question whether nobody wants the answer any more.
    pub(in crate::kafka) stopped: &'a dyn Fn() -> bool,
    /// When the time for all questions is up.
    pub(in crate::kafka) deadline: Instant,
}

impl LookUps<'_> {
    /// What the group has committed for each of these partitions.
    pub(in crate::kafka) fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Committed>, StartError> {
        self.retry("the group's committed offsets", |timeout| {
            committed_offsets(self.consumer, partitions, timeout)
        })
    }

    /// How many partitions the topic had at the group's first commit, where its commits say so, and
    /// how many it has now.
    pub(super) fn partition_counts(
        &self,
        topic: &Arc<str>,
        assigned: &BTreeMap<TopicPartition, Committed>,
    ) -> Result<(Option<i32>, i32), StartError> {
        let of_topic = |found: &BTreeMap<TopicPartition, Committed>| {
            found
                .iter()
                .filter(|(source, _)| source.topic == *topic)
                .filter_map(|(_, found)| found.first_partition_count)
                .min()
        };
        if let Some(count) = of_topic(assigned) {
            return Ok((Some(count), count));
        }
        let now = self.partition_count(topic)?;
        // Other members may hold the partitions whose commits say it.
        let all: Vec<TopicPartition> =
            (0..now).map(|partition| TopicPartition { topic: Arc::clone(topic), partition }).collect();
        Ok((of_topic(&self.committed(&all)?), now))
    }

    /// How many partitions the topic has now.
    pub(in crate::kafka) fn partition_count(&self, topic: &str) -> Result<i32, StartError> {
        self.retry("the topic's metadata", |timeout| {
            let metadata = self.consumer.fetch_metadata(Some(topic), timeout)?;
            partition_count(&metadata, topic).map_err(KafkaError::MetadataFetch)
        })
    }

    /// Of each partition the offset of the first record that the log holds, and the one behind its last, in
    /// the order of `partitions`.
    pub(in crate::kafka) fn watermarks(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(i64, i64)>, StartError> {
        // In this order: a log only grows at its end.
        let lows = self.watermark(partitions, Offset::Beginning)?;
        let highs = self.watermark(partitions, Offset::End)?;
        Ok(lows.into_iter().zip(highs).collect())
    }

    /// The offsets at which the start policy begins, in the order of `partitions`.
    pub(in crate::kafka) fn by_policy(
        &self,
        partitions: &[TopicPartition],
        policy: StartPosition,
    ) -> Result<Vec<i64>, StartError> {
        match policy {
            StartPosition::Earliest => self.watermark(partitions, Offset::Beginning),
            StartPosition::Latest => self.watermark(partitions, Offset::End),
            StartPosition::Timestamp(_) if partitions.is_empty() => Ok(Vec::new()),
            StartPosition::Timestamp(timestamp_ms) => self.by_time(partitions, timestamp_ms),
            // Whoever looks up more than once has fixed the time before.
            StartPosition::Lookback(_) => self.by_policy(partitions, policy.fixed_at(SystemTime::now())),
        }
    }

    fn watermark(&self, partitions: &[TopicPartition], which: Offset) -> Result<Vec<i64>, StartError> {
        let found = self.offsets("the first or last offset", partitions, which)?;
        // Every log has both: one that is not said was not answered.
        let unanswered = || StartError::LookUp {
            what: "the first or last offset of a partition".to_owned(),
            source: KafkaError::MetadataFetch(RDKafkaErrorCode::BadMessage),
        };
        found.into_iter().map(|offset| offset.ok_or_else(unanswered)).collect()
    }

    fn by_time(&self, partitions: &[TopicPartition], timestamp_ms: i64) -> Result<Vec<i64>, StartError> {
        let cluster = self.consumer.client().fetch_cluster_id(QUESTION);
        if cluster.is_some_and(|id| id.starts_with(MOCK_CLUSTER)) {
            return Err(StartError::NoTimes);
        }
        let time = Offset::Offset(timestamp_ms);
        let found = self.offsets("the offsets for the start time", partitions, time)?;
        let unanswered = partitions.iter().zip(&found).filter(|(_, offset)| offset.is_none());
        let beyond: Vec<TopicPartition> = unanswered.map(|(source, _)| source.clone()).collect();
        // No record is that young: the end, as a number, so that it can be committed.
        let mut ends = self.watermark(&beyond, Offset::End)?.into_iter();
        Ok(found.into_iter().filter_map(|offset| offset.or_else(|| ends.next())).collect())
    }

    /// Kafka's question about offsets, of many partitions at once: at a time, or, with [`Offset::Beginning`]
    /// and [`Offset::End`], of the logs' limits. `None` where there is no such offset.
    fn offsets(
        &self,
        what: &str,
        partitions: &[TopicPartition],
        at: Offset,
    ) -> Result<Vec<Option<i64>>, StartError> {
        let mut offsets = Vec::with_capacity(partitions.len());
        for some in partitions.chunks(AT_ONCE) {
            let what = match some {
                [only] => format!("{what} of {only}"),
                _ => format!("{what} of {} and {} more partitions", some[0], some.len() - 1),
            };
            let found = self.retry(&what, |timeout| {
                let mut list = partition_list(some);
                list.set_all_offsets(at)?;
                let found = self.consumer.offsets_for_times(list, timeout)?;
                check_elements(&found)?;
                Ok(found.to_topic_map())
            })?;
            offsets.extend(some.iter().map(|source| {
                match found.get(&(source.topic.to_string(), source.partition)) {
                    Some(Offset::Offset(offset)) => Some(*offset),
                    _ => None,
                }
            }));
        }
        Ok(offsets)
    }

    /// Asks until there is an answer. `ask` is given its time-out.
    pub(super) fn retry<T>(
        &self,
        what: &str,
        ask: impl Fn(Duration) -> Result<T, KafkaError>,
    ) -> Result<T, StartError> {
        let failed = |source| StartError::LookUp { what: what.to_owned(), source };
        let mut wait = Duration::from_millis(100);
        loop {
            if (self.stopped)() {
                return Err(StartError::Stopped);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Others were answered so slowly that no time is left for this one.
                return Err(failed(KafkaError::Global(RDKafkaErrorCode::OperationTimedOut)));
            }
            let source = match ask(left.min(QUESTION)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if is_refusal(&source) || Instant::now() + wait >= self.deadline {
                return Err(failed(source));
            }
            tracing::warn!(%source, "cannot look up {what}, trying again");
            std::thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

/// A look-up that fails says `Ok` as a whole and carries its errors per element, with an offset that
/// looks like "none".
pub(super) fn check_elements(list: &TopicPartitionList) -> Result<(), KafkaError> {
    list.elements().iter().try_for_each(|element| element.error())
}

/// Whether asking again gives no other answer.
fn is_refusal(error: &KafkaError) -> bool {
    matches!(cause_of(error), Cause::GroupRefused | Cause::TopicRefused | Cause::Unsupported | Cause::Fatal)
}
