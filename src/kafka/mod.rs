//! Records from Kafka.
//!
//! One operating-system thread polls for as long as its pipeline lives, and another one commits.

mod config;
mod settings;

pub use config::{ConnectionConfig, KafkaSourceConfig, PropertyValue, TopicRoutes};
pub use settings::{ConsumerSettings, StartPosition};
