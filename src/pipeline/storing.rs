//! What readiness says while dead letters wait for their store.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::outage::Outage;
use crate::dead_letter::{DeadLetter, DeadLetterStore, StoreError};
use crate::telemetry::{Condition, PipelineHealth};

/// How long a store may take before it is said that it takes long. Longer than a topic's delivery takes to
/// fail (`message.timeout.ms`, 10 s): its own error says more.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many dead letters of a pipeline wait for their store.
#[derive(Debug)]
pub(super) struct WaitingLetters {
    patience: Duration,
    outage: Outage,
    count: Mutex<usize>,
}

impl Default for WaitingLetters {
    fn default() -> Self {
        Self::new(PATIENCE, Outage::default())
    }
}

impl WaitingLetters {
    /// A store that takes longer than `patience` is told, and again as `outage` says.
    pub(super) fn new(patience: Duration, outage: Outage) -> Self {
        Self { patience, outage, count: Mutex::new(0) }
    }

    /// Nothing panics while it holds this lock.
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One dead letter on its way to its store. Whatever becomes of it, also if the partition is given up
/// meanwhile, the last one that goes takes back what was said of the store: nobody waits for it any more.
pub(super) struct Storing<'a> {
    letters: &'a WaitingLetters,
    health: &'a PipelineHealth,
    waits: bool,
}

impl<'a> Storing<'a> {
    pub(super) fn new(letters: &'a WaitingLetters, health: &'a PipelineHealth) -> Self {
        Self { letters, health, waits: false }
    }

    /// Asks the store once and waits for its answer, however long that takes. One that takes long, such
    /// as a network file system that hangs, is told meanwhile.
    pub(super) async fn attempt(
        &mut self,
        store: &dyn DeadLetterStore,
        letter: &DeadLetter<'_>,
    ) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut answer = store.store(letter);
        loop {
            if let Ok(answer) = timeout(self.letters.patience, &mut answer).await {
                return answer.inspect_err(|error| self.goes_on(&error.while_waiting()));
            }
            let place = store.place();
            let text = format!(
                "storing a dead letter in {place} has taken {} s; {}",
                began.elapsed().as_secs(),
                place.what_may_hang()
            );
            if !self.waits {
                tracing::warn!(pipeline = self.health.name(), "{text}");
            }
            self.goes_on(&text);
            self.waits(text);
        }
    }

    /// Repeats in the log now and then why letters wait.
    fn goes_on(&self, why: &str) {
        self.letters.outage.goes_on(self.health.name(), why);
    }

    /// The letter can't be stored for now.
    pub(super) fn waits(&mut self, why: String) {
        // Said under the lock: the last one that goes must not take back what another has just said.
        let mut count = self.letters.count();
        if !self.waits {
            *count += 1;
            self.waits = true;
        }
        self.health.lacks(Condition::DeadLetters, why);
    }

    /// The letter is stored. Whether that is news of the store: this letter had to wait, and no other one still
    /// does, such as one that alone is too large for what is left of the disk.
    pub(super) fn stored(mut self) -> bool {
        self.leaves()
    }

    /// Nobody waits for this letter any more. Whether it waited, and was the last one that did.
    fn leaves(&mut self) -> bool {
        if !std::mem::take(&mut self.waits) {
            return false;
        }
        let mut count = self.letters.count();
        *count -= 1;
        if *count == 0 {
            self.health.holds(Condition::DeadLetters);
        }
        *count == 0
    }
}

impl Drop for Storing<'_> {
    fn drop(&mut self) {
        self.leaves();
    }
}
