//! The way of one event through a lane: decode, filter, transform, act, and what follows where one of these fails.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::attempts::{Attempts, GaveUp};
use super::storing::WaitingLetters;
use super::tally::Tally;
use crate::avro::{DecodeError, Decoded, Decoder, SchemaRegistry};
use crate::dead_letter::{DeadLetterStore, Failure};
use crate::delivery::{Delivery, FailureCount, FailureMode, Processed, Processor};
use crate::event::{DropReason, Envelope, Outcome, Record, Stage};
use crate::filter::Filters;
use crate::redaction::Secrets;
use crate::telemetry::{PipelineHealth, PipelineMetrics};
use crate::transform::{Transformed, Transforms};

/// The wait before the registry is asked again where its error names none.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What the stages of one pipeline are made of.
pub(super) struct Parts {
    pub(super) pipeline: Arc<str>,
    /// The consumer group, which the ids of dead letters begin with.
    pub(super) group: String,
    pub(super) registry: Arc<SchemaRegistry>,
    pub(super) decoder: Decoder,
    pub(super) filters: Arc<Filters>,
    pub(super) transforms: Transforms,
    pub(super) attempts: Attempts,
    pub(super) dead_letters: Arc<dyn DeadLetterStore>,
    pub(super) failure_mode: FailureMode,
    pub(super) failures: Mutex<FailureCount>,
    pub(super) waiting_letters: WaitingLetters,
    /// What no error may show.
    pub(super) secrets: Secrets,
    pub(super) metrics: Arc<PipelineMetrics>,
    pub(super) health: Arc<PipelineHealth>,
    pub(super) tally: Arc<Tally>,
}

/// Takes events through the stages of one pipeline; shared by all its lanes.
pub(super) struct Stages {
    pub(super) parts: Arc<Parts>,
    /// Tells the committer that something was finished.
    ring: Box<dyn Fn() + Send + Sync>,
    stop: CancellationToken,
    /// The first event that failed for good.
    failure: Arc<OnceLock<String>>,
}

/// A stage was left before its end, because the partition is being given up.
pub(super) struct Interrupted;

impl Processor for Stages {
    async fn process(&self, delivery: &Delivery) -> Processed {
        // A panic would take the lane along, and its events would be worked on for ever. The stages
        // catch their own; what gets here has no dead letter, so the event must not be committed.
        let ended = match AssertUnwindSafe(self.outcome(delivery)).catch_unwind().await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(Interrupted)) => return Processed::Interrupted,
            Err(panic) => {
                let message = format!("panicked: {}", text_of(&*panic));
                Outcome::Failed(delivery.record.position.clone(), Stage::Action, message)
            }
        };
        self.parts.tally.ended(&ended);
        Processed::Ended(ended)
    }

    fn finished(&self) {
        (self.ring)();
    }

    fn failed(&self, outcome: Outcome) {
        if let Outcome::Failed(position, stage, message) = outcome {
            let text = format!("the event at {position} failed at the stage `{}`: {message}", stage.as_str());
            tracing::error!(pipeline = %self.parts.pipeline, "stopping: {text}");
            // The first one counts; others may fail while the pipeline drains.
            let _ = self.failure.set(text);
        }
        self.stop.cancel();
    }
}

impl Stages {
    /// The stages of a pipeline. `ring` is called for every finished event. When an event fails for
    /// good, `stop` is cancelled and `failure` says why.
    pub(super) fn new(
        parts: Arc<Parts>,
        ring: impl Fn() + Send + Sync + 'static,
        stop: CancellationToken,
        failure: Arc<OnceLock<String>>,
    ) -> Self {
        Self { parts, ring: Box::new(ring), stop, failure }
    }

    pub(super) async fn outcome(&self, delivery: &Delivery) -> Result<Outcome, Interrupted> {
        let Parts { metrics, .. } = &*self.parts;
        let position = || delivery.record.position.clone();
        let dropped = |reason| {
            metrics.dropped(reason, 1);
            Ok(Outcome::Dropped(position(), reason))
        };
        let envelope = match self.decode(delivery).await? {
            Ok(Decoded::Event(envelope)) => envelope,
            Ok(Decoded::Tombstone) => return dropped(DropReason::Tombstone),
            Ok(Decoded::UnknownPlatformEvent { name }) => {
                tracing::debug!(pipeline = %self.parts.pipeline, position = %position(), name, "unknown platform event");
                metrics.unknown_platform_event(&name);
                return dropped(DropReason::UnknownPlatformEvent);
            }
            Err(failure) => return self.give_up(delivery, None, failure).await,
        };
        self.event_outcome(delivery, &envelope).await
    }

