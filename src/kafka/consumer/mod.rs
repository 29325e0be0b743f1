//! A pipeline's consumer: a member of its group.
//!
//! One operating-system thread polls for as long as the pipeline lives ([`consume`], in `poll_loop.rs`, which
//! the other modules give their steps to), and another one commits (`committer.rs`, `commit_loop.rs`). What the
//! two and the lanes share is one [`PartitionEpoch`](crate::delivery::PartitionEpoch) per assigned partition. The
//! modules stand in the order in which a run meets them.

mod poll_loop;
mod connect;
mod rebalance;
mod drain;
mod slots;
mod screen;
mod intake;
mod committer;
mod commit_loop;
mod commit_error;
mod refusals;
mod doubts;
mod positions;
mod idle;
mod topic_watch;
mod topic_look;
mod log_ends;
mod watchdog;
mod reports;
mod shutdown;
#[cfg(test)]
mod tests;

pub use committer::CommitBell;
pub use poll_loop::{ConsumerParts, consume};
pub use reports::{CommitsFail, DrainWaits, RebalanceKind, Reports};
pub use screen::{Screen, ScreenCounts, Screening};
pub use topic_watch::{Unreadable, UnreadableTopic};
