//! Moving a group's committed offsets while nobody is in the group.

use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::onlooker::{Onlooker, Standing};
use crate::kafka::client::{Cause, StartError, cause_of};

/// How long a commit is tried while the coordinator is away.
const PATIENCE: Duration = Duration::from_secs(20);

/// A partition whose committed offset is to be another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Where the group stands now.
    pub standing: Standing,
    /// The offset to commit.
    pub to: i64,
}

/// What a [`Move`] means for the records between the two offsets. Where a topic is compacted there may
/// be fewer of them than offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// So many come again.
    Again(i64),
    /// So many are never read.
    Skipped(i64),
    /// Nothing was committed, so there is nothing to compare with.
    First,
}

/// Why offsets were not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Kafka takes no commit from outside while a group has members.
    #[error(
        "the group {group} has members, and Kafka takes no new offsets as long as it has any; stop every process that runs this pipeline (one that was killed counts until its session is over, 45 s unless session.timeout.ms says otherwise)"
    )]
    HasMembers {
        /// The group.
        group: String,
    },
    /// Kafka gave another reason.
    #[error("Kafka did not take the new offsets of the group {group}: {source}")]
    Refused {
        /// The group.
        group: String,
        /// Kafka's answer.
        source: KafkaError,
    },
    /// What was committed could not be read back.
    #[error(transparent)]
    LookUp(#[from] StartError),
    /// Somebody else committed at the same time.
    #[error(
        "{partition} stands at {found} and not at {wanted}: another process committed meanwhile; look with `offsets show`"
    )]
    NotKept {
        /// The partition.
        partition: String,
        /// What Kafka says now.
        found: String,
        /// What was committed.
        wanted: i64,
    },
}

impl Move {
    /// What it means for the records of the log.
    pub fn effect(&self) -> Effect {
        let Standing { committed, start, end, .. } = self.standing;
        let Some(from) = committed else { return Effect::First };
        // Only what the log holds can come again or be skipped.
        let (from, to) = (from.clamp(start, end), self.to.clamp(start, end));
        match to - from {
            0 => Effect::None,
            skipped @ 1.. => Effect::Skipped(skipped),
            again => Effect::Again(-again),
        }
    }
}

impl Onlooker {
    /// Commits all of `moves` in one request, which Kafka takes whole or not at all, and reads them back.
    ///
    /// # Errors
    /// [`ResetError`]; unless it is [`ResetError::NotKept`], nothing was changed or Kafka's last answer
    /// did not say.
    pub fn reset(&self, moves: &[Move]) -> Result<(), ResetError> {
        if moves.is_empty() {
            return Ok(());
        }
        let group = || self.group.clone();
        let refused = |source| ResetError::Refused { group: group(), source };
        let mut list = TopicPartitionList::with_capacity(moves.len());
        for Move { standing, to } in moves {
            let mut element = list.add_partition(&standing.source.topic, standing.source.partition);
            element.set_offset(Offset::Offset(*to)).map_err(refused)?;
            element.set_metadata(&standing.metadata);
        }
        let deadline = Instant::now() + PATIENCE;
        // A commit without a member's id: the coordinator takes it only while the group is empty, so a
        // member that joins between the look and the commit is not overrun.
        while let Err(source) = self.consumer.commit(&list, CommitMode::Sync) {
            match cause_of(&source) {
                Cause::Membership => return Err(ResetError::HasMembers { group: group() }),
                Cause::Coordinator if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                _ => return Err(refused(source)),
            }
        }
        self.read_back(moves)
    }

    /// One commit of many partitions reports one error, and for some none at all: what counts is what
    /// the coordinator says afterwards.
    fn read_back(&self, moves: &[Move]) -> Result<(), ResetError> {
        let sources: Vec<_> = moves.iter().map(|one| one.standing.source.clone()).collect();
        let committed = self.look_ups().committed(&sources)?;
        for Move { standing, to } in moves {
            let found = committed.get(&standing.source).and_then(|found| found.offset);
            if found != Some(*to) {
                return Err(ResetError::NotKept {
                    partition: standing.source.to_string(),
                    found: found.map_or("nothing".to_owned(), |offset| offset.to_string()),
                    wanted: *to,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Route, TopicPartition};

    fn effect(committed: Option<i64>, to: i64) -> Effect {
        let source = TopicPartition { topic: "t".into(), partition: 0 };
        let standing = Standing {
            source,
            route: Route::ChangeLog,
            committed,
            before_another_log: false,
            start: 10,
            end: 100,
            metadata: "".into(),
        };
        Move { standing, to }.effect()
    }

    #[test]
    fn only_records_that_the_log_holds_come_again_or_are_skipped() {
        assert_eq!(effect(Some(40), 40), Effect::None);
        assert_eq!(effect(Some(40), 30), Effect::Again(10));
        assert_eq!(effect(Some(40), 100), Effect::Skipped(60));
        assert_eq!(effect(Some(4), 10), Effect::None);
        assert_eq!(effect(Some(400), 10), Effect::Again(90));
        assert_eq!(effect(None, 10), Effect::First);
    }
}
