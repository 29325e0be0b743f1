//! Attempts at an event: one after the other, each with a permit and a deadline.

use std::future::{Future as _, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::failures_told::FailuresTold;
use super::stages::{Interrupted, panicked, wait};
use crate::action::{Action, ActionError};
use crate::dead_letter::Failure;
use crate::delivery::{Delivery, RetryPolicy};
use crate::event::{Envelope, Stage};
use crate::redaction::Secrets;
use crate::telemetry::{PipelineHealth, PipelineMetrics};

/// Runs the action of one pipeline.
pub(super) struct Attempts {
    pub(super) pipeline: Arc<str>,
    pub(super) action: Arc<dyn Action>,
    /// As many as actions may run at once, where the number of lanes does not say it.
    pub(super) permits: Option<Semaphore>,
    /// The longest that one attempt may take.
    pub(super) deadline: Option<Duration>,
    pub(super) retry: RetryPolicy,
    pub(super) told: FailuresTold,
    /// What no error may show.
    pub(super) secrets: Secrets,
    pub(super) metrics: Arc<PipelineMetrics>,
    /// Where it is shown how long an event has been in its action.
    pub(super) health: Arc<PipelineHealth>,
}

/// Why no further attempt at an event is made.
pub(super) enum GaveUp {
    /// The event is one for the dead letters.
    OnEvent(Failure),
    /// Nothing is wrong with the event: the action cannot go on. It says why.
    OnAction(String),
}

/// How one attempt failed.
struct Failed {
    error: ActionError,
    /// It was cancelled because it took too long.
    late: bool,
}

impl Attempts {
    /// Runs the action, again and again as the retry policy allows.
    pub(super) async fn act(
        &self,
        delivery: &Delivery,
        envelope: &Envelope,
    ) -> Result<Result<(), GaveUp>, Interrupted> {
        let Self { retry, metrics, secrets, .. } = self;
        let mut attempts = 0;
        let mut first_at = None;
        let (mut first_began, mut stay) = (None, None);
        loop {
            // Held while the action runs and no longer: an event that waits for its next attempt, or
            // for anything else, must not keep other partitions' events from theirs.
            let permit = self.permit(delivery).await?;
            let began = Instant::now();
            let first_began = *first_began.get_or_insert(began);
            let enter = || {
                self.health.in_action().enter(delivery.record.position.clone(), first_began, retry.attempts())
            };
            // In a block of its own: an action may also panic before it has made its future.
            let mut acting = pin!(AssertUnwindSafe(async { self.attempt(envelope).await }).catch_unwind());
            // One that ends at once takes no lock for being shown.
            let result = match poll_fn(|context| Poll::Ready(acting.as_mut().poll(context))).await {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    stay.get_or_insert_with(enter);
                    acting.await
                }
            };
            drop(permit);
            metrics.action_took(began.elapsed());
            attempts += 1;
            let Failed { error, late } = match result {
                Ok(Ok(())) => return Ok(Ok(())),
                Ok(Err(failed)) => failed,
                Err(panic) => {
                    metrics.failed_attempt();
                    let failure = panicked(&self.pipeline, secrets, delivery, (Stage::Action, &*panic));
                    let first_at = first_at.unwrap_or(failure.first_at);
                    return Ok(Err(GaveUp::OnEvent(Failure { attempts, first_at, ..failure })));
                }
            };
            metrics.failed_attempt();
            let now = SystemTime::now();
            let first_at = *first_at.get_or_insert(now);
            let message = secrets.redact(&error.to_string()).into_owned();
            let class = match &error {
                ActionError::Retryable { retry_after, .. } if retry.allows(attempts) => {
                    metrics.retried();
                    stay.get_or_insert_with(enter).failed();
                    let pause = retry.wait_before(attempts, *retry_after, fastrand::f64());
                    self.tell_failure(delivery, attempts, pause, &message);
                    wait(delivery, pause).await?;
                    continue;
                }
                ActionError::Retryable { .. } if late => "deadline",
                ActionError::Retryable { .. } => "retries_exhausted",
                ActionError::Permanent { .. } => "permanent",
                ActionError::Broken { .. } => return Ok(Err(GaveUp::OnAction(message))),
            };
            let http_status = error.http_status();
            let failure = Failure {
                stage: Stage::Action,
                class,
                message,
                http_status,
                attempts,
                first_at,
                last_at: now,
            };
            return Ok(Err(GaveUp::OnEvent(failure)));
        }
    }

    /// Says that an attempt has failed which is not the last one: a pipeline whose every attempt fails would
    /// otherwise look well until the first event has used up its own.
    fn tell_failure(&self, delivery: &Delivery, attempt: u32, pause: Duration, message: &str) {
        let (pipeline, position, of) = (&self.pipeline, &delivery.record.position, self.retry.attempts());
        let pause = pause.as_secs_f64();
        let Some(untold) = self.told.note(Instant::now()) else {
            return tracing::debug!(%pipeline, %position, "attempt {attempt} of {of} failed: {message}");
        };
        let more = match untold {
            0 => String::new(),
            _ => format!(" ({untold} more have failed since one was told here)"),
        };
        tracing::warn!(
            %pipeline, %position,
            "attempt {attempt} of {of} failed, the next one follows in {pause:.1} s{more}: {message}"
        );
    }

    /// Waits until the action may run.
    async fn permit(&self, delivery: &Delivery) -> Result<Option<SemaphorePermit<'_>>, Interrupted> {
        let Some(permits) = &self.permits else { return Ok(None) };
        tokio::select! {
            biased;
            permit = permits.acquire() => Ok(permit.ok()),
            () = delivery.epoch.draining().cancelled() => Err(Interrupted),
        }
    }

    /// One attempt. Past its deadline it is dropped, which cancels it at its next await point, and has
    /// failed: another one may succeed.
    async fn attempt(&self, envelope: &Envelope) -> Result<(), Failed> {
        let acting = self.action.act(envelope);
        let Some(deadline) = self.deadline else {
            return acting.await.map_err(|error| Failed { error, late: false });
        };
        match tokio::time::timeout(deadline, acting).await {
            Ok(result) => result.map_err(|error| Failed { error, late: false }),
            Err(_) => {
                let seconds = deadline.as_secs_f64();
                let message = format!(
                    "cancelled after {seconds} s (source.config.event_processing_time_max_duration_seconds)"
                );
                Err(Failed { error: ActionError::retryable(message), late: true })
            }
        }
    }
}
