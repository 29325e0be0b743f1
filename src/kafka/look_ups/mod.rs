//! What Kafka is asked about a group and its logs: what is committed, where a log begins and ends, who the
//! members are; and from that, where a partition begins (`look_up`). A question is asked again until it is
//! answered, refused, or its time is up: no answer is never taken for "none".

mod group;
mod start;
#[cfg(test)]
mod tests;

pub use group::{Member, Membership};
pub(super) use start::{LookUps, Start, Terms, commit_metadata, look_up};
