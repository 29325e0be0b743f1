//! What a recipe and the environment say about Kafka, and what becomes of it.
//!
//! [`KafkaSourceConfig`] is the recipe's text. `KafkaSourceConfig::resolve` checks it, fills in every default
//! and gives [`ConsumerSettings`]; `consumer_config` and `producer_config` turn these into librdkafka's own
//! properties. Nothing here touches the network.

mod aliases;
mod client_config;
mod config;
mod consumer_properties;
mod environment_properties;
mod jaas;
mod property_names;
mod resolve;
mod settings;
mod start_policy;
mod topic_selection;
mod topics;

pub(super) use client_config::{consumer_config, producer_config};
pub use config::{
    ConnectionConfig, KafkaSourceConfig, PlatformEvents, PropertyValue, SourceKind, StartPositionConfig,
    TopicNames, TopicRoutes,
};
pub use consumer_properties::is_secret_property;
pub use settings::{ConsumerSettings, StartPosition};
