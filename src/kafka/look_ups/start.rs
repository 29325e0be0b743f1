//! Where an assigned partition begins: at what the group committed, or where the start policy says.
//!
//! Every position is resolved to a number before it is used, so that it can be committed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, StartError, partition_count, partition_list, readable};
use crate::kafka::source::StartPosition;

/// Begins the metadata of every commit of this program. Behind it stands how many partitions the
/// topic had at the group's first commit; see [`decide`].
const METADATA_PREFIX: &str = "datahub-relay partitions=";

/// The time-out of one look-up.
pub(super) const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// What the id of a cluster begins with that librdkafka mocks: the embedded broker's.
const MOCK_CLUSTER: &str = "mockCluster";

/// On which terms beginnings are looked up.
#[derive(Debug, Clone, Copy)]
pub(in crate::kafka) struct Terms<'a> {
    /// The consumer group.
    pub(in crate::kafka) group: &'a str,
    /// Where a partition begins for which it has committed nothing.
    pub(in crate::kafka) policy: StartPosition,
    /// Whether to look away from what it has committed.
    pub(in crate::kafka) reset: bool,
    /// How long a look-up may be tried: below `max.poll.interval.ms`.
    pub(in crate::kafka) at_most: Duration,
}

/// Where one partition begins.
#[derive(Debug, Clone)]
pub(in crate::kafka) struct Start {
    /// The partition.
    pub(in crate::kafka) source: TopicPartition,
    /// The offset of the first record to read.
    pub(in crate::kafka) offset: i64,
    /// What the group has committed, if anything.
    pub(in crate::kafka) committed: Option<i64>,
    /// What every commit of this partition carries.
    pub(in crate::kafka) metadata: Arc<str>,
}

/// Where a partition without a committed offset begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// At what the group has committed.
    Committed(i64),
    /// At the first record, since the partition was added while the group was reading the topic.
    Added,
    /// Where the start policy says.
    Policy,
}

/// Decides where a partition begins.
///
/// A partition that was added to a topic that the group already reads begins at its first record;
/// one that merely has no offset yet in a young group does not. They are told apart by the number of
/// partitions that the topic had at the group's first commit, which every commit carries unchanged.
/// Where the group's commits carry none (they were another program's) the start policy applies.
fn decide(partition: i32, committed: Option<i64>, first_partition_count: Option<i32>) -> Beginning {
    match (committed, first_partition_count) {
        (Some(offset), _) => Beginning::Committed(offset),
        (None, Some(count)) if partition >= count => Beginning::Added,
        (None, _) => Beginning::Policy,
    }
}

/// Looks up where each of `partitions` begins. Runs on the polling thread, between two polls.
///
/// # Errors
/// [`StartError::LookUp`] if Kafka refuses, or gives no usable answer for as long as the terms say: a
/// failed look-up is never read as "no offset", which would skip or repeat a whole topic. The others say
/// which term cannot be met.
pub(in crate::kafka) fn look_up(
    consumer: &RelayConsumer,
    partitions: &[TopicPartition],
    terms: Terms<'_>,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Start>, StartError> {
    let look_ups = LookUps { consumer, stopped, deadline: Instant::now() + terms.at_most };
    let committed = if terms.reset {
        look_ups.require_sole_member(terms.group)?;
        BTreeMap::new()
    } else {
        look_ups.committed(partitions)?
    };
    let mut counts: HashMap<Arc<str>, (Option<i32>, i32)> = HashMap::new();
    for source in partitions {
        if !counts.contains_key(&source.topic) {
            let topic = Arc::clone(&source.topic);
            let found = if terms.reset {
                // As for a group that has committed nothing: no partition counts as added.
                (None, look_ups.partition_count(&topic)?)
            } else {
                look_ups.partition_counts(&topic, &committed)?
            };
            counts.insert(topic, found);
        }
    }
    let mut open = Vec::new();
    let mut starts = Vec::with_capacity(partitions.len());
    for source in partitions {
        let (first_count, count_now) = counts.get(&source.topic).copied().unwrap_or((None, 0));
        let mut start = Start {
            source: source.clone(),
            offset: 0,
            committed: committed.get(source).and_then(|found| found.offset),
            metadata: commit_metadata(first_count.unwrap_or(count_now)),
        };
        match decide(source.partition, start.committed, first_count) {
            Beginning::Committed(offset) => start.offset = offset,
            Beginning::Added => start.offset = look_ups.watermarks(source)?.0,
            Beginning::Policy => open.push(starts.len()),
        }
        starts.push(start);
    }
    let sources: Vec<TopicPartition> = open.iter().map(|index| starts[*index].source.clone()).collect();
    for (index, offset) in open.into_iter().zip(look_ups.by_policy(&sources, terms.policy)?) {
        starts[index].offset = offset;
    }
    Ok(starts)
}

/// What a group has committed for one partition.
pub(in crate::kafka) struct Committed {
    pub(in crate::kafka) offset: Option<i64>,
    /// How many partitions the topic had at the group's first commit, where the commit says so.
    pub(in crate::kafka) first_partition_count: Option<i32>,
}

/// Look-ups at the brokers, each tried again until it succeeds, is refused, or time is up.
pub(in crate::kafka) struct LookUps<'a> {
    pub(in crate::kafka) consumer: &'a RelayConsumer,
    pub(in crate::kafka) stopped: &'a dyn Fn() -> bool,
    pub(in crate::kafka) deadline: Instant,
}

