//! Records from Kafka.
//!
//! One operating-system thread polls for as long as its pipeline lives, and another one commits.

mod config;
mod consumer_properties;
mod environment_properties;
mod resolve;
mod settings;

pub use config::{ConnectionConfig, KafkaSourceConfig, PropertyValue, StartPositionConfig, TopicRoutes};
pub use settings::{ConsumerSettings, StartPosition};
