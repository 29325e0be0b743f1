//! The suite must be able to fail: the program with a defect on purpose, which the invariants have to
//! catch. A run in which a mutant passes is a failed run.
//!
//! Exists with the feature `mutants`, which gives the program its defects; see `src/mutant.rs`.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::harness::{Invariant, KafkaBroker, Mix};
use crate::ordering::Ordering;
use crate::protocol::Protocol;
use crate::report::{Failure, Verdict};
use crate::run::{Stage, USUAL};
use crate::scale::Scale;
use crate::{dead_letters, members, no_fault, sigkill};

/// However it is caught, it is soon; a run that hangs is a failed run.
const WITHIN: Duration = Duration::from_secs(120);

/// Runs a row with a mutant, and passes if one of these invariants caught it.
fn caught(mutant: &'static str, by: &[Invariant], row: fn(&Stage<'_>) -> Verdict) {
    let (tell, told) = channel();
    let playing = std::thread::spawn(move || {
        let stage =
            Stage { broker: KafkaBroker::shared(), real: true, scale: Scale::Ci, mutant: Some(mutant) };
        // Nobody listens any more only where the time is over, and that has been said.
        let _ = tell.send(row(&stage));
    });
    let verdict = match told.recv_timeout(WITHIN) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Timeout) => panic!("{mutant} was not caught within {WITHIN:?}"),
        Err(RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(playing.join().expect_err("it panicked before it could tell"))
        }
    };
    let violations = match verdict {
        Err(Failure::Broken(violations)) => violations,
        Err(Failure::Unexpected(what)) => {
            panic!("{mutant}: no invariant caught it, though it did not pass: {what}")
        }
        Ok(()) => panic!("{mutant} passed: the suite proves nothing"),
    };
    let first = &violations[0];
    let report = format!("\n== mutant {mutant}: caught by {first}\n");
    // Not `print!`: the test runner would keep it to itself.
    let _ = std::io::stderr().write_all(report.as_bytes());
    let expected = violations.iter().any(|violation| by.contains(&violation.invariant));
    assert!(expected, "{mutant}: caught, but by none of {by:?}: {violations:?}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn mutant_that_commits_before_it_acknowledges_is_caught() {
    let by = [Invariant::NothingLost, Invariant::NeverAhead];
    caught("commit-before-acknowledge", &by, |stage| {
        sigkill::row(stage, sigkill::Commits::InGroups, Ordering::Partition)
    });
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn mutant_that_acknowledges_after_a_revocation_is_caught() {
    let by = [Invariant::NeverBack, Invariant::Bounded];
    caught("acknowledge-after-revoke", &by, |stage| {
        members::row(stage, Protocol::Eager, Ordering::Partition)
    });
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn mutant_that_steps_past_a_failed_event_is_caught() {
    let by = [Invariant::NothingLost, Invariant::NeverAhead];
    caught("step-past-a-failed-event", &by, dead_letters::row);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn mutant_whose_decoder_accepts_cut_records_is_caught() {
    // Most cuts are noticed later all the same: one record in twenty is cut, so that some are not.
    const CUT: Mix = Mix { bad: 50, ..USUAL };
    let by = [Invariant::NothingLost, Invariant::NeverAhead];
    caught("accept-cut-records", &by, |stage| no_fault::row(stage, CUT));
}
