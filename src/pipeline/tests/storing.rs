//! What readiness says of a store for dead letters that fails or hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{PATIENCE, Scripted, delivery, end_of, log_lines, parts, registry, spawn, stages};
use crate::action::ActionError;
use crate::dead_letter::{DeadLetter, DeadLetterStore, StoreError, StorePlace};
use crate::delivery::{Processed, Processor as _};
use crate::event::Outcome;
use crate::pipeline::outage::Outage;
use crate::pipeline::stages::{Parts, Stages};
use crate::pipeline::storing::WaitingLetters;
use crate::telemetry::{Condition, HealthBoard, PipelineState};

/// Longer than the wait before a letter is tried again.
const TELL_AGAIN: Duration = Duration::from_secs(2);

/// Fails, hangs or stores, as the test says.
#[derive(Default)]
struct Store {
    full: AtomicBool,
    /// The partition whose letters alone are too large for what is left of the disk.
    too_large: Mutex<Option<i32>>,
    hangs: AtomicBool,
}

#[async_trait]
impl DeadLetterStore for Store {
    fn place(&self) -> StorePlace {
        StorePlace::File("letters.log".into())
    }

    async fn store(&self, letter: &DeadLetter<'_>) -> Result<(), StoreError> {
        while self.hangs.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let too_large = *self.too_large.lock().unwrap() == Some(letter.record.position.source.partition);
        if too_large || self.full.load(Ordering::Relaxed) {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(StoreError::File { path: "letters.log".into(), source });
        }
        Ok(())
    }
}

/// A pipeline that is ready and whose action refuses everything.
async fn refusing(store: &Arc<Store>) -> (Arc<Stages>, HealthBoard) {
    let (_server, registry) = registry().await;
    let parts = parts(registry, Scripted(|_| Err(ActionError::permanent("no"))), Arc::default());
    let board = HealthBoard::new(Duration::from_secs(3600));
    let health = board.pipeline("p");
    health.enter(PipelineState::Running);
    for met in [Condition::Brokers, Condition::Assignment, Condition::Registry, Condition::DeadLetters] {
        health.holds(met);
    }
    assert!(board.readiness().ready);
    let outage = Outage::told_again_after(TELL_AGAIN);
    let waiting_letters = WaitingLetters::new(Duration::from_millis(20), outage);
    let dead_letters: Arc<dyn DeadLetterStore> = Arc::clone(store) as _;
    let stages = stages(Parts { dead_letters, health, waiting_letters, ..parts });
    // The registry goes: its schema has to be known by then.
    stages.process(&delivery(0)).await;
    (stages, board)
}

async fn until_lacking(board: &HealthBoard, words: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let missing = board.readiness().pipelines[0].missing.clone();
        if missing.get(&Condition::DeadLetters).is_some_and(|why| why.contains(words)) {
            return;
        }
        assert!(Instant::now() < deadline, "{missing:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_letter_whose_partition_is_taken_leaves_nothing_missing_once_no_other_waits() {
    let store = Arc::new(Store::default());
    let (stages, board) = refusing(&store).await;
    store.full.store(true, Ordering::Relaxed);
    let deliveries = [delivery(1), delivery(2)];
    let epochs = deliveries.each_ref().map(|delivery| Arc::clone(&delivery.epoch));
    let [first, second] = deliveries.map(|delivery| spawn(&stages, delivery));
    until_lacking(&board, "letters.log").await;
    // Both wait once they have been told to leave, whichever of them was the first to be told.
    epochs[0].drain();
    assert!(matches!(first.await.unwrap(), Processed::Interrupted));
    until_lacking(&board, "letters.log").await;
    epochs[1].drain();
    assert!(matches!(second.await.unwrap(), Processed::Interrupted));
    assert!(board.readiness().ready, "{:?}", board.readiness());
}

#[tokio::test]
async fn a_letter_that_is_stored_does_not_take_back_that_another_one_waits() {
    let store = Arc::new(Store::default());
    let (stages, board) = refusing(&store).await;
    *store.too_large.lock().unwrap() = Some(1);
    let waiting = spawn(&stages, delivery(1));
    until_lacking(&board, "letters.log").await;
    let small = end_of(&stages, delivery(2)).await;
    assert!(matches!(small, Processed::Ended(Outcome::DeadLettered(..))), "{small:?}");
    assert!(board.readiness().pipelines[0].missing.contains_key(&Condition::DeadLetters));
    *store.too_large.lock().unwrap() = None;
    let processed = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(matches!(processed, Processed::Ended(Outcome::DeadLettered(..))), "{processed:?}");
    assert!(board.readiness().ready, "{:?}", board.readiness());
}

#[tokio::test]
async fn a_store_that_hangs_is_told_while_it_is_waited_for() {
    let store = Arc::new(Store::default());
    let (stages, board) = refusing(&store).await;
    store.hangs.store(true, Ordering::Relaxed);
    let storing = spawn(&stages, delivery(1));
    until_lacking(&board, "storing a dead letter in letters.log has taken 0 s; see whether its disk hangs")
        .await;
    store.hangs.store(false, Ordering::Relaxed);
    let processed = tokio::time::timeout(PATIENCE, storing).await.unwrap().unwrap();
    assert!(matches!(processed, Processed::Ended(Outcome::DeadLettered(..))), "{processed:?}");
    assert!(board.readiness().ready, "{:?}", board.readiness());
}

#[tokio::test]
async fn a_store_that_fails_or_hangs_is_repeated_in_the_log_for_as_long_as_that_lasts() {
    let store = Arc::new(Store::default());
    let (stages, _board) = refusing(&store).await;
    let log = log_lines::keep();
    let until_repeated = async |words: &str| {
        let deadline = Instant::now() + PATIENCE;
        while log.containing(&format!("dead letters still wait: {words}")).is_empty() {
            assert!(Instant::now() < deadline, "{:?}", log.containing(""));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    store.hangs.store(true, Ordering::Relaxed);
    let storing = spawn(&stages, delivery(1));
    until_repeated("storing a dead letter in letters.log has taken").await;
    store.full.store(true, Ordering::Relaxed);
    store.hangs.store(false, Ordering::Relaxed);
    until_repeated("cannot store a dead letter in letters.log: ").await;
    store.full.store(false, Ordering::Relaxed);
    let processed = tokio::time::timeout(PATIENCE, storing).await.unwrap().unwrap();
    assert!(matches!(processed, Processed::Ended(Outcome::DeadLettered(..))), "{processed:?}");
}
