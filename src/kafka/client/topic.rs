//! What the brokers say of a topic.

use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode;

/// How many partitions a topic has: at least one.
///
/// # Errors
/// The topic's own error, which an answer that is none as a whole may carry: the topic is being created,
/// or its leaders move, or it is not there. Without one that counts as "no partitions".
pub(in crate::kafka) fn partition_count(metadata: &Metadata, topic: &str) -> Result<i32, RDKafkaErrorCode> {
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.map(|found| (found.error(), found.partitions().len())) {
        Some((Some(error), _)) => Err(error.into()),
        // Kafka has no such topic: it is about to be created.
        Some((None, 0)) => Err(RDKafkaErrorCode::LeaderNotAvailable),
        Some((None, count)) => Ok(i32::try_from(count).unwrap_or(i32::MAX)),
        None => Err(RDKafkaErrorCode::UnknownTopicOrPartition),
    }
}
