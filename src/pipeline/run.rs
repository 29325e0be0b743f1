//! A pipeline at work, from its first question to the registry to its last commit.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::build::Pipeline;
use super::screen::{ProjectionScreen, ScreenParts};
use super::stages::{Stages, text_of};
use super::tally::Summary;
use crate::avro::{RegistryError, SchemaRegistry};
use crate::dead_letter::StoreError;
use crate::delivery::{Budget, Lanes, Ordering};
use crate::kafka::{CommitBell, ConsumerError, ConsumerParts, consume};
use crate::redaction::Secrets;
use crate::telemetry::PipelineState;

/// The wait between two questions to a registry that has not answered yet.
const REGISTRY_AGAIN: Duration = Duration::from_secs(1);

/// How often the registry is asked whether it is there, for readiness.
const REGISTRY_PROBE: Duration = Duration::from_secs(10);

/// How long a partition may stand still that has something to read and that nothing holds. Then `/livez`
/// fails.
const STALL: Duration = Duration::from_secs(30);

/// How long an action may take to close. What it was given is acknowledged by then.
pub(super) const ACTION_CLOSES: Duration = Duration::from_secs(5);

/// How a pipeline ended.
#[derive(Debug)]
pub struct Ended {
    /// Its name.
    pub pipeline: String,
    /// What it did.
    pub summary: Summary,
    /// Why it ended by itself; `Ok` if it was told to stop. The text may quote a secret.
    pub result: Result<(), PipelineError>,
    /// What the text of the error must not show.
    pub secrets: Secrets,
}

/// Why a pipeline ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Kafka.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The registry did not answer when the pipeline started.
    #[error("{source} (tried for {seconds} s)")]
    Registry {
        /// How long it was tried.
        seconds: u64,
        /// The last answer.
        source: RegistryError,
    },
    /// Neither Kafka nor the registry answered when the pipeline started.
    #[error("{kafka}. Nor does the schema registry answer: {registry}")]
    NothingReached {
        /// What came of Kafka.
        kafka: Box<ConsumerError>,
        /// The registry's last answer.
        registry: Box<RegistryError>,
    },
    /// The store of dead letters was not to be had when the pipeline started.
    #[error(transparent)]
    DeadLetters(#[from] StoreError),
    /// An event could not be processed and `failure_mode` is `THROW`.
    #[error("{0}")]
    EventFailed(String),
    /// The polling thread could not be started, or panicked.
    #[error("the polling thread ended without a result: {0}")]
    Thread(String),
    /// A defect in this program.
    #[error("the pipeline panicked: {0}")]
    Panicked(String),
}

/// What came of asking for the registry when the pipeline started.
pub(super) enum Asked {
    /// It answers.
    Answers,
    /// It did not for as long as the recipe allows.
    GaveUp { seconds: u64, source: RegistryError },
    /// The pipeline stopped before; the last failure until then.
    Stopped { last: Option<RegistryError> },
}

