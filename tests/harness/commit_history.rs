//! Every commit of a group, as it stands in Kafka's own log of them, `__consumer_offsets`.
//!
//! Asking for the committed offset shows the last commit of the moment; this shows those in between
//! too, so a commit by a member that was not entitled to it cannot hide between two questions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::broker::Broker;
use super::fates::Partition;

const TOPIC: &str = "__consumer_offsets";
const REQUEST: Duration = Duration::from_secs(30);
/// However many commits there are.
const READ_ALL: Duration = Duration::from_secs(300);

/// The commits from one moment on.
pub(crate) struct CommitHistory {
    consumer: BaseConsumer,
    begins: BTreeMap<i32, i64>,
}

impl CommitHistory {
    /// Of all groups, from now on. The broker has to be a real Kafka.
    pub(crate) fn from_now(broker: &dyn Broker) -> Self {
        let mut config = broker.client();
        config.set("group.id", "reads-the-commits-and-never-joins").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("log_level", "0");
        let mut history = Self { consumer: config.create().expect("a consumer"), begins: BTreeMap::new() };
        history.begins = history.ends();
        history
    }

    /// The offsets that `group` has committed since, partition by partition, in the order of the commits.
    pub(crate) fn of(&self, group: &str) -> BTreeMap<Partition, Vec<i64>> {
        let ends = self.ends();
        let mut list = TopicPartitionList::new();
        let mut open = 0;
        for (partition, end) in &ends {
            let begin = self.begins.get(partition).copied().unwrap_or(0);
            if begin < *end {
                open += 1;
                list.add_partition_offset(TOPIC, *partition, Offset::Offset(begin)).expect("an offset");
            }
        }
        self.consumer.assign(&list).expect("partitions can be assigned");
        let mut commits: BTreeMap<Partition, Vec<i64>> = BTreeMap::new();
        let until = Instant::now() + READ_ALL;
        while open > 0 {
            assert!(Instant::now() < until, "the commits could not be read within {READ_ALL:?}");
            match self.consumer.poll(Duration::from_millis(200)) {
                Some(Ok(record)) => {
                    if let Some((committer, partition)) = record.key().and_then(read_key)
                        && committer == group
                        && let Some(offset) = record.payload().and_then(read_value)
                    {
                        commits.entry(partition).or_default().push(offset);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(_)) | None => {}
            }
        }
        self.consumer.unassign().expect("partitions can be given up");
        commits
    }

    /// Where each partition of Kafka's log ends; nothing where no group has committed yet.
    fn ends(&self) -> BTreeMap<i32, i64> {
        let metadata = self.consumer.fetch_metadata(Some(TOPIC), REQUEST).expect("the broker answers");
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        partitions
            .filter_map(|partition| {
                let (_, end) = self.consumer.fetch_watermarks(TOPIC, partition.id(), REQUEST).ok()?;
                Some((partition.id(), end))
            })
            .collect()
    }
}

/// Group and partition of a commit's key; `None` for what else stands in this log.
fn read_key(bytes: &[u8]) -> Option<(String, Partition)> {
    let (version, rest) = bytes.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) > 1 {
        return None;
    }
    let (group, rest) = read_text(rest)?;
    let (topic, rest) = read_text(rest)?;
    let (partition, _) = rest.split_first_chunk::<4>()?;
    Some((group, (topic, i32::from_be_bytes(*partition))))
}

/// The offset of a commit's value: it stands first in every version.
fn read_value(bytes: &[u8]) -> Option<i64> {
    bytes.get(2..)?.first_chunk::<8>().map(|offset| i64::from_be_bytes(*offset))
}

fn read_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}
