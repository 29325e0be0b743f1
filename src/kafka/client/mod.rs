//! Clients of Kafka: how one is made, what its callbacks do, and why it fails.
//!
//! `RelayConsumer` is librdkafka's consumer with our callbacks; `client_beside` makes one that joins no group.
//! [`Producer`] sends records that must not be lost. What a client is asked about is in
//! [`look_ups`](super::look_ups).

mod beside;
mod cause;
mod complaints;
mod context;
mod error;
mod outage;
mod producer;
mod received;
mod topic;
mod unreadable;

pub(super) use beside::{client_beside, onlooker_config};
pub(super) use cause::{Cause, cause_of};
pub(super) use context::{
    RebalanceRequest, RelayConsumer, RelayContext, answer_assignment, answer_revocation, partition_list,
};
pub use error::{ConsumerError, StartError};
pub use producer::{OutgoingRecord, Producer, is_about_the_record, is_too_large};
pub(super) use received::owned_record;
pub(super) use topic::partition_count;
pub(super) use unreadable::readable;
