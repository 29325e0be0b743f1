//! An attempt that takes too long is cancelled, and has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::{Letters, PATIENCE, delivery, parts, registry, stages};
use crate::action::{Action, ActionError};
use crate::delivery::{Processed, Processor as _, RetryPolicy, RetrySettings};
use crate::event::{Envelope, Outcome, Stage};
use crate::pipeline::attempts::Attempts;
use crate::pipeline::stages::Parts;

/// Hangs at the first attempts and then succeeds; knows how many were cancelled.
#[derive(Default)]
struct Hangs {
    attempts_that_hang: usize,
    begun: AtomicUsize,
    cancelled: Arc<AtomicUsize>,
}

/// Counts its own end, which only a cancelled attempt gets to.
struct CountsCancelled(Arc<AtomicUsize>);

impl Drop for CountsCancelled {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Action for Hangs {
    async fn act(&self, _: &Envelope) -> Result<(), ActionError> {
        if self.begun.fetch_add(1, Ordering::Relaxed) < self.attempts_that_hang {
            let _hanging = CountsCancelled(Arc::clone(&self.cancelled));
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// Processes one event with an action that hangs at its first attempts. How it ended, and how many
/// attempts were cancelled.
async fn process_with_a_deadline(
    attempts_that_hang: usize,
    retries: u32,
    letters: &Arc<Letters>,
) -> (Processed, usize) {
    let (_server, registry) = registry().await;
    let cancelled = Arc::new(AtomicUsize::new(0));
    let action = Hangs { attempts_that_hang, cancelled: Arc::clone(&cancelled), ..Hangs::default() };
    let parts = parts(registry, action, Arc::clone(letters));
    let attempts = Attempts {
        deadline: Some(Duration::from_millis(50)),
        retry: RetryPolicy::new(&RetrySettings { count: retries, backoff: Duration::ZERO }),
        ..parts.attempts
    };
    let stages = stages(Parts { attempts, ..parts });
    let processed = tokio::time::timeout(PATIENCE, stages.process(&delivery(0))).await.unwrap();
    (processed, cancelled.load(Ordering::Relaxed))
}

#[tokio::test]
async fn an_attempt_past_its_deadline_is_cancelled_and_made_again() {
    let letters = Arc::new(Letters::default());
    let (processed, cancelled) = process_with_a_deadline(2, 2, &letters).await;
    assert!(matches!(processed, Processed::Ended(Outcome::Acted(_))), "{processed:?}");
    assert_eq!(cancelled, 2);
    assert!(letters.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_dead_letter_says_that_the_last_attempt_met_its_deadline() {
    let letters = Arc::new(Letters::default());
    let (processed, cancelled) = process_with_a_deadline(usize::MAX, 1, &letters).await;
    assert!(matches!(processed, Processed::Ended(Outcome::DeadLettered(_, Stage::Action))), "{processed:?}");
    assert_eq!(cancelled, 2, "the first attempt and its retry");
    let letters = letters.0.lock().unwrap();
    let (stage, class, message, _) = &letters[0];
    assert_eq!((*stage, *class), (Stage::Action, "deadline"));
    assert!(message.starts_with("cancelled after 0.05 s"), "{message}");
}
