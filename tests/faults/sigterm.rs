//! Row 2: SIGTERM, again and again.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Ended, has_left};
use crate::members::NOT_DRAINED;
use crate::report::{Failure, Verdict};
use crate::run::{Run, Stage, USUAL};

/// What the recipe gives a drain, and what the process has for everything else of a stop.
const DRAIN_SECONDS: u64 = 20;
const GOODBYE: Duration = Duration::from_secs(10);
/// No action takes long here, so no stop does.
const SLOWEST: Duration = Duration::from_secs(10);

/// Stops the program in full swing and starts it anew. Nothing comes again: what was acted on is
/// committed when a stop ends.
pub(crate) fn row(stage: &Stage<'_>) -> Verdict {
    let mut run = Run::begin(stage, 2, "sigterm");
    // Commits come once a second: so there is much that only the commit at the stop can keep from
    // being acted on again.
    let recipe = run.recipe().option("commit", "1s").option("drain_timeout_seconds", DRAIN_SECONDS);
    let schedule = run.schedule(run.size.records);
    run.feed(run.size.records, USUAL);
    let mut slowest = Duration::ZERO;
    for at in schedule {
        let mut relay = run.scene.run(&[&recipe]);
        run.over();
        // Wherever the schedule says, but not before this process has done something.
        let begun_at = run.finished();
        run.until_finished(at.max(begun_at + 1).min(run.size.records))?;
        // Before that it does not listen for signals yet.
        run.wait("the process to answer", || relay.ready().is_some())?;
        run.strike("SIGTERM");
        let signalled = Instant::now();
        relay.signal(Signal::TERM);
        let ended = relay.wait_for_end(Duration::from_secs(DRAIN_SECONDS) + GOODBYE);
        slowest = slowest.max(signalled.elapsed());
        if ended != Ended::Code(0) {
            return Err(run.break_off(format!("SIGTERM ended it with {ended:?}:\n{}", relay.log())));
        }
        let log = relay.log();
        if NOT_DRAINED.iter().any(|words| log.contains(words)) || !has_left(&log) {
            return Err(run.break_off(format!("a stop left something unfinished:\n{log}")));
        }
    }
    let mut relay = run.scene.run(&[&recipe]);
    run.over();
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    run.note(format!("the slowest stop took {:.1} s of {DRAIN_SECONDS} s", slowest.as_secs_f64()));
    run.conclude()?;
    if slowest > SLOWEST {
        return Err(Failure::Unexpected(format!("a stop took {slowest:?}, more than {SLOWEST:?}")));
    }
    Ok(())
}
