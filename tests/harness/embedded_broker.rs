//! The broker that comes with the program, as a broker to test on.

use datahub_relay::embedded::EmbeddedBroker;
use serde_json::Value;

use super::broker::Broker;

impl Broker for EmbeddedBroker {
    fn bootstrap(&self) -> &str {
        self.bootstrap()
    }

    fn create_topic(&self, topic: &str, partitions: i32) -> bool {
        self.create_topic(topic, partitions).is_ok()
    }

    /// The first join takes 3 s with the classic protocol here, and 5 ms with this one.
    fn consumer_properties(&self) -> Vec<(&'static str, Value)> {
        vec![("group.protocol", "consumer".into())]
    }
}
