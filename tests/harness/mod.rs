//! What the black-box suites are made with.

mod kafka_broker;
mod wait;

pub(crate) use kafka_broker::KafkaBroker;
pub(crate) use wait::{wait_for, wait_until};
