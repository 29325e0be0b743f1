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

/// What a group has committed for one partition.
pub(in crate::kafka) struct Committed {
    /// The offset at which it goes on, if anything is committed.
    pub(in crate::kafka) offset: Option<i64>,
    /// How many partitions the topic had at the group's first commit, where the commit says so.
    pub(in crate::kafka) first_partition_count: Option<i32>,
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
        Self { offset, first_partition_count: first_partition_count(element) }
    }
}

/// What every commit carries of a topic that had so many partitions at the group's first commit.
pub(in crate::kafka) fn commit_metadata(first_partition_count: i32) -> Arc<str> {
    format!("{METADATA_PREFIX}{first_partition_count}").into()
}

/// What a commit's metadata says, if it is ours. Another program may have committed any bytes in this
/// group.
fn first_partition_count(element: &TopicPartitionListElem<'_>) -> Option<i32> {
    let metadata = readable(|| element.metadata().to_owned())?;
    // No topic has none: above zero partitions, every partition without an offset would count as added.
    metadata.strip_prefix(METADATA_PREFIX)?.parse().ok().filter(|count| *count > 0)
}
