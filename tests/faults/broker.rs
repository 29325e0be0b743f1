//! Row 5: a broker that is killed and comes back.

use std::time::Instant;

use crate::harness::KafkaBroker;
use crate::report::Verdict;
use crate::run::{Run, Stage, USUAL};

const MAX_UNCOMMITTED: usize = 500;

/// Kills the broker, as a power cut would, and starts it again, at once or after a long while. The
/// program waits for it and never ends.
pub(crate) fn row(stage: &Stage<'_>, broker: &KafkaBroker) -> Verdict {
    let mut run = Run::begin(stage, 5, "broker-restart");
    let recipe = run.recipe().option("max_uncommitted", MAX_UNCOMMITTED);
    let schedule = run.schedule(run.size.records);
    let long_one = run.rng.usize(..schedule.len().max(1));
    run.feed(run.size.records, USUAL);
    let mut relay = run.scene.run(&[&recipe]);
    for (nth, at) in schedule.into_iter().enumerate() {
        // What it repeats for the last one is not to be lost once more.
        run.until_recovered()?;
        let begun_at = run.finished();
        run.until_finished(at.max(begun_at + 1).min(run.size.records))?;
        let outage = if nth == long_one { run.size.outage } else { std::time::Duration::ZERO };
        run.strike_that_repeats(
            &format!("broker killed and gone for {} s", outage.as_secs()),
            MAX_UNCOMMITTED,
        );
        broker.kill();
        let gone = Instant::now();
        run.wait("the outage to be over", || gone.elapsed() >= outage)?;
        broker.restart();
        run.over();
    }
    run.until_all_committed(&mut [&mut relay])?;
    relay.wait_until_ready();
    relay.stop();
    let (kills, partitions) = (run.struck(), run.size.partitions as usize);
    run.allow_repeated(
        kills * MAX_UNCOMMITTED,
        partitions,
        format!("{kills} sessions lost, {partitions} partitions with at most {MAX_UNCOMMITTED} uncommitted events each"),
    );
    run.conclude()
}