/// What every commit carries of a topic that had so many partitions at the group's first commit.
pub(in crate::kafka) fn commit_metadata(first_partition_count: i32) -> Arc<str> {
    format!("{METADATA_PREFIX}{first_partition_count}").into()
}

impl LookUps<'_> {
    pub(in crate::kafka) fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Committed>, StartError> {
        self.retry("the group's committed offsets", || {
            let list = self.consumer.committed_offsets(partition_list(partitions), LOOK_UP_TIMEOUT)?;
            check_elements(&list)?;
            Ok(list
                .elements()
                .iter()
                .map(|element| {
                    let source =
                        TopicPartition { topic: element.topic().into(), partition: element.partition() };
                    let offset = match element.offset() {
                        Offset::Offset(offset) => Some(offset),
                        _ => None,
                    };
                    (source, Committed { offset, first_partition_count: first_partition_count(element) })
                })
                .collect())
        })
    }

    /// How many partitions the topic had at the group's first commit, where its commits say so, and
    /// how many it has now.
    fn partition_counts(
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
    fn partition_count(&self, topic: &str) -> Result<i32, StartError> {
        self.retry("the topic's metadata", || {
            let metadata = self.consumer.fetch_metadata(Some(topic), LOOK_UP_TIMEOUT)?;
            partition_count(&metadata, topic).map_err(KafkaError::MetadataFetch)
        })
    }

    /// The offset of the first record that the log holds, and the one behind its last.
    pub(in crate::kafka) fn watermarks(&self, source: &TopicPartition) -> Result<(i64, i64), StartError> {
        self.retry(&format!("the watermarks of {source}"), || {
            self.consumer.fetch_watermarks(&source.topic, source.partition, LOOK_UP_TIMEOUT)
        })
    }

    /// The offsets at which the start policy begins, in the order of `partitions`.
    pub(in crate::kafka) fn by_policy(
        &self,
        partitions: &[TopicPartition],
        policy: StartPosition,
    ) -> Result<Vec<i64>, StartError> {
        match policy {
            StartPosition::Earliest => {
                partitions.iter().map(|source| Ok(self.watermarks(source)?.0)).collect()
            }
            StartPosition::Latest => partitions.iter().map(|source| Ok(self.watermarks(source)?.1)).collect(),
            StartPosition::Timestamp(_) if partitions.is_empty() => Ok(Vec::new()),
            StartPosition::Timestamp(timestamp_ms) => self.by_time(partitions, timestamp_ms),
            // Whoever looks up more than once has fixed the time before.
            StartPosition::Lookback(_) => self.by_policy(partitions, policy.fixed_at(SystemTime::now())),
        }
    }

    fn by_time(&self, partitions: &[TopicPartition], timestamp_ms: i64) -> Result<Vec<i64>, StartError> {
        let cluster = self.consumer.client().fetch_cluster_id(LOOK_UP_TIMEOUT);
        if cluster.is_some_and(|id| id.starts_with(MOCK_CLUSTER)) {
            return Err(StartError::NoTimes);
        }
        let found = self.retry("the offsets for the start time", || {
            let mut times = partition_list(partitions);
            times.set_all_offsets(Offset::Offset(timestamp_ms))?;
            let found = self.consumer.offsets_for_times(times, LOOK_UP_TIMEOUT)?;
            check_elements(&found)?;
            Ok(found.to_topic_map())
        })?;
        partitions
            .iter()
            .map(|source| match found.get(&(source.topic.to_string(), source.partition)) {
                Some(Offset::Offset(offset)) => Ok(*offset),
                // No record is that young: the end, as a number, so that it can be committed.
                _ => Ok(self.watermarks(source)?.1),
            })
            .collect()
    }

    pub(super) fn retry<T>(
        &self,
        what: &str,
        ask: impl Fn() -> Result<T, KafkaError>,
    ) -> Result<T, StartError> {
        let mut wait = Duration::from_millis(100);
        loop {
            let source = match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if (self.stopped)() {
                return Err(StartError::Stopped);
            }
            if is_refusal(&source) || Instant::now() >= self.deadline {
                return Err(StartError::LookUp { what: what.to_owned(), source });
            }
            tracing::warn!(%source, "cannot look up {what}, trying again");
            std::thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

/// What a commit's metadata says, if it is ours. Another program may have committed any bytes in this
/// group.
fn first_partition_count(element: &TopicPartitionListElem<'_>) -> Option<i32> {
    let metadata = readable(|| element.metadata().to_owned())?;
    // No topic has none: above zero partitions, every partition without an offset would count as added.
    metadata.strip_prefix(METADATA_PREFIX)?.parse().ok().filter(|count| *count > 0)
}

/// A look-up that fails says `Ok` as a whole and carries its errors per element, with an offset that
/// looks like "none".
fn check_elements(list: &TopicPartitionList) -> Result<(), KafkaError> {
    list.elements().iter().try_for_each(|element| element.error())
}

fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::UnsupportedFeature
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committed_offset_wins_over_everything() {
        assert_eq!(decide(7, Some(42), Some(4)), Beginning::Committed(42));
        assert_eq!(decide(7, Some(42), None), Beginning::Committed(42));
    }

    #[test]
    fn a_partition_that_was_added_begins_at_its_first_record() {
        assert_eq!(decide(4, None, Some(4)), Beginning::Added);
    }

    #[test]
    fn a_partition_without_an_offset_in_a_young_group_follows_the_policy() {
        assert_eq!(decide(3, None, Some(4)), Beginning::Policy);
    }

    #[test]
    fn commits_of_another_program_say_nothing_about_added_partitions() {
        assert_eq!(decide(9, None, None), Beginning::Policy);
    }
}
