//! Whether a group may be joined, found out without joining it.

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::onlooker::Onlooker;
use crate::kafka::client::{Cause, cause_of};

/// No topic has so many partitions.
const NO_PARTITION: i32 = i32::MAX;

impl Onlooker {
    /// Whether this client may join the group and commit, which takes the same permission: READ on the group.
    ///
    /// Kafka says so only of a member or of a commit. So it is asked to take a commit for a partition that
    /// does not exist: it looks at the permission first, and then commits nothing in any case.
    ///
    /// # Errors
    /// Kafka's refusal; or no answer, if there is none.
    pub fn may_join(&self) -> Result<(), KafkaError> {
        let Some(topic) = self.topics().first() else { return Ok(()) };
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&topic.name, NO_PARTITION, Offset::Offset(0))?;
        let refusal = KafkaError::Global(RDKafkaErrorCode::GroupAuthorizationFailed);
        if self.group_is_refused() {
            return Err(refusal);
        }
        match self.consumer.commit(&list, CommitMode::Sync) {
            // Without the coordinator's name a commit waits for it, and says no more than that.
            Err(_) if self.group_is_refused() => Err(refusal),
            Err(error) if !passed_the_group(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether the answer is about the partition: the group was looked at before it.
fn passed_the_group(error: &KafkaError) -> bool {
    // A group that has members takes commits from them alone, and says so before it looks at the partition.
    matches!(cause_of(error), Cause::Missing | Cause::TopicRefused | Cause::Membership)
}
