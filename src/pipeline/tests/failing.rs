//! What the log says while an action fails or hangs.

use std::sync::Arc;
use std::time::Duration;

use super::{Attempts, Parts, Scripted, delivery, end_of, log_lines, parts, registry, stages};
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
