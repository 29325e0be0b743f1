//! From a recipe to the components that it describes.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::attempts::Attempts;
use super::failures_told::FailuresTold;
use super::registry_watch::RegistryWatch;
use super::reports::PipelineReports;
use super::stages::Parts;
use super::storing::WaitingLetters;
use super::tally::Tally;
use crate::action::{self, Action, ActionBuildError, ActionContext};
use crate::avro::{Decoder, RegistrySetupError, SchemaRegistry};
use crate::dead_letter::{DeadLetterStore, FileStore, StoreError, TopicStore};
use crate::delivery::{DeliverySettings, FailureCount, Ordering, RetryPolicy};
use crate::kafka::{ConsumerSettings, Producer};
use crate::recipe::Recipe;
use crate::telemetry::{HealthBoard, Metrics, PipelineHealth};

/// What a pipeline shares with the others of the process.
#[derive(Clone)]
pub struct Surroundings {
    /// Where lanes and actions run.
    pub runtime: Handle,
    /// Where metrics are kept.
    pub metrics: Arc<Metrics>,
    /// Where its health is shown.
    pub board: Arc<HealthBoard>,
}

/// A pipeline with everything built that can be built without Kafka. A recipe starts whole or not at
/// all: what is wrong with it is found here.
pub struct Pipeline {
    pub(super) consumer: ConsumerSettings,
    pub(super) delivery: DeliverySettings,
    pub(super) scan: bool,
    pub(super) parts: Arc<Parts>,
    pub(super) reports: Arc<PipelineReports>,
    pub(super) health: Arc<PipelineHealth>,
    pub(super) tally: Arc<Tally>,
    pub(super) runtime: Handle,
}

/// Why a pipeline could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The schema registry's client.
    #[error(transparent)]
    Registry(#[from] RegistrySetupError),
    /// The action.
    #[error(transparent)]
    Action(#[from] ActionBuildError),
    /// The dead-letter store: a pipeline that could not store one must not read anything.
    #[error(transparent)]
    DeadLetters(#[from] StoreError),
}

impl Pipeline {
    /// Builds what a recipe describes: opens the action and the dead-letter file, and prepares the
    /// registry's client. Blocks for as long as that takes. Does not touch the network.
    ///
    /// # Errors
    /// [`BuildError`], which may quote a secret of the recipe; the board shows the pipeline as failed with
    /// the same text, without secrets.
    pub fn build(recipe: Recipe, surroundings: &Surroundings) -> Result<Self, BuildError> {
        Self::build_around(recipe, surroundings, |action| action)
    }

    /// Builds as [`Pipeline::build`] does, with the recipe's action replaced by what `wrap` makes of it:
    /// for who wants to see each event that the action takes.
    ///
    /// # Errors
    /// As [`Pipeline::build`].
    pub fn build_around(
        recipe: Recipe,
        surroundings: &Surroundings,
        wrap: impl FnOnce(Arc<dyn Action>) -> Arc<dyn Action>,
    ) -> Result<Self, BuildError> {
        let health = surroundings.board.pipeline(&recipe.name);
        health.hide(recipe.secrets.clone());
        let built = Self::build_parts(recipe, surroundings, Arc::clone(&health), wrap);
        if let Err(error) = &built {
            let reason = error.to_string();
            health.enter(crate::telemetry::PipelineState::Failed { reason });
        }
        built
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.parts.pipeline
    }

    fn build_parts(
        recipe: Recipe,
        surroundings: &Surroundings,
        health: Arc<PipelineHealth>,
        wrap: impl FnOnce(Arc<dyn Action>) -> Arc<dyn Action>,
    ) -> Result<Self, BuildError> {
        let Recipe {
            name,
            consumer,
            registry,
            scan,
            meta,
            filters,
            transforms,
            action,
            delivery,
            secrets,
            ..
        } = recipe;
        let registry = Arc::new(SchemaRegistry::new(&registry)?);
        let dead_letters = dead_letters(&name, &consumer, &delivery)?;
        let pipeline: Arc<str> = name.into();
        let context = ActionContext { pipeline: Arc::clone(&pipeline) };
        let action = wrap(action::build(&action, context)?);
        let metrics = surroundings.metrics.pipeline(&pipeline);
        registry.report_to(Arc::new(RegistryWatch {
            pipeline: Arc::clone(&pipeline),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            secrets: secrets.clone(),
        }));
        let tally = Arc::new(Tally::new());
        let reports = PipelineReports {
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            tally: Arc::clone(&tally),
            brokers: consumer.bootstrap().to_owned(),
            slow_told: AtomicBool::default(),
        };
        let attempts = Attempts {
            pipeline: Arc::clone(&pipeline),
            action,
            permits: permits(&delivery),
            deadline: delivery.attempt_deadline,
            retry: RetryPolicy::new(&delivery.retry),
            told: FailuresTold::default(),
            secrets: secrets.clone(),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
        };
        let parts = Parts {
            pipeline,
            group: consumer.group_id.clone(),
            decoder: Decoder::new(Arc::clone(&registry)).with_meta(meta),
            registry,
            filters: Arc::new(filters),
            transforms,
            attempts,
            dead_letters,
            failure_mode: delivery.failure_mode,
            failures: Mutex::new(FailureCount::new(delivery.failure_limits)),
            waiting_letters: WaitingLetters::default(),
            secrets,
            metrics,
            health: Arc::clone(&health),
            tally: Arc::clone(&tally),
        };
        Ok(Self {
            consumer,
            delivery,
            scan,
            parts: Arc::new(parts),
            reports: Arc::new(reports),
            health,
            tally,
            runtime: surroundings.runtime.clone(),
        })
    }
}

/// The topic that the recipe names, with the file for what that does not take; else the file.
fn dead_letters(
    pipeline: &str,
    consumer: &ConsumerSettings,
    delivery: &DeliverySettings,
) -> Result<Arc<dyn DeadLetterStore>, StoreError> {
    let file = FileStore::open(delivery.failed_events_file(pipeline))?;
    let Some(topic) = &consumer.dead_letter_topic else { return Ok(Arc::new(file)) };
    let producer = Producer::new(consumer, pipeline).map_err(StoreError::Producer)?;
    Ok(Arc::new(TopicStore::new(topic, producer, file)))
}

/// With `partition` ordering there are as many lanes as partitions, and `concurrency` caps the actions
/// that they run; with the other orderings it is the number of lanes.
fn permits(delivery: &DeliverySettings) -> Option<Semaphore> {
    match delivery.ordering {
        Ordering::Partition => delivery.concurrency.map(Semaphore::new),
        Ordering::Key | Ordering::Unordered => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::OptionsConfig;
    use crate::findings::{Findings, KeyPath};

    #[test]
    fn concurrency_caps_the_actions_of_all_partitions_where_lanes_do_not() {
        let permits = |ordering, concurrency| {
            let options = OptionsConfig { ordering: Some(ordering), concurrency, ..OptionsConfig::default() };
            let delivery = options.resolve(&KeyPath::root(), None, &mut Findings::default()).unwrap();
            permits(&delivery).map(|permits| permits.available_permits())
        };
        assert_eq!(permits(Ordering::Partition, Some(3)), Some(3));
        assert_eq!(permits(Ordering::Partition, None), None, "one of each partition");
        assert_eq!(permits(Ordering::Key, Some(3)), None);
        assert_eq!(permits(Ordering::Unordered, None), None);
    }
}