    /// What becomes of an event from here on: filters, action, and what follows where they fail.
    pub(super) async fn event_outcome(
        &self,
        delivery: &Delivery,
        envelope: &Envelope,
    ) -> Result<Outcome, Interrupted> {
        let Parts { filters, transforms, metrics, .. } = &*self.parts;
        let position = || delivery.record.position.clone();
        match catch_unwind(AssertUnwindSafe(|| filters.matches(envelope))) {
            Ok(true) => {}
            Ok(false) => {
                metrics.dropped(DropReason::Filter, 1);
                return Ok(Outcome::Dropped(position(), DropReason::Filter));
            }
            Err(panic) => {
                let failure = self.panicked(delivery, Stage::Filter, &*panic);
                return self.give_up(delivery, Some(envelope), failure).await;
            }
        }
        let transformed = match catch_unwind(AssertUnwindSafe(|| transforms.apply(envelope))) {
            Ok(Ok(Transformed::Unchanged)) => None,
            Ok(Ok(Transformed::Changed(transformed))) => Some(transformed),
            Ok(Ok(Transformed::Dropped(_))) => {
                metrics.dropped(DropReason::Transform, 1);
                return Ok(Outcome::Dropped(position(), DropReason::Transform));
            }
            Ok(Err(error)) => {
                let failure = failed_once(Stage::Transform, error.class(), error.to_string());
                return self.give_up(delivery, Some(envelope), failure).await;
            }
            Err(panic) => {
                let failure = self.panicked(delivery, Stage::Transform, &*panic);
                return self.give_up(delivery, Some(envelope), failure).await;
            }
        };
        match self.parts.attempts.act(delivery, transformed.as_deref().unwrap_or(envelope)).await? {
            Ok(()) => {
                metrics.acted(1);
                self.succeeded();
                if let Some(age) = age_of(&delivery.record) {
                    metrics.end_to_end(age);
                }
                Ok(Outcome::Acted(position()))
            }
            // It is no dead letter, and comes again.
            Err(GaveUp::OnAction(message)) => Ok(Outcome::Failed(position(), Stage::Action, message)),
            // The event as it was before the transforms, as the Python framework has it: who replays the
            // letter takes it through them again.
            Err(GaveUp::OnEvent(failure)) => self.give_up(delivery, Some(envelope), failure).await,
        }
    }

    /// Decodes a record. While the registry is out it waits: an outage is not bad input.
    pub(super) async fn decode(&self, delivery: &Delivery) -> Result<Result<Decoded, Failure>, Interrupted> {
        let Parts { registry, decoder, .. } = &*self.parts;
        loop {
            let decoding = AssertUnwindSafe(decoder.decode(&delivery.route, &delivery.record));
            let decoded = tokio::select! {
                biased;
                decoded = decoding.catch_unwind() => decoded,
                () = delivery.epoch.draining().cancelled() => return Err(Interrupted),
            };
            let error = match decoded {
                Ok(Ok(decoded)) => return Ok(Ok(decoded)),
                Ok(Err(error)) => error,
                Err(panic) => return Ok(Err(self.panicked(delivery, Stage::Avro, &*panic))),
            };
            let Some(stage) = error.stage() else {
                let ask_again = error.retry_after().unwrap_or(ASK_AGAIN);
                tokio::select! {
                    biased;
                    waited = wait(delivery, ask_again) => waited?,
                    // It has answered somebody: this need not wait to be asked about.
                    () = registry.wait_for_answers() => {}
                }
                continue;
            };
            return Ok(Err(undecodable(stage, &error)));
        }
    }

    fn panicked(&self, delivery: &Delivery, stage: Stage, panic: &(dyn Any + Send)) -> Failure {
        let Parts { pipeline, secrets, .. } = &*self.parts;
        panicked(pipeline, secrets, delivery, (stage, panic))
    }
}

/// Waits, unless the partition is being given up: the event then stays unfinished and comes again.
pub(super) async fn wait(delivery: &Delivery, how_long: Duration) -> Result<(), Interrupted> {
    tokio::select! {
        biased;
        () = delivery.epoch.draining().cancelled() => Err(Interrupted),
        () = tokio::time::sleep(how_long) => Ok(()),
    }
}

fn undecodable(stage: Stage, error: &DecodeError) -> Failure {
    failed_once(stage, error.class(), error.to_string())
}

/// A failure that another attempt would only meet again.
fn failed_once(stage: Stage, class: &'static str, message: String) -> Failure {
    let now = SystemTime::now();
    Failure { stage, class, message, http_status: None, attempts: 1, first_at: now, last_at: now }
}

/// What a panic makes of an event: a defect in the code of that stage, which another attempt would only
/// meet again.
pub(super) fn panicked(
    pipeline: &str,
    secrets: &Secrets,
    delivery: &Delivery,
    (stage, panic): (Stage, &(dyn Any + Send)),
) -> Failure {
    let message = secrets.redact(&format!("panicked: {}", text_of(panic))).into_owned();
    let position = &delivery.record.position;
    tracing::error!(pipeline, %position, stage = stage.as_str(), "{message}");
    failed_once(stage, "panic", message)
}

/// What a panic said.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// How long ago the record was produced, by its timestamp and this machine's clock.
fn age_of(record: &Record) -> Option<Duration> {
    let produced = UNIX_EPOCH + Duration::from_millis(u64::try_from(record.timestamp_ms?).ok()?);
    SystemTime::now().duration_since(produced).ok()
}
