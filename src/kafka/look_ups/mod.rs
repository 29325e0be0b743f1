//! What Kafka is asked about a group and its logs: what is committed, where a log begins and ends, who the
//! members are; and from that, where a partition begins (`look_up`). A question is asked again until it is
//! answered, refused, or its time is up: no answer is never taken for "none".

mod committed;
mod group;
mod partition_watch;
mod questions;
mod start;
#[cfg(test)]
mod tests;

pub(super) use committed::{before_another_log, commit_metadata, committed_offsets, in_this_log};
pub use group::{Member, Membership};
pub(super) use partition_watch::PartitionWatch;
pub(super) use questions::LookUps;
pub(super) use start::{Start, Terms, look_up};
