//! Records to Kafka that must not be lost.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;

use super::complaints::{Complaints, more};
use super::context::RelayContext;
use super::error::ConsumerError;
use super::topic::partition_count;
use crate::event::Header;
use crate::kafka::source::{ConsumerSettings, producer_config};

/// How long a record waits for room in librdkafka's queue; delivery has its own limit.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time-out of a question for a topic's metadata.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends records and waits until all in-sync replicas have them.
///
/// Idempotent: a request that librdkafka repeats leaves one record. A record whose delivery failed may
/// be there all the same, and is there twice if it is sent again.
pub struct Producer {
    settings: ConsumerSettings,
    pipeline: String,
    client: RwLock<FutureProducer<RelayContext>>,
    /// Of all the clients that take each other's place.
    complaints: Arc<Complaints>,
}

/// A record on its way to Kafka.
#[derive(Debug, Clone)]
pub struct OutgoingRecord<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; `None` chooses it by the key.
    pub partition: Option<i32>,
    /// Milliseconds since the Unix epoch; `None` is now.
    pub timestamp_ms: Option<i64>,
    /// The key, which may be null.
    pub key: Option<&'a [u8]>,
    /// The value, which may be null.
    pub value: Option<&'a [u8]>,
    /// The headers in their order; a key may come more than once, a value may be null.
    pub headers: &'a [Header],
}

impl Producer {
    /// A producer with the connection of a pipeline's consumer. Does not touch the network.
    ///
    /// # Errors
    /// What librdkafka does not take of the properties, or why no tokens can be fetched.
    pub fn new(settings: &ConsumerSettings, pipeline: &str) -> Result<Self, ConsumerError> {
        let complaints = Arc::default();
        let client = RwLock::new(create(settings, pipeline, &complaints)?);
        Ok(Self { settings: settings.clone(), pipeline: pipeline.to_owned(), client, complaints })
    }

    /// Sends one record; returns once all in-sync replicas have it.
    ///
    /// # Errors
    /// What Kafka or librdkafka said, within ten seconds or so where the brokers cannot be reached.
    pub async fn send(&self, record: &OutgoingRecord<'_>) -> Result<(), KafkaError> {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
                headers.insert(KafkaHeader { key, value: value.as_ref() })
            });
        let outgoing = FutureRecord::<[u8], [u8]> {
            topic: record.topic,
            partition: record.partition,
            payload: record.value,
            key: record.key,
            timestamp: record.timestamp_ms,
            headers: Some(headers),
        };
        match client.send(outgoing, QUEUE_TIMEOUT).await {
            Ok(_) => Ok(()),
            // Of a record that met a fatal error, librdkafka says no more than that, or that it was purged.
            Err((error, _)) => Err(self.replace_if_fatal(&client).unwrap_or(error)),
        }
    }

    /// How many partitions a topic has. Blocks for up to five seconds. Where brokers create topics by
    /// themselves, asking creates it.
    ///
    /// # Errors
    /// What Kafka said: no brokers, no such topic, not allowed.
    pub fn partitions_of(&self, topic: &str) -> Result<i32, KafkaError> {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        let metadata = client.client().fetch_metadata(Some(topic), METADATA_TIMEOUT)?;
        partition_count(&metadata, topic).map_err(KafkaError::MetadataFetch)
    }

    /// An idempotent producer that met a fatal error sends nothing any more; a new one does. Returns that error.
    fn replace_if_fatal(&self, failed: &FutureProducer<RelayContext>) -> Option<KafkaError> {
        let (code, reason) = failed.client().fatal_error()?;
        let fatal = KafkaError::MessageProduction(code);
        let text = format!("a producer is replaced: {reason}");
        // Where nobody lets this user write, that is each letter's attempt.
        match self.complaints.note(&text) {
            Some(left_out) => tracing::warn!(pipeline = self.pipeline, %code, "{text}{}", more(left_out)),
            None => tracing::debug!(pipeline = self.pipeline, %code, "{text}"),
        }
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if client.client().fatal_error().is_none() {
            // Another task has replaced it.
            return Some(fatal);
        }
        match create(&self.settings, &self.pipeline, &self.complaints) {
            Ok(new) => *client = new,
            Err(error) => tracing::error!(pipeline = self.pipeline, "cannot create a producer: {error}"),
        }
        Some(fatal)
    }
}

/// The settings hold passwords.
impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

/// Whether a record is larger than the topic, or librdkafka, takes.
pub fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

/// Whether an error is about the record that was sent, and leaves others to be taken: it is too large or
/// damaged, the topic takes no such timestamp or no record without a key, or has no such partition.
pub fn is_about_the_record(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    is_too_large(error)
        || matches!(
            error.rdkafka_error_code(),
            Some(
                Code::UnknownPartition
                    | Code::InvalidMessage
                    | Code::InvalidMessageSize
                    | Code::InvalidTimestamp
                    | Code::InvalidRecord
                    | Code::MessageBatchTooLarge
            )
        )
}

/// A pipeline's producer logs, and fetches tokens, as its consumer does.
fn create(
    settings: &ConsumerSettings,
    pipeline: &str,
    complaints: &Arc<Complaints>,
) -> Result<FutureProducer<RelayContext>, ConsumerError> {
    let context = RelayContext::new(pipeline, settings)?.sharing(complaints).beside_a_consumer();
    FutureProducer::from_config_and_context(&producer_config(settings), context)
        .map_err(ConsumerError::Create)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_kafka_refuses_is_told_from_a_kafka_that_takes_none() {
        let is_about_the_record = |code| is_about_the_record(&KafkaError::MessageProduction(code));
        for code in [
            RDKafkaErrorCode::UnknownPartition,
            RDKafkaErrorCode::InvalidTimestamp,
            RDKafkaErrorCode::InvalidRecord,
            RDKafkaErrorCode::MessageSizeTooLarge,
        ] {
            assert!(is_about_the_record(code), "{code:?}");
        }
        for code in [
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::Fatal,
        ] {
            assert!(!is_about_the_record(code), "{code:?}");
        }
    }
}
