//! What a group has committed for a partition, and what its commits carry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionListElem;

use super::questions::check_elements;
use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, partition_list, readable};

/// Begins the metadata of every commit of this program. Behind it stands how many partitions the topic had at
/// the group's first commit; see [`look_up`](super::look_up).
const METADATA_PREFIX: &str = "datahub-relay partitions=";

/// Ends the metadata of a commit of a position in a log that is gone.
const BEFORE_ANOTHER_LOG: &str = " before-another-log";

/// What a group has committed for one partition.
pub(in crate::kafka) struct Committed {
    /// The offset at which it goes on, if anything is committed.
    pub(in crate::kafka) offset: Option<i64>,
    /// How many partitions the topic had at the group's first commit, where the commit says so.
    pub(in crate::kafka) first_partition_count: Option<i32>,
    /// Whether the offset is one of a log that is gone: see [`before_another_log`].
    pub(in crate::kafka) before_another_log: bool,
}

/// Asks once what the client's group has committed for each of these partitions.
///
/// # Errors
/// Kafka's, for all of them or for one: a look-up that failed is not "none".
pub(in crate::kafka) fn committed_offsets(
    consumer: &RelayConsumer,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> KafkaResult<BTreeMap<TopicPartition, Committed>> {
    let list = consumer.committed_offsets(partition_list(partitions), timeout)?;
    check_elements(&list)?;
    let found = list.elements().into_iter().map(|element| {
        let source = TopicPartition { topic: element.topic().into(), partition: element.partition() };
        let committed = Committed::of(&element);
        (source, committed)
    });
    Ok(found.collect())
}

impl Committed {
    /// What one element of the group's answer says, which has no error.
    fn of(element: &TopicPartitionListElem<'_>) -> Self {
        let offset = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let metadata = readable(|| element.metadata().to_owned()).unwrap_or_default();
        let (metadata, before_another_log) = match metadata.strip_suffix(BEFORE_ANOTHER_LOG) {
            Some(metadata) => (metadata, true),
            None => (&*metadata, false),
        };
        Self { offset, first_partition_count: first_partition_count(metadata), before_another_log }
    }
}

/// What every commit carries of a topic that had so many partitions at the group's first commit.
pub(in crate::kafka) fn commit_metadata(first_partition_count: i32) -> Arc<str> {
    format!("{METADATA_PREFIX}{first_partition_count}").into()
}

/// The same for a commit of a position in a log that is gone, at which a partition waits (`on_gap: wait`) before the one
/// in its place: whatever that holds by the time that somebody asks, it is not to be read on in.
pub(in crate::kafka) fn before_another_log(metadata: &str) -> Arc<str> {
    format!("{}{BEFORE_ANOTHER_LOG}", in_this_log(metadata)).into()
}

/// The same for a commit of a position in the log that is there.
pub(in crate::kafka) fn in_this_log(metadata: &str) -> Arc<str> {
    metadata.strip_suffix(BEFORE_ANOTHER_LOG).unwrap_or(metadata).into()
}

/// What a commit's metadata says, if it is ours. Another program may have committed any bytes in this
/// group.
fn first_partition_count(metadata: &str) -> Option<i32> {
    // No topic has none: above zero partitions, every partition without an offset would count as added.
    metadata.strip_prefix(METADATA_PREFIX)?.parse().ok().filter(|count| *count > 0)
}

#[test]
fn a_commit_says_of_itself_that_it_is_one_of_a_log_that_is_gone() {
    let metadata = commit_metadata(3);
    let waits = before_another_log(&metadata);
    assert_eq!(&*waits, "datahub-relay partitions=3 before-another-log");
    assert_eq!((before_another_log(&waits), in_this_log(&waits)), (Arc::clone(&waits), metadata));
}
