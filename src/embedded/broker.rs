//! The embedded broker.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};

/// There is one broker, so every partition has one copy.
const REPLICATION: i32 = 1;

/// Why the embedded broker does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// It did not start.
    #[error("the embedded broker does not start: {0}; check that this user may listen on 127.0.0.1")]
    Start(#[source] KafkaError),
    /// A topic was not created.
    #[error("the embedded broker cannot create the topic {topic}: {source}")]
    CreateTopic {
        /// The topic.
        topic: String,
        /// What librdkafka said.
        source: KafkaError,
    },
}

/// A Kafka broker in this process, on a free loopback port. It ends when it is dropped, and what it
/// held is gone then.
pub struct EmbeddedBroker {
    /// The client that librdkafka ties the mock cluster to. Owning the client, and borrowing the
    /// cluster from it where it is needed, is what lets the broker be shared between threads: the
    /// cluster's own handle cannot be.
    owner: BaseProducer,
    bootstrap: String,
}

impl EmbeddedBroker {
    /// Starts a broker with the topics given, each with its number of partitions.
    ///
    /// # Errors
    /// If it cannot listen, or a topic cannot be created.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, BrokerError> {
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "1");
        let owner: BaseProducer = config.create().map_err(BrokerError::Start)?;
        let not_made = KafkaError::ClientCreation("librdkafka made no mock cluster".to_owned());
        let bootstrap =
            owner.client().mock_cluster().ok_or(BrokerError::Start(not_made))?.bootstrap_servers();
        let broker = Self { owner, bootstrap };
        for (topic, partitions) in topics {
            broker.create_topic(topic, *partitions)?;
        }
        Ok(broker)
    }

    /// The broker's `host:port`, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Creates a topic. A client that asks for an unknown one creates it too, with four partitions.
    ///
    /// # Errors
    /// If the topic exists, or its name is not valid.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), BrokerError> {
        self.cluster()
            .create_topic(topic, partitions, REPLICATION)
            .map_err(|source| BrokerError::CreateTopic { topic: topic.to_owned(), source })
    }

    /// What librdkafka can make the broker do: fail chosen requests with chosen errors, go down and
    /// come back, answer slowly, move leaders and coordinators.
    pub fn cluster(&self) -> MockCluster<'_, DefaultProducerContext> {
        self.owner
            .client()
            .mock_cluster()
            .expect("the client had a mock cluster when it was made, and keeps it")
    }
}

impl std::fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedBroker").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_the_partitions_it_was_created_with() {
        let broker = EmbeddedBroker::start(&[("three", 3), ("one", 1)]).unwrap();
        let client: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
        let metadata = client.client().fetch_metadata(None, std::time::Duration::from_secs(10)).unwrap();
        let mut partitions: Vec<_> =
            metadata.topics().iter().map(|topic| (topic.name(), topic.partitions().len())).collect();
        partitions.sort_unstable();
        assert_eq!(partitions, [("one", 1), ("three", 3)]);
    }

    #[test]
    fn a_topic_created_twice_is_an_error_that_names_it() {
        let broker = EmbeddedBroker::start(&[("one", 1)]).unwrap();
        assert!(broker.create_topic("one", 1).unwrap_err().to_string().contains("topic one"));
    }

    #[test]
    fn it_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<EmbeddedBroker>();
    }
}
