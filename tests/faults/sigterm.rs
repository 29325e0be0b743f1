//! Row 2: SIGTERM, again and again.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Ended, WebhookServer, has_left};
use crate::members::NOT_DRAINED;
use crate::ordering::Ordering;
use crate::report::{Failure, Verdict};
use crate::run::{Run, Stage, USUAL, Watching};

/// What the recipe gives a drain, and what the process has for everything else of a stop.
const DRAIN_SECONDS: u64 = 20;
const GOODBYE: Duration = Duration::from_secs(10);
/// Where events overtake each other: so there is always one under way below some that are finished.
const ACTION: Duration = Duration::from_millis(1);
/// No action takes long here, so no stop does.
const SLOWEST: Duration = Duration::from_secs(10);

/// Stops the program in full swing and starts it anew. Nothing comes again: what was acted on is
/// committed when a stop ends.
pub(crate) fn row(stage: &Stage<'_>, ordering: Ordering) -> Verdict {
    let server = WebhookServer::start(move |place, _| ordering.answer(place, ACTION));
    let mut run = Run::begin_watching(stage, 2, &ordering.name("sigterm"), |scene| Watching {
        deliveries: vec![match ordering {
            Ordering::Partition => Box::new(scene.action_log()),
            Ordering::Key | Ordering::Unordered => server.deliveries(),
        }],
        ordered_by: ordering.unit(),
        letters: None,
    });
    ordering.prepare(&mut run);
    let recipe = match ordering {
        Ordering::Partition => run.recipe(),
        Ordering::Key | Ordering::Unordered => run.recipe().post_to(&server.url()),
    };
    // Commits come once a second: so there is much that only the commit at the stop can keep from
    // being acted on again.
    let recipe =
        ordering.kept_by(recipe).option("commit", "1s").option("drain_timeout_seconds", DRAIN_SECONDS);
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
