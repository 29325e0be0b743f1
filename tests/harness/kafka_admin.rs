//! What happens to topics while somebody reads them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::broker::Broker;
use super::kafka_broker::KafkaBroker;
use super::wait::wait_until;

const DONE: Duration = Duration::from_secs(30);
/// How much older than now a topic lets a record be.
const OLDEST: &str = "message.timestamp.before.max.ms";

impl KafkaBroker {
    /// Deletes the records of a partition below an offset, as retention does.
    pub(crate) fn delete_records_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a valid offset");
        let deleted = block_on(self.admin().delete_records(&list, &options())).expect("the broker answers");
        for element in deleted.elements() {
            element.error().expect("the records can be deleted");
        }
    }

    /// Adds partitions to a topic.
    pub(crate) fn grow_topic(&self, topic: &str, partitions: usize) {
        let wanted = NewPartitions::new(topic, partitions);
        let results = block_on(self.admin().create_partitions([&wanted], &options()));
        results.expect("the broker answers")[0].as_ref().expect("the topic can grow");
    }

    /// From now on a topic refuses records that are older; `None` takes them all again.
    pub(crate) fn refuse_older_than(&self, topic: &str, age: Option<Duration>) {
        let longest = age.map_or(i64::MAX as u128, |age| age.as_millis()).to_string();
        let topic = ResourceSpecifier::Topic(topic);
        let wanted = AlterConfig::new(topic).set(OLDEST, &longest);
        let results = block_on(self.admin().alter_configs([&wanted], &options()));
        results.expect("the broker answers")[0].as_ref().expect("the topic can be configured");
        // The broker learns of it later than the controller that answered.
        wait_until("the topic's limit to be in force", DONE, || {
            let described = block_on(self.admin().describe_configs([&topic], &options()));
            let configs = described.expect("the broker answers").remove(0).expect("the topic is there");
            configs.get(OLDEST).is_some_and(|entry| entry.value.as_ref() == Some(&longest))
        });
    }

    /// Deletes a topic and creates it anew.
    pub(crate) fn recreate_topic(&self, topic: &str, partitions: i32) {
        self.delete_topic(topic);
        assert!(self.create_topic(topic, partitions), "the topic was deleted");
    }

    /// Deletes a topic. Returns once the broker does not know it any more.
    pub(crate) fn delete_topic(&self, topic: &str) {
        let results = block_on(self.admin().delete_topics(&[topic], &options()));
        results.expect("the broker answers")[0].as_ref().expect("the topic can be deleted");
        let client: BaseConsumer = self.client().create().expect("a client that asks for metadata");
        wait_until("the deleted topic to be gone", DONE, || {
            let metadata = client.fetch_metadata(Some(topic), DONE).expect("the broker answers");
            metadata.topics().iter().all(|found| found.partitions().is_empty())
        });
    }

    /// Commits an offset in a group that has no members.
    pub(crate) fn commit(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a valid offset");
        wait_until("the commit to be taken", DONE, || consumer.commit(&list, CommitMode::Sync).is_ok());
    }

    /// The first segment of a partition's log on the broker's disk.
    pub(crate) fn segment(&self, topic: &str, partition: i32) -> PathBuf {
        self.data().join(format!("{topic}-{partition}")).join("00000000000000000000.log")
    }

    /// Flips the last byte of the n-th batch in a segment, which is a record's. The broker serves what the
    /// file holds, and checks it only when it recovers from a crash.
    pub(crate) fn damage_batch(&self, topic: &str, partition: i32, nth: usize) {
        let path = self.segment(topic, partition);
        let bytes = fs::read(&path).expect("the segment is there");
        let mut begin = 0;
        for _ in 0..nth {
            begin += batch_bytes(&bytes[begin..]);
        }
        let last = begin + batch_bytes(&bytes[begin..]) - 1;
        // In place: the broker has the file open and must not see it shorter.
        let file = fs::OpenOptions::new().write(true).open(&path).expect("the broker's data is ours");
        let at = u64::try_from(last).expect("a file's length");
        file.write_all_at(&[bytes[last] ^ 0x01], at).expect("the broker's data is ours");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("an admin client")
    }
}

/// A batch is its base offset (8 bytes), the length of what follows (4 bytes), and that.
fn batch_bytes(batch: &[u8]) -> usize {
    let length: [u8; 4] = batch[8..12].try_into().expect("four bytes");
    12 + usize::try_from(u32::from_be_bytes(length)).expect("a batch fits into memory")
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(DONE))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime for one call").block_on(future)
}
