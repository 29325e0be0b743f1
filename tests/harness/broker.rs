//! What a suite needs of a Kafka.

use std::path::PathBuf;

use rdkafka::ClientConfig;
use serde_json::Value;

/// A Kafka to test on.
pub(crate) trait Broker: Sync {
    /// The address for `bootstrap.servers`.
    fn bootstrap(&self) -> &str;

    /// Creates a topic of one replica; false if the broker had it already.
    fn create_topic(&self, topic: &str, partitions: i32) -> bool;

    /// What a recipe sets in `consumer_config` to get on with this broker quickly.
    fn consumer_properties(&self) -> Vec<(&'static str, Value)>;

    /// A client configuration that knows this broker.
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// Keeps the broker's log for whoever looks into a failed test; `None` if there is none.
    fn keep_log(&self) -> Option<PathBuf> {
        None
    }
}