impl Pipeline {
    /// Runs until `stop` is cancelled or the pipeline fails; then drains, commits, leaves the group and
    /// closes the action.
    pub async fn run(self, stop: CancellationToken) -> Ended {
        // A pipeline that fails stops itself and no other, however it fails.
        let stop = stop.child_token();
        let _stopping = stop.clone().drop_guard();
        let pipeline = self.parts.pipeline.to_string();
        let result = match AssertUnwindSafe(self.work(&stop)).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => Err(PipelineError::Panicked(text_of(&*panic).to_owned())),
        };
        match &result {
            Ok(()) => self.health.enter(PipelineState::Ended),
            Err(error) => self.health.enter(PipelineState::Failed { reason: error.to_string() }),
        }
        Ended { pipeline, summary: self.tally.summary(), result, secrets: self.parts.secrets.clone() }
    }

    async fn work(&self, stop: &CancellationToken) -> Result<(), PipelineError> {
        // Before anything is read: what could not be processed would have no place to go.
        if let Err(error) = self.await_dead_letters(stop).await {
            self.close_action(ACTION_CLOSES).await;
            return Err(error.into());
        }
        // The group is joined once both are there: what would a partition do here without a registry?
        let (allow, may_join) = watch::channel(false);
        let asking = async {
            let asked = self.await_registry(stop).await;
            match &asked {
                Asked::Answers => drop(allow.send_replace(true)),
                Asked::GaveUp { .. } | Asked::Stopped { .. } => stop.cancel(),
            }
            asked
        };
        let consuming = async {
            let consumed = self.consume(stop, may_join).await;
            // However it ended: nobody needs the registry any more.
            stop.cancel();
            consumed
        };
        let (consumed, asked) = tokio::join!(consuming, asking);
        self.close_action(ACTION_CLOSES).await;
        match (consumed, asked) {
            (
                Err(PipelineError::Consumer(kafka @ ConsumerError::Unreachable { .. })),
                Asked::Stopped { last: Some(registry) },
            ) => Err(PipelineError::NothingReached { kafka: Box::new(kafka), registry: Box::new(registry) }),
            (Ok(()), Asked::GaveUp { seconds, source }) => Err(PipelineError::Registry { seconds, source }),
            (consumed, _) => consumed,
        }
    }

    /// Closes the action, or leaves it behind. On a task of its own, so that one that blocks its thread
    /// cannot hold the end of the process either.
    pub(super) async fn close_action(&self, at_most: Duration) {
        let pipeline = &self.parts.pipeline;
        let action = Arc::clone(&self.parts.attempts.action);
        let closing = self.runtime.spawn(async move { action.close().await });
        match tokio::time::timeout(at_most, closing).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                let error = error.to_string();
                let error = self.parts.secrets.redact(&error);
                tracing::error!(%pipeline, %error, "the action did not close cleanly");
            }
            Ok(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that ends cancels it.
                Err(error) => tracing::warn!(%pipeline, %error, "the action was not closed"),
            },
            Err(_) => {
                let seconds = at_most.as_secs();
                tracing::warn!(%pipeline, "the action did not close within {seconds} s and is left behind");
            }
        }
    }

    /// Asks the registry until it answers, for as long as the recipe allows.
    pub(super) async fn await_registry(&self, stop: &CancellationToken) -> Asked {
        let began = Instant::now();
        let mut last = None;
        loop {
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return Asked::Stopped { last },
                asked = self.parts.registry.probe() => asked,
            };
            let source = match asked {
                Ok(()) => return Asked::Answers,
                Err(error) => error,
            };
            if let Some(patience) = self.consumer.start_patience
                && began.elapsed() >= patience
            {
                return Asked::GaveUp { seconds: patience.as_secs(), source };
            }
            last = Some(source);
            tokio::select! {
                () = stop.cancelled() => return Asked::Stopped { last },
                () = tokio::time::sleep(REGISTRY_AGAIN) => {}
            }
        }
    }

    /// Runs the polling thread and waits for it.
    async fn consume(
        &self,
        stop: &CancellationToken,
        may_join: watch::Receiver<bool>,
    ) -> Result<(), PipelineError> {
        let filters = Arc::clone(&self.parts.filters);
        let by_key = self.delivery.ordering == Ordering::Key;
        let budget = Arc::new(Budget::new(self.delivery.max_in_flight_bytes));
        let parts = ConsumerParts {
            pipeline: self.parts.pipeline.to_string(),
            settings: self.consumer.clone(),
            delivery: self.delivery.clone(),
            screen: ProjectionScreen::new(
                ScreenParts {
                    registry: Arc::clone(&self.parts.registry),
                    filters,
                    metrics: Arc::clone(&self.parts.metrics),
                    scan: self.scan,
                    by_key,
                },
                self.consumer.topics.iter().map(|(_, route)| route),
            ),
            reports: Arc::clone(&self.reports) as _,
            budget: Arc::clone(&budget),
            stall_after: STALL,
            may_join: may_join.clone(),
            stop: stop.clone(),
        };
        let failure = Arc::new(OnceLock::new());
        let stages = {
            let (parts, stop, failure) = (Arc::clone(&self.parts), stop.clone(), Arc::clone(&failure));
            move |bell: CommitBell| Stages::new(parts, move || bell.ring(), stop, failure)
        };
        let (runtime, delivery) = (self.runtime.clone(), self.delivery.clone());
        let (ended, result) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("poll {}", self.parts.pipeline))
            .spawn(move || {
                let consumed =
                    consume(parts, |bell| Lanes::new(runtime, Arc::new(stages(bell)), budget, &delivery));
                // Nobody waits any more only when the process is ending.
                let _ = ended.send(consumed);
            })
            .map_err(|error| PipelineError::Thread(error.to_string()))?;
        let probing = self.runtime.spawn(keep_probing(Arc::clone(&self.parts.registry), may_join));
        let result = result.await;
        probing.abort();
        match result {
            Ok(consumed) => consumed?,
            Err(_) => return Err(PipelineError::Thread("it panicked; see the log".to_owned())),
        }
        failure.get().map_or(Ok(()), |text| Err(PipelineError::EventFailed(text.clone())))
    }
}

/// Once it has `answered`, keeps what is known of the registry true while no event asks it anything, and
/// ends an outage for those who wait for their turn to ask.
async fn keep_probing(registry: Arc<SchemaRegistry>, mut answered: watch::Receiver<bool>) {
    if answered.wait_for(|answered| *answered).await.is_err() {
        return;
    }
    loop {
        tokio::time::sleep(REGISTRY_PROBE).await;
        // Whoever is to know is told by the registry's client.
        let _ = registry.probe().await;
    }
}
