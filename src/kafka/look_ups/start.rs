//! Where an assigned partition begins: at what the group committed, or where the start policy says.
//!
//! Every position is resolved to a number before it is used, so that it can be committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::committed::{Committed, commit_metadata};
use super::questions::LookUps;
use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, StartError};
use crate::kafka::source::StartPosition;

/// On which terms beginnings are looked up.
#[derive(Debug, Clone, Copy)]
pub(in crate::kafka) struct Terms<'a> {
    /// The consumer group.
    pub(in crate::kafka) group: &'a str,
    /// Where a partition begins for which it has committed nothing.
    pub(in crate::kafka) policy: StartPosition,
    /// Whether to look away from what it has committed.
    pub(in crate::kafka) reset: bool,
    /// Partitions of the same topics, assigned now or not, of which it had committed so much at some time. Kafka
    /// forgets that only with the topic.
    pub(in crate::kafka) had_commit: &'a [(TopicPartition, i64)],
    /// How long a look-up may be tried: below `max.poll.interval.ms`.
    pub(in crate::kafka) at_most: Duration,
}

/// Where one partition begins.
#[derive(Debug, Clone)]
pub(in crate::kafka) struct Start {
    /// The partition.
    pub(in crate::kafka) source: TopicPartition,
    /// The offset of the first record to read.
    pub(in crate::kafka) offset: i64,
    /// What the group has committed, if anything.
    pub(in crate::kafka) committed: Option<i64>,
    /// What every commit of this partition carries.
    pub(in crate::kafka) metadata: Arc<str>,
    /// Where `offset` is one of a log that is gone: the limits of the one in its place.
    pub(in crate::kafka) another_log: Option<(i64, i64)>,
}

/// What decides where a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// At what the group has committed.
    Committed(i64),
    /// At the first record, since the partition was added while the group was reading the topic.
    Added,
    /// At the first record, since the topic was deleted and created again: all that it holds is new.
    CreatedAgain,
    /// Where the start policy says.
    Policy,
}

/// Decides where a partition begins.
///
/// A partition that was added to a topic that the group already reads begins at its first record;
/// one that merely has no offset yet in a young group does not. They are told apart by the number of
/// partitions that the topic had at the group's first commit, which every commit carries unchanged.
/// Where the group's commits carry none (they were another program's) the start policy applies.
fn decide(
    partition: i32,
    committed: Option<i64>,
    first_partition_count: Option<i32>,
    created_again: bool,
) -> Beginning {
    match (committed, first_partition_count) {
        (Some(offset), _) => Beginning::Committed(offset),
        (None, _) if created_again => Beginning::CreatedAgain,
        (None, Some(count)) if partition >= count => Beginning::Added,
        (None, _) => Beginning::Policy,
    }
}

/// The topics that were deleted and created again: Kafka has forgotten what was committed of one of their
/// partitions, or knows of less, where another member has begun the new one already.
fn created_again<'a>(
    had_commit: &'a [(TopicPartition, i64)],
    committed: &BTreeMap<TopicPartition, Committed>,
) -> BTreeSet<&'a str> {
    let is_forgotten = |(source, before): &&(TopicPartition, i64)| {
        committed.get(source).is_some_and(|found| found.offset.is_none_or(|now| now < *before))
    };
    had_commit.iter().filter(is_forgotten).map(|(source, _)| &*source.topic).collect()
}

