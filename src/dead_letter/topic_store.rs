//! Dead letters in a topic, `dead_letter_topic`.

use std::sync::Arc;

use async_trait::async_trait;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::headers::LetterHeaders;
use super::{DeadLetter, DeadLetterStore, FileStore, StoreError, StorePlace};
use crate::kafka::{OutgoingRecord, Producer, is_about_the_record, is_too_large};

/// Keeps dead letters in a topic: key and value as they were, null included, with the record's own
/// headers and timestamp, and what went wrong in headers beside them.
///
/// A letter is stored when all in-sync replicas have it. A letter whose delivery fails late may be
/// there all the same and comes again: with the same id, round and first failure, so a replay takes it
/// once.
///
/// **Refused.** A record that fitted into its own topic may not fit here, with more headers and
/// perhaps a lower limit. It then loses the longest header that was added. What the topic does not take
/// whenever it is sent goes to the file: what is still too large, or has no key where the topic is
/// compacted, or too old a timestamp.
#[derive(Debug)]
pub struct TopicStore {
    topic: String,
    producer: Arc<Producer>,
    file: FileStore,
}

impl TopicStore {
    /// A store that writes to `topic`, and to `file` what the topic does not take. Does not touch the
    /// network: [`DeadLetterStore::probe`] does.
    pub fn new(topic: impl Into<String>, producer: Producer, file: FileStore) -> Self {
        Self { topic: topic.into(), producer: Arc::new(producer), file }
    }

    async fn send(&self, letter: &DeadLetter<'_>, headers: &LetterHeaders) -> Result<(), KafkaError> {
        let (key, value) = bytes_of(letter);
        let record = OutgoingRecord {
            topic: &self.topic,
            partition: None,
            timestamp_ms: letter.record.timestamp_ms,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: headers.all(),
        };
        self.producer.send(&record).await
    }

    /// What a failed delivery means. librdkafka gives a topic that is gone some time to come back, so
    /// that a letter for it ends as one for brokers that are slow: the time is over. Whoever is to mend it
    /// needs to know which.
    async fn why_not(&self, source: KafkaError) -> StoreError {
        let topic = self.topic.clone();
        if is_refused(&source) {
            return StoreError::MayNotWrite { topic, source };
        }
        let timed_out = source.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut);
        let is_gone = is_missing(&source)
            || (timed_out && matches!(self.probe().await, Err(StoreError::NoTopic { .. })));
        if is_gone { StoreError::NoTopic { topic } } else { StoreError::Topic { topic, source } }
    }
}

#[async_trait]
impl DeadLetterStore for TopicStore {
    fn place(&self) -> StorePlace {
        StorePlace::Topic(self.topic.clone())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let (producer, topic) = (Arc::clone(&self.producer), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || producer.partitions_of(&topic)).await;
        let topic = self.topic.clone();
        match asked {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) if is_missing(&source) => Err(StoreError::NoTopic { topic }),
            Ok(Err(source)) if is_refused(&source) => Err(StoreError::MayNotWrite { topic, source }),
            Ok(Err(source)) => Err(StoreError::Topic { topic, source }),
            Err(_) => Err(StoreError::Topic { topic, source: KafkaError::Canceled }),
        }
    }

    async fn store(&self, letter: &DeadLetter<'_>) -> Result<(), StoreError> {
        let mut headers = LetterHeaders::of(letter);
        let mut sent = self.send(letter, &headers).await;
        if sent.as_ref().is_err_and(is_too_large) {
            headers.drop_longest_added();
            sent = self.send(letter, &headers).await;
        }
        let error = match sent {
            Ok(()) => return Ok(()),
            Err(error) if is_about_the_record(&error) => error,
            Err(error) => return Err(self.why_not(error).await),
        };
        let advice = if is_too_large(&error) {
            "raise the topic's max.message.bytes"
        } else {
            "see the topic's cleanup.policy, which needs keys if it compacts, and message.timestamp limits"
        };
        tracing::warn!(
            pipeline = letter.pipeline, id = letter.lineage.id, topic = self.topic, file = %self.file.path().display(),
            "the topic does not take the dead letter, which goes to the file ({error}); {advice}"
        );
        self.file.store(letter).await
    }
}

/// The original bytes. A letter of the Python framework has none: it then is what that would have
/// sent, the event's JSON under its place.
fn bytes_of(letter: &DeadLetter<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let record = letter.record;
    match letter.envelope.filter(|_| record.value.is_none()) {
        Some(envelope) => {
            let at = &record.position;
            let key = format!("{}:{}:{}", at.source.topic, at.source.partition, at.offset);
            // An event is text and numbers: its JSON can be written.
            (Some(key.into_bytes()), serde_json::to_vec(envelope).ok())
        }
        None => (record.key.clone(), record.value.clone()),
    }
}

fn is_missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    )
}

/// An idempotent producer asks for an id first, for which Kafka wants WRITE on some topic: without any it is the
/// cluster that is refused.
fn is_refused(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed)
    )
}
