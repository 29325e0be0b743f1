//! Row 3: SIGKILL, again and again.

use crate::ordering::Ordering;
use crate::report::Verdict;
use crate::run::{Run, Stage, USUAL, Watching};

/// What a partition may hold that is not committed.
const MAX_UNCOMMITTED: usize = 100;

/// How the recipe commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Whatever is finished while a commit is under way goes into the next one.
    InGroups,
    /// Once a second, or where half of `max_uncommitted` is used: so the bound on what comes again is reached.
    Seldom,
    /// Each event's before the next one of its partition begins.
    PerEvent,
}

/// Kills the program in full swing and starts it anew.
pub(crate) fn row(stage: &Stage<'_>, commits: Commits, ordering: Ordering) -> Verdict {
    let name = match commits {
        Commits::InGroups => "sigkill",
        Commits::Seldom => "sigkill-commit-seldom",
        Commits::PerEvent => "sigkill-per-event",
    };
    let mut run = Run::begin_watching(stage, 3, &ordering.name(name), |scene| Watching {
        deliveries: vec![Box::new(scene.action_log())],
        ordered_by: ordering.unit(),
        letters: None,
    });
    ordering.prepare(&mut run);
    let recipe = ordering.kept_by(run.recipe());
    let (recipe, records, at_risk) = match commits {
        Commits::InGroups => {
            (recipe.option("max_uncommitted", MAX_UNCOMMITTED), run.size.records, MAX_UNCOMMITTED)
        }
        Commits::Seldom => {
            let recipe = recipe.option("commit", "1s").option("max_uncommitted", MAX_UNCOMMITTED);
            (recipe, run.size.records, MAX_UNCOMMITTED)
        }
        // A request an event is slow: a tenth shows the same.
        Commits::PerEvent => (recipe.option("commit", "per_event"), run.size.records / 10, 1),
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