/// Looks up where each of `partitions` begins. Runs on the polling thread, between two polls; `stopped` is asked
/// before each question, and ends it.
///
/// # Errors
/// [`StartError::LookUp`] if Kafka refuses, or gives no usable answer for as long as the terms say: a
/// failed look-up is never read as "no offset", which would skip or repeat a whole topic. The others say
/// which term cannot be met.
pub(in crate::kafka) fn look_up(
    consumer: &RelayConsumer,
    partitions: &[TopicPartition],
    terms: Terms<'_>,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Start>, StartError> {
    let look_ups = LookUps { consumer, stopped, deadline: Instant::now() + terms.at_most };
    let committed = if terms.reset {
        look_ups.require_sole_member(terms.group)?;
        BTreeMap::new()
    } else {
        let held = terms.had_commit.iter().map(|(source, _)| source);
        let asked: BTreeSet<&TopicPartition> = partitions.iter().chain(held).collect();
        look_ups.committed(&asked.into_iter().cloned().collect::<Vec<_>>())?
    };
    let mut counts: HashMap<Arc<str>, (Option<i32>, i32)> = HashMap::new();
    for source in partitions {
        if !counts.contains_key(&source.topic) {
            let topic = Arc::clone(&source.topic);
            let found = if terms.reset {
                // As for a group that has committed nothing: no partition counts as added.
                (None, look_ups.partition_count(&topic)?)
            } else {
                look_ups.partition_counts(&topic, &committed)?
            };
            counts.insert(topic, found);
        }
    }
    // A reset has asked for nothing that is committed, so that nothing counts as forgotten.
    let created_again = created_again(terms.had_commit, &committed);
    let (mut whole, mut open, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    let mut starts = Vec::with_capacity(partitions.len());
    for source in partitions {
        let (first_count, count_now) = counts.get(&source.topic).copied().unwrap_or((None, 0));
        let mut start = Start {
            source: source.clone(),
            offset: 0,
            committed: committed.get(source).and_then(|found| found.offset),
            metadata: commit_metadata(first_count.unwrap_or(count_now)),
            another_log: None,
        };
        let is_new = created_again.contains(&*source.topic);
        match decide(source.partition, start.committed, first_count, is_new) {
            Beginning::Committed(offset) => {
                start.offset = offset;
                if committed.get(source).is_some_and(|found| found.before_another_log) {
                    waiting.push(starts.len());
                }
            }
            Beginning::Added => whole.push(starts.len()),
            Beginning::CreatedAgain => {
                tracing::warn!(
                    partition = %source,
                    "Kafka has forgotten what was committed of this topic, as it does when a topic is deleted, or some of it: what the partition holds now is read from its first record"
                );
                whole.push(starts.len());
            }
            Beginning::Policy => open.push(starts.len()),
        }
        starts.push(start);
    }
    for (which, policy) in [(whole, StartPosition::Earliest), (open, terms.policy)] {
        let sources: Vec<TopicPartition> = which.iter().map(|index| starts[*index].source.clone()).collect();
        for (index, offset) in which.into_iter().zip(look_ups.by_policy(&sources, policy)?) {
            starts[index].offset = offset;
        }
    }
    let sources: Vec<TopicPartition> = waiting.iter().map(|index| starts[*index].source.clone()).collect();
    for (index, limits) in waiting.into_iter().zip(look_ups.watermarks(&sources)?) {
        starts[index].another_log = Some(limits);
    }
    Ok(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committed_offset_wins_over_everything() {
        assert_eq!(decide(7, Some(42), Some(4), true), Beginning::Committed(42));
        assert_eq!(decide(7, Some(42), None, false), Beginning::Committed(42));
    }

    #[test]
    fn a_partition_that_was_added_begins_at_its_first_record() {
        assert_eq!(decide(4, None, Some(4), false), Beginning::Added);
    }

    #[test]
    fn a_partition_without_an_offset_in_a_young_group_follows_the_policy() {
        assert_eq!(decide(3, None, Some(4), false), Beginning::Policy);
    }

    #[test]
    fn a_topic_that_was_created_again_begins_at_its_first_record_whoever_has_committed_since() {
        assert_eq!(decide(0, None, None, true), Beginning::CreatedAgain);
        assert_eq!(decide(3, None, Some(4), true), Beginning::CreatedAgain);
    }

    #[test]
    fn commits_of_another_program_say_nothing_about_added_partitions() {
        assert_eq!(decide(9, None, None, false), Beginning::Policy);
    }
}
