//! What the Kafka side of a pipeline tells the rest of it.

use std::time::Duration;

use rdkafka::error::KafkaError;

use crate::event::{DropReason, TopicPartition};

/// Told by the polling thread and the committer what happens. Implementations must not block: the
/// polling thread calls them between two polls.
pub trait Reports: Send + Sync + 'static {
    /// The polling thread is alive. Called several times a second whatever Kafka does.
    fn polling(&self);

    /// So many records of `topic` were received since the last call.
    fn received(&self, topic: &str, records: u64);

    /// So many records needed no lane since the last call.
    fn dropped(&self, reason: DropReason, records: u64);

    /// How much is with the lanes now.
    fn in_flight(&self, events: usize, bytes: usize);

    /// This process has so many partitions now; `revoked` of them were just given up or `assigned`
    /// just taken.
    fn rebalanced(&self, partitions: usize, assigned: usize, revoked: usize);

    /// A partition was given up: what was said of it holds no longer.
    fn forgotten(&self, source: &TopicPartition);

    /// So many partitions are paused now; `new` of them since the last call.
    fn paused(&self, partitions: usize, new: u64);

    /// Where a partition stands: what the group has committed and where the log ends.
    fn position(&self, source: &TopicPartition, committed: Option<i64>, end: i64);

    /// The offsets from `from` up to, not including, `to` vanished before they were read.
    fn gap(&self, source: &TopicPartition, from: i64, to: i64);

    /// A synchronous commit was confirmed after `took`.
    fn commit_confirmed(&self, took: Duration);

    /// An attempt at a commit failed.
    fn commit_failed(&self, error: &KafkaError);

    /// `poll` returned an error that passes by itself, or the last such trouble is over (`None`).
    fn trouble(&self, trouble: Option<&KafkaError>);
}
