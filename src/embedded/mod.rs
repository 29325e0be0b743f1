//! A broker and a schema registry inside this process, for the quickstart and for tests.
//!
//! The broker is librdkafka's mock cluster: it speaks Kafka's protocol on a loopback port, keeps
//! 5 MiB a partition in memory, and can be told to fail requests. It cannot look offsets up by time,
//! nor create topics by request, and it knows neither static membership nor transactions.

mod broker;
mod datahub;
mod feeder;
mod registry;
mod samples;

pub use broker::{BrokerError, EmbeddedBroker};
pub use datahub::{DatahubError, EmbeddedDatahub, TOPICS};
pub use feeder::{FeedError, FeedRecord, Feeder};
pub use registry::{Behaviour, EmbeddedRegistry, RegistryOptions, UnknownId};
pub use samples::Samples;
