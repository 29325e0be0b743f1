//! Failures that stop the pipeline, and what is said of them.

use std::sync::{Arc, Mutex};

use super::{Letters, Parts, Scripted, delivery, end_of, parts, registry, stages};
use crate::action::ActionError;
use crate::delivery::{FailureCount, FailureLimits, FailureMode, Processed, Processor as _};
use crate::event::{Outcome, Stage};

#[tokio::test]
async fn a_panic_stops_the_pipeline_where_the_failure_mode_says_so() {
    let (_server, registry) = registry().await;
    let letters = Arc::new(Letters::default());
    let parts = parts(registry, Scripted(|_| panic!("no")), Arc::clone(&letters));
    let stages = stages(Parts { failure_mode: FailureMode::Throw, ..parts });
    let Processed::Ended(Outcome::Failed(_, Stage::Action, message)) = end_of(&stages, delivery(0)).await
    else {
        panic!("it goes on");
    };
    let says = "panicked: no (failure_mode: THROW); its dead letter g/MetadataChangeLog_Versioned_v1/0/0 is in nowhere: look with `datahub-relay dead-letters list -c RECIPE`, mend the cause and start again; this event then comes again";
    assert!(message.starts_with(says), "{message}");
    assert_eq!(letters.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn more_failures_in_a_row_than_allowed_stop_the_pipeline_and_a_success_between_them_does_not_count() {
    let (_server, registry) = registry().await;
    let letters = Arc::new(Letters::default());
    let action = Scripted(|partition| match partition {
        0 => Err(ActionError::permanent("refused")),
        _ => Ok(()),
    });
    let limits = FailureLimits { max_consecutive: Some(1), max_ratio: None };
    let failures = Mutex::new(FailureCount::new(limits));
    let stages = stages(Parts { failures, ..parts(registry, action, Arc::clone(&letters)) });
    for partition in [0, 1, 0] {
        let processed = end_of(&stages, delivery(partition)).await;
        assert!(
            !matches!(processed, Processed::Ended(Outcome::Failed(..)) | Processed::Interrupted),
            "{processed:?}"
        );
    }
    let Processed::Ended(Outcome::Failed(_, Stage::Action, message)) = stages.process(&delivery(0)).await
    else {
        panic!("the second failure in a row was borne");
    };
    let says = "refused (2 events in a row failed, and max_consecutive_failures is 1); its dead letter g/MetadataChangeLog_Versioned_v1/0/0 is in nowhere: ";
    assert!(message.starts_with(says), "{message}");
    assert_eq!(letters.0.lock().unwrap().len(), 3, "the last one is recorded too");
}
