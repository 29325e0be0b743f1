//! The first contact: are the brokers there, and do they have the topics?

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::context::RelayConsumer;
use super::error::ConsumerError;
use super::settings::ConsumerSettings;

/// How long a pipeline tries to reach Kafka before it gives up. Once it runs, outages are waited out.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time-out of one attempt: short, so that a stop is noticed.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Asks for the metadata of every topic until the brokers answer. A topic that does not exist is
/// warned about and waited for: it is consumed once somebody creates it.
pub(super) fn connect(
    consumer: &RelayConsumer,
    settings: &ConsumerSettings,
    stopped: &dyn Fn() -> bool,
) -> Result<(), ConsumerError> {
    let began = Instant::now();
    for (topic, _) in &settings.topics {
        let metadata = loop {
            // Nothing is subscribed to yet: what comes is a request for a token, without which no broker
            // answers.
            drop(consumer.poll(Duration::ZERO));
            let source = match consumer.fetch_metadata(Some(topic), ATTEMPT) {
                Ok(metadata) => break metadata,
                Err(source) => source,
            };
            if stopped() {
                return Err(ConsumerError::Stopped);
            }
            if began.elapsed() >= PATIENCE {
                let brokers = settings.properties.get("bootstrap.servers").cloned().unwrap_or_default();
                return Err(ConsumerError::Unreachable { brokers, seconds: PATIENCE.as_secs(), source });
            }
            let brokers = settings.properties.get("bootstrap.servers").map_or("", String::as_str);
            tracing::warn!(brokers, error = %source, "cannot reach Kafka, trying for {} s in all", PATIENCE.as_secs());
        };
        let error =
            metadata.topics().iter().find(|found| found.name() == topic).and_then(|found| found.error());
        if let Some(error) = error {
            warn_about(topic, error);
        }
    }
    Ok(())
}

fn warn_about(topic: &str, error: RDKafkaRespErr) {
    let code = RDKafkaErrorCode::from(error);
    match code {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => tracing::warn!(
            topic,
            "the topic does not exist; it is consumed once it does. Is its name right (topic_routes)?"
        ),
        _ => tracing::warn!(topic, error = %code, "the topic cannot be read"),
    }
}
