//! What a pipeline needs in order to be ready.

use serde::{Serialize, Serializer};

/// What a pipeline needs in order to be ready. Each begins as missing, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Brokers can be reached.
    Brokers,
    /// Partitions are assigned, or it is known that there is none for this member.
    Assignment,
    /// The schema registry answers.
    Registry,
    /// Dead letters can be stored.
    DeadLetters,
    /// All records are there that are to be read next. Holds until a partition waits at a gap.
    Records,
    /// All topics can be read that were there. Holds until one was deleted or may not be read.
    Topics,
    /// What is finished can be committed. Holds until commits fail again and again.
    Commits,
}

impl Condition {
    pub(super) const NOT_YET: [(Self, &str); 4] = [
        (Self::Brokers, "not connected yet"),
        (Self::Assignment, "no partitions assigned yet"),
        (Self::Registry, "not asked yet"),
        (Self::DeadLetters, "not probed yet"),
    ];

    /// The name that `/readyz` and the status page use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Brokers => "brokers",
            Self::Assignment => "assignment",
            Self::Registry => "registry",
            Self::DeadLetters => "dead_letters",
            Self::Records => "records",
            Self::Topics => "topics",
            Self::Commits => "commits",
        }
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
