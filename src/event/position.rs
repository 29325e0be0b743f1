//! Where a record stands in Kafka.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name, shared by every record of the topic.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// The place of one record: a partition of a topic, and the record's offset in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The partition.
    pub source: TopicPartition,
    /// The record's own offset. What a consumer group commits to mean "this one is done" is
    /// [`offset_after`] it.
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.source, self.offset)
    }
}

/// The offset at which reading goes on once the record at `offset` is finished.
///
/// Kafka commits the *next* offset to read. This is the one place in the program that adds 1 to an
/// offset, so that "last finished" and "next to read" cannot be mixed up elsewhere.
pub const fn offset_after(offset: i64) -> i64 {
    offset + 1
}
