//! Records from Kafka, and what a pipeline would do with each: read from outside of every group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use super::trial::{Judgement, Trial};
use crate::avro::{Patience, RegistryError, RegistrySettings, RegistrySetupError, SchemaRegistry, wire};
use crate::event::{Record, Route, TopicPartition};
use crate::kafka::{ConsumerError, ConsumerSettings, LogReader, Reach, Reading, Stretch};
use crate::redaction::Secrets;

/// How long the registry is tried before a preview gives up. Once it is under way, outages are waited out.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(10);

/// The wait between two questions to a registry that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Reads records and says what a pipeline would do with each.
pub struct Preview {
    reader: LogReader,
    registry: Arc<SchemaRegistry>,
    trial: Trial,
    secrets: Secrets,
}

/// What a preview shows.
#[derive(Debug)]
pub enum Shown {
    /// A record, and what becomes of it.
    Record(Box<Record>, Judgement),
    /// A stretch was read to its end.
    Ended(TopicPartition),
    /// Kafka reported trouble. Reading goes on by itself.
    Trouble(KafkaError),
    /// A topic is read no more.
    Failed(KafkaError),
}

/// Why a preview could not begin.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// Kafka.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The registry's client.
    #[error(transparent)]
    RegistrySetup(#[from] RegistrySetupError),
    /// The registry does not answer.
    #[error("{source} (tried for {seconds} s)")]
    Registry {
        /// How long it was tried.
        seconds: u64,
        /// The last answer.
        source: RegistryError,
    },
}

impl Preview {
    /// Asks the registry whether it is there, and begins to read.
    ///
    /// # Errors
    /// [`PreviewError`], whose text may quote one of the `secrets`.
    pub async fn start(
        name: &str,
        (consumer, registry): (&ConsumerSettings, &RegistrySettings),
        stretches: Vec<Stretch>,
        trial: Trial,
        secrets: Secrets,
    ) -> Result<Self, PreviewError> {
        // Nobody who looks waits half a minute for an id that the registry does not know.
        let patience = Patience { unknown_id: Duration::ZERO, ..registry.patience };
        let registry = Arc::new(SchemaRegistry::new(&RegistrySettings { patience, ..registry.clone() })?);
        let deadline = Instant::now() + REGISTRY_PATIENCE;
        while let Err(source) = registry.probe().await {
            if Instant::now() >= deadline {
                return Err(PreviewError::Registry { seconds: REGISTRY_PATIENCE.as_secs(), source });
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        let reader = LogReader::start(name, consumer, stretches, Reach::Everything)?;
        Ok(Self { reader, registry, trial, secrets })
    }

    /// What comes next; `None` once every stretch was read to its end. Waits while the registry is out.
    pub async fn next(&self) -> Option<Shown> {
        Some(match self.reader.next().await? {
            Reading::Record(route, record) => {
                let judgement = self.judge(&route, &record).await;
                Shown::Record(Box::new(record), judgement)
            }
            Reading::Ended(source) => Shown::Ended(source),
            Reading::Trouble(error) => Shown::Trouble(error),
            Reading::Failed(error) => Shown::Failed(error),
        })
    }

    async fn judge(&self, route: &Route, record: &Record) -> Judgement {
        let Some(value) = &record.value else { return Judgement::Tombstone };
        let id = match wire::split(value) {
            Ok((id, _)) => id,
            Err(error) => return Judgement::Undecodable(error.into()),
        };
        let mut told = false;
        loop {
            let error = match self.registry.schema(id).await {
                Ok(schema) => return self.trial.judge(route, &schema, record),
                Err(error @ RegistryError::Unavailable { .. }) => error,
                Err(error) => return Judgement::Undecodable(error.into()),
            };
            if !std::mem::replace(&mut told, true) {
                let error = error.to_string();
                tracing::error!("waiting for the schema registry: {}", self.secrets.redact(&error));
            }
            tokio::time::sleep(error.retry_after().unwrap_or(ASK_AGAIN)).await;
        }
    }
}
