//! What Kafka itself says about a group.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::event::{Position, TopicPartition};

const REQUEST: Duration = Duration::from_secs(5);

/// Asks for a group's committed offsets, with a client that never joins the group.
#[derive(Clone)]
pub(super) struct GroupOffsets {
    consumer: Arc<BaseConsumer>,
    partitions: Arc<[TopicPartition]>,
}

/// Where the group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The partition.
    pub(super) source: TopicPartition,
    /// The committed offset: the next one to be read. 0 where nothing is committed.
    pub(super) committed: i64,
    /// The offset behind the last record.
    pub(super) end: i64,
}

impl GroupOffsets {
    /// Of `group`, in `partitions` partitions of each topic.
    pub(super) fn of(
        group: &str,
        bootstrap: &str,
        topics: &[&str],
        partitions: i32,
    ) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", group);
        let of_topic = |topic: &&str| {
            let topic: Arc<str> = (*topic).into();
            (0..partitions).map(move |partition| TopicPartition { topic: Arc::clone(&topic), partition })
        };
        Ok(Self {
            consumer: Arc::new(config.create()?),
            partitions: topics.iter().flat_map(of_topic).collect(),
        })
    }

    /// Where the group stands now, in each partition.
    pub(super) async fn ask(&self) -> Result<Vec<Standing>, KafkaError> {
        let asking = self.clone();
        // librdkafka blocks until the broker has answered.
        match tokio::task::spawn_blocking(move || asking.ask_blocking()).await {
            Ok(standings) => standings,
            Err(_) => Err(KafkaError::Canceled),
        }
    }

    fn ask_blocking(&self) -> Result<Vec<Standing>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for source in self.partitions.iter() {
            list.add_partition(&source.topic, source.partition);
        }
        let committed = self.consumer.committed_offsets(list, REQUEST)?;
        let standing = |source: &TopicPartition| {
            let found = committed.find_partition(&source.topic, source.partition);
            let found =
                found.ok_or(KafkaError::OffsetFetch(rdkafka::types::RDKafkaErrorCode::UnknownPartition))?;
            // The call succeeds although the answer for one partition is an error.
            found.error()?;
            let committed = match found.offset() {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            let (_, end) = self.consumer.fetch_watermarks(&source.topic, source.partition, REQUEST)?;
            Ok(Standing { source: source.clone(), committed, end })
        };
        self.partitions.iter().map(standing).collect()
    }
}

impl Standing {
    /// How many records the group has not committed.
    pub(super) fn uncommitted(&self) -> i64 {
        self.end - self.committed
    }

    /// Whether the group has committed the record at `position`.
    pub(super) fn is_past(&self, position: &Position) -> bool {
        self.source == position.source && self.committed > position.offset
    }
}
