//! What the Kafka side of a pipeline tells the rest of it.

use std::time::Duration;

use rdkafka::error::KafkaError;

use super::screen::ScreenCounts;
use super::topic_watch::UnreadableTopic;
use crate::event::{DropReason, TopicPartition};
use crate::kafka::gaps::Gap;

/// Told by the polling thread and the committer what happens. Implementations must not block: the
/// polling thread calls them between two polls.
pub trait Reports: Send + Sync + 'static {
    /// The polling thread is alive. Called several times a second, and before each question to Kafka that it
    /// waits for, ten seconds at most.
    fn polling(&self);

    /// The brokers answer and the group is being joined.
    fn connected(&self);

    /// Intake has stopped: what runs is finished, then the consumer ends.
    fn draining(&self);

    /// A drain has lasted for a while, or its time is over and it goes on without these events.
    fn drain_waits(&self, drain: DrainWaits<'_>);

    /// So many records of `topic` were received since the last call.
    fn received(&self, topic: &str, records: u64);

    /// So many records needed no lane since the last call.
    fn dropped(&self, reason: DropReason, records: u64);

    /// What the screen decided on change logs since the last call.
    fn screened(&self, counts: ScreenCounts);

    /// A partition has records to read and has not moved for a while although nothing holds it
    /// (`Some`), or all move again (`None`).
    fn stalled(&self, why: Option<String>);

    /// How much is with the lanes now.
    fn in_flight(&self, events: usize, bytes: usize);

    /// The group has changed; this process has so many partitions now.
    fn rebalanced(&self, kind: RebalanceKind, partitions: usize);

    /// A partition was given up: what was said of it holds no longer.
    fn forgotten(&self, source: &TopicPartition);

    /// So many partitions are paused now; `new` of them since the last call.
    fn paused(&self, partitions: usize, new: u64);

    /// Where a partition stands: what the group has committed, where the log begins, if that is known
    /// yet, and where it ends.
    fn position(&self, source: &TopicPartition, committed: Option<i64>, begin: Option<i64>, end: i64);

    /// A gap was found; `records` of it were not told before.
    fn gap(&self, gap: &Gap, records: u64);

    /// The gaps at which partitions wait until somebody says that they are known. Called several times a
    /// second while there is one, and once with none when the last is passed.
    fn waits_at(&self, gaps: &[&Gap]);

    /// The topics that cannot be read. Called when they are others than before.
    fn unreadable(&self, topics: &[UnreadableTopic]);

    /// A synchronous commit was confirmed after `took`.
    fn commit_confirmed(&self, took: Duration);

    /// An attempt at a commit failed after `took`.
    fn commit_failed(&self, took: Duration, error: &KafkaError);

    /// Commits have failed so often in a row that somebody should know (`Some`, again each time that it is so
    /// many more), or that is over (`None`): one was confirmed, or nothing is left to be committed.
    fn commits_fail(&self, failing: Option<CommitsFail<'_>>);

    /// `poll` returned an error that passes by itself, or the last such trouble is over (`None`).
    fn trouble(&self, trouble: Option<&KafkaError>);
}

/// What a drain waits for.
#[derive(Debug, Clone, Copy)]
pub struct DrainWaits<'a> {
    /// How many events are worked on, or have to be before it ends.
    pub events: usize,
    /// The partitions that they came from.
    pub partitions: &'a [TopicPartition],
    /// How long it may go on; `None` where its time is over.
    pub left: Option<Duration>,
}

/// Commits that fail again and again.
#[derive(Debug, Clone, Copy)]
pub struct CommitsFail<'a> {
    /// How many have failed in a row.
    pub in_a_row: u32,
    /// Why the last one has.
    pub error: &'a KafkaError,
}

/// What a rebalance did to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebalanceKind {
    /// Partitions were assigned.
    Assigned,
    /// Partitions were taken away in order.
    Revoked,
    /// Partitions were lost before this process knew.
    Lost,
}
