//! Records that a pipeline cannot read any more.

use std::fmt;

use crate::event::TopicPartition;

/// A stretch of a partition that was not read and cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The partition.
    pub source: TopicPartition,
    /// The offset that was to be read next.
    pub from: i64,
    /// The offset at which reading goes on.
    pub to: i64,
    /// What happened.
    pub cause: GapCause,
}

/// Why records cannot be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapCause {
    /// The log begins behind the position: retention, or somebody, has deleted what lay before.
    Deleted,
    /// The log ends before the position: the topic was recreated, or its log truncated. How many records
    /// of the earlier log were not read, nobody can tell.
    AnotherLog {
        /// Where it ends.
        end: i64,
    },
    /// The bytes on the broker's disk are damaged.
    Corrupt,
}

impl Gap {
    /// Compares the position `next` with a log that holds the offsets from `low` up to, not including,
    /// `high`. `None` if it lies within, or at the end.
    pub fn between(source: &TopicPartition, next: i64, (low, high): (i64, i64)) -> Option<Self> {
        let cause = match next {
            _ if next < low => GapCause::Deleted,
            // That is another log, and all that it holds is new.
            _ if next > high => GapCause::AnotherLog { end: high },
            _ => return None,
        };
        Some(Self { source: source.clone(), from: next, to: low, cause })
    }

    /// How many offsets are lost, as far as that can be known.
    pub fn records(&self) -> u64 {
        // Beyond the end of another log nothing can be counted.
        u64::try_from(self.to - self.from).unwrap_or(0)
    }
}

impl GapCause {
    /// The name that metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::AnotherLog { .. } => "another_log",
            Self::Corrupt => "corrupt",
        }
    }
}

/// `t[0]: offsets 10 to 39 (30 records) were deleted before they were read`.
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, from, to, cause } = self;
        let last = to - 1;
        match (cause, self.records()) {
            (GapCause::AnotherLog { end }, _) if from <= end => write!(
                f,
                "{source}: the topic was deleted and created again; its log, which holds offsets {to} to {end}, is another one than the one that was read up to {from}"
            ),
            (GapCause::AnotherLog { end }, _) => write!(
                f,
                "{source}: the position {from} lies beyond the log, which holds offsets {to} to {end}: the topic was recreated or truncated"
            ),
            (GapCause::Deleted, 1) => write!(f, "{source}: offset {from} was deleted before it was read"),
            (GapCause::Deleted, records) => {
                write!(
                    f,
                    "{source}: offsets {from} to {last} ({records} records) were deleted before they were read"
                )
            }
            (GapCause::Corrupt, 1) => {
                write!(f, "{source}: offset {from} cannot be read, its batch is corrupt")
            }
            (GapCause::Corrupt, records) => {
                write!(
                    f,
                    "{source}: offsets {from} to {last} ({records} records) cannot be read, their batch is corrupt"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(next: i64, log: (i64, i64)) -> Option<Gap> {
        Gap::between(&TopicPartition { topic: "t".into(), partition: 3 }, next, log)
    }

    #[test]
    fn a_position_within_the_log_or_at_its_end_has_no_gap() {
        for next in [10, 15, 20] {
            assert_eq!(gap(next, (10, 20)), None, "{next}");
        }
        assert_eq!(gap(0, (0, 0)), None);
    }

    #[test]
    fn a_gap_is_told_with_its_exact_range() {
        let deleted = gap(7, (10, 20)).unwrap();
        assert_eq!(deleted.records(), 3);
        assert_eq!(
            deleted.to_string(),
            "t[3]: offsets 7 to 9 (3 records) were deleted before they were read"
        );
        assert_eq!(gap(9, (10, 20)).unwrap().to_string(), "t[3]: offset 9 was deleted before it was read");
        let another = gap(40, (0, 10)).unwrap();
        assert_eq!((another.to, another.records()), (0, 0));
        assert!(another.to_string().contains("position 40 lies beyond the log"), "{another}");
    }
}
