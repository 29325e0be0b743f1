//! Every commit of a group, as it stands in Kafka's own log of them, `__consumer_offsets`.
//!
//! Asking for the committed offset shows the last commit of the moment; this shows those in between
//! too, so a commit by a member that was not entitled to it cannot hide between two questions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::broker::Broker;
use super::fates::Partition;

const TOPIC: &str = "__consumer_offsets";
const REQUEST: Duration = Duration::from_secs(30);
/// However many commits there are.
const READ_ALL: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(200);

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
        let mut unread = BTreeSet::new();
        for (partition, end) in &ends {
            let begin = self.begins.get(partition).copied().unwrap_or(0);
            if begin < *end {
                unread.insert(*partition);
                list.add_partition_offset(TOPIC, *partition, Offset::Offset(begin)).expect("an offset");
            }
        }
        self.consumer.assign(&list).expect("partitions can be assigned");
        let commits = read_to_the_ends(group, unread, || self.consumer.poll(POLL));
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

/// The commits of `group` among what `poll` brings, until each partition of Kafka's log has been read to its end.
fn read_to_the_ends<M: Message>(
    group: &str,
    mut unread: BTreeSet<i32>,
    mut poll: impl FnMut() -> Option<KafkaResult<M>>,
) -> BTreeMap<Partition, Vec<i64>> {
    let mut commits: BTreeMap<Partition, Vec<i64>> = BTreeMap::new();
    let until = Instant::now() + READ_ALL;
    while !unread.is_empty() {
        assert!(Instant::now() < until, "the commits could not be read within {READ_ALL:?}");
        match poll() {
            Some(Ok(record)) => {
                if let Some((committer, partition)) = record.key().and_then(read_key)
                    && committer == group
                    && let Some(offset) = record.payload().and_then(read_value)
                {
                    commits.entry(partition).or_default().push(offset);
                }
            }
            // The end of one partition is told again each time that it has moved.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            Some(Err(_)) | None => {}
        }
    }
    commits
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

#[test]
fn commits_are_read_until_each_partition_has_ended_however_often_another_one_does() {
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    let text = |text: &str| [&(text.len() as i16).to_be_bytes(), text.as_bytes()].concat();
    let commit = |partition: i32, offset: i64| {
        let key = [&1_i16.to_be_bytes(), &*text("g"), &*text("t"), &0_i32.to_be_bytes()].concat();
        let value = [&3_i16.to_be_bytes()[..], &offset.to_be_bytes()].concat();
        let log = TOPIC.to_owned();
        OwnedMessage::new(Some(value), Some(key), log, Timestamp::NotAvailable, partition, 0, None)
    };
    let end = |partition| Err(KafkaError::PartitionEOF(partition));
    let mut told = [Ok(commit(0, 4)), end(0), Ok(commit(0, 5)), end(0), Ok(commit(1, 6)), end(1)].into_iter();
    let commits = read_to_the_ends("g", BTreeSet::from([0, 1]), || told.next());
    assert_eq!(commits, BTreeMap::from([(("t".to_owned(), 0), vec![4, 5, 6])]));
}
