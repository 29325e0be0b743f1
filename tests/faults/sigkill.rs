//! Row 3: SIGKILL, again and again.

use crate::report::Verdict;
use crate::run::{Run, Stage, USUAL};

/// What a partition may hold that is not committed.
const MAX_UNCOMMITTED: usize = 100;

/// How the recipe commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Whatever is finished while a commit is under way goes into the next one.
    InGroups,
    /// Each event's before the next one of its partition begins.
    PerEvent,
}

/// Kills the program in full swing and starts it anew.
pub(crate) fn row(stage: &Stage<'_>, commits: Commits) -> Verdict {
    let mut run =
        Run::begin(stage, 3, if commits == Commits::PerEvent { "sigkill-per-event" } else { "sigkill" });
    let (recipe, records, at_risk) = match commits {
        Commits::InGroups => {
            (run.recipe().option("max_uncommitted", MAX_UNCOMMITTED), run.size.records, MAX_UNCOMMITTED)
        }
        // A request an event is slow: a tenth shows the same.
        Commits::PerEvent => (run.recipe().option("commit", "per_event"), run.size.records / 10, 1),
    };
    let schedule = run.schedule(records);
    run.feed(records, USUAL);
    for at in schedule {
        let relay = run.scene.run(&[&recipe]);
        run.over();
        // Wherever the schedule says, but not before this process has done something.
        let begun_at = run.finished();
        run.until_finished(at.max(begun_at + 1).min(records))?;
        run.strike("SIGKILL");
        relay.kill();
        run.nobody_is_left("SIGKILL", at_risk);
    }
    let mut relay = run.scene.run(&[&recipe]);
    run.over();
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    let (kills, partitions) = (run.struck(), run.size.partitions as usize);
    run.allow_repeated(
        kills * at_risk,
        partitions,
        format!("{kills} kills of {partitions} partitions with at most {at_risk} uncommitted events each"),
    );
    run.conclude()
}
