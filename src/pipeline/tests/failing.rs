//! What the log says while an action fails or hangs.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Attempts, PATIENCE, Parts, Scripted, delivery, end_of, log_lines, one_at_a_time, parts, registry, spawn,
    stages,
};
use crate::action::ActionError;
use crate::delivery::{Processed, RetryPolicy, RetrySettings};
use crate::event::{Outcome, Stage};
use crate::redaction::Secrets;

#[tokio::test]
async fn a_failed_attempt_is_told_before_the_last_one_and_the_ones_behind_it_are_counted() {
    let (_server, registry) = registry().await;
    let busy = Scripted(|_| Err(ActionError::retryable("503 for https://me:c4n4ry@host/")));
    let parts = parts(registry, busy, Arc::default());
    let mut secrets = Secrets::default();
    secrets.add("c4n4ry");
    let retry = RetryPolicy::new(&RetrySettings { count: 3, backoff: Duration::ZERO });
    let attempts = Attempts { secrets, retry, ..parts.attempts };
    let stages = stages(Parts { attempts, ..parts });
    let log = log_lines::keep();
    let processed = end_of(&stages, delivery(1)).await;
    assert!(matches!(processed, Processed::Ended(Outcome::DeadLettered(_, Stage::Action))), "{processed:?}");
    let told = log.containing("of 4 failed");
    assert_eq!(told.len(), 1, "{told:?}");
    let says = "attempt 1 of 4 failed, the next one follows in 0.0 s: 503 for https://me:…@host/";
    assert!(told[0].contains("WARN") && told[0].contains(says), "{told:?}");
    assert!(told[0].contains("position=MetadataChangeLog_Versioned_v1[1]@0"), "{told:?}");
}

#[tokio::test]
async fn an_event_is_shown_in_its_action_while_that_runs_and_while_it_waits_for_the_next_attempt() {
    let (_server, registry) = registry().await;
    let (stages, gate) = one_at_a_time(registry);
    let shown = || stages.parts.health.in_action().about_oldest(|_| true).unwrap_or_default();
    let acting = spawn(&stages, delivery(1));
    tokio::time::timeout(PATIENCE, gate.reached.notified()).await.expect("an action runs");
    assert!(shown().ends_with("[1]@0 has been in its action for 0 s, 0 of 4 attempts failed"), "{}", shown());
    // It waits for its turn, and is not in its action.
    let waiting = spawn(&stages, delivery(0));
    tokio::task::yield_now().await;
    let of_waiting = stages.parts.health.in_action().about_oldest(|source| source.partition == 0);
    assert_eq!(of_waiting, None);
    gate.open.notify_one();
    assert!(matches!(acting.await.unwrap(), Processed::Ended(Outcome::Acted(_))));
    tokio::time::timeout(PATIENCE, gate.reached.notified()).await.expect("the other one runs");
    let is_shown = async {
        while !shown().ends_with("[0]@0 has been in its action for 0 s, 1 of 4 attempts failed") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, is_shown).await.expect("it waits for its next attempt");
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_eq!(shown(), "", "nothing is left of it, however it ended");
}
