//! The end of an event that could not be processed.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::build::Pipeline;
use super::stages::{Interrupted, Parts, Stages, wait};
use super::storing::Storing;
use crate::dead_letter::{DeadLetter, Failure, Lineage, StoreError, StorePlace};
use crate::delivery::{Delivery, FailureCount, FailureMode};
use crate::event::{Envelope, Outcome};
use crate::mutant::{self, Mutant};
use crate::telemetry::Condition;

/// The wait between two attempts to store a dead letter.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// How long a topic for dead letters may be missing when a pipeline starts: one that the brokers create
/// by themselves is there a moment after it was asked for.
const TOPIC_PATIENCE: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Asks the store of dead letters until it answers, for as long as the recipe allows: a pipeline that
    /// could not store one must not read anything.
    pub(super) async fn await_dead_letters(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let began = Instant::now();
        loop {
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                asked = self.parts.dead_letters.probe() => asked,
            };
            let Err(error) = asked else {
                self.health.holds(Condition::DeadLetters);
                return Ok(());
            };
            let patience = match error {
                StoreError::NoTopic { .. } => Some(TOPIC_PATIENCE),
                _ => self.consumer.start_patience,
            };
            if patience.is_some_and(|patience| began.elapsed() >= patience) {
                return Err(error);
            }
            self.health.lacks(Condition::DeadLetters, error.to_string());
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(STORE_AGAIN) => {}
            }
        }
    }
}

/// What somebody does whose pipeline has stopped at the event of this letter.
fn what_to_do(Lineage { id, .. }: &Lineage, place: &StorePlace) -> String {
    format!(
        "its dead letter {id} is in {place}: look with `datahub-relay dead-letters list -c RECIPE`, mend the cause and start again; this event then comes again by itself, other letters are for `dead-letters replay`"
    )
}

impl Stages {
    /// Stores the dead letter, and only then says how the event ended: its offset can't be committed
    /// before. While it can't be stored, the partition waits.
    pub(super) async fn give_up(
        &self,
        delivery: &Delivery,
        envelope: Option<&Envelope>,
        failure: Failure,
    ) -> Result<Outcome, Interrupted> {
        let Parts { pipeline, group, dead_letters, metrics, health, failure_mode, secrets, .. } =
            &*self.parts;
        let position = delivery.record.position.clone();
        // Here, and once: the text goes to the store, to the log, and to whoever asks why it stopped.
        let failure = Failure { message: secrets.redact(&failure.message).into_owned(), ..failure };
        let lineage = Lineage::of(group, &delivery.record);
        let letter =
            DeadLetter { pipeline, lineage: &lineage, record: &delivery.record, envelope, failure: &failure };
        let mut storing = Storing::new(&self.parts.waiting_letters, health);
        let mut failed = false;
        while let Err(error) = storing.attempt(&**dead_letters, &letter).await {
            if mutant::is(Mutant::StepPastAFailedEvent) {
                break;
            }
            let error = error.while_waiting();
            if !failed {
                tracing::error!(%pipeline, %position, id = lineage.id, "{}", secrets.redact(&error));
            }
            failed = true;
            storing.waits(error);
            wait(delivery, STORE_AGAIN).await?;
        }
        if storing.stored() {
            tracing::info!(%pipeline, "dead letters can be stored again");
        }
        let Failure { stage, message, .. } = &failure;
        metrics.dead_lettered(*stage);
        tracing::warn!(
            %pipeline, %position, id = lineage.id, stage = stage.as_str(), class = failure.class,
            attempts = failure.attempts, "dead letter stored: {message}"
        );
        let (passed, place) = (self.failures().failed(), dead_letters.place());
        Ok(match (failure_mode, passed) {
            (FailureMode::Throw, _) => {
                let message = format!("{message} (failure_mode: THROW); {}", what_to_do(&lineage, &place));
                Outcome::Failed(position, *stage, message)
            }
            // Stored as well, as with THROW: what comes next to the store is for a person to decide.
            (FailureMode::Continue, Some(passed)) => {
                let message = format!("{message} ({passed}); {}", what_to_do(&lineage, &place));
                Outcome::Failed(position, *stage, message)
            }
            (FailureMode::Continue, None) => Outcome::DeadLettered(position, *stage),
        })
    }

    /// The action took an event.
    pub(super) fn succeeded(&self) {
        self.failures().succeeded();
    }

    /// Nothing panics while it holds this lock.
    fn failures(&self) -> MutexGuard<'_, FailureCount> {
        self.parts.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
