//! What the black-box suites are made with.

mod action_log;
mod command;
pub(crate) mod bad_input;
mod bare_feeder;
mod broker;
mod commit_history;
mod embedded_broker;
mod feeder;
mod http;
mod kafka_admin;
mod kafka_broker;
mod ledger;
mod observer;
mod recipe;
mod relay;
mod scene;
mod tally;
mod wait;
mod writer;

pub(crate) use broker::Broker;
pub(crate) use command::{Said, command};
pub(crate) use commit_history::CommitHistory;
pub(crate) use feeder::{Feeder, Mix, WANTED_ASPECT};
pub(crate) use kafka_broker::KafkaBroker;
pub(crate) use ledger::{Fate, Fates, Invariant, Partition, Violation};
pub(crate) use observer::{CommittedOffsets, Deliveries, Observer, OrderedBy, View};
pub(crate) use recipe::Recipe;
pub(crate) use relay::{END, Ended, Relay, Surroundings};
pub(crate) use scene::Scene;
pub(crate) use tally::{Tally, assert_in_order};
pub(crate) use wait::{wait_for, wait_until};
pub(crate) use writer::Writer;
