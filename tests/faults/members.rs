//! Row 4: members of a group that join and leave, with every protocol.

use std::time::Duration;

use crate::harness::{Relay, WebhookServer};
use crate::ordering::Ordering;
use crate::protocol::Protocol;
use crate::report::{Failure, Verdict};
use crate::run::{Run, Stage, USUAL, Watching};
use crate::scale::Scale;

/// As many members as may be there at a time.
const MEMBERS: usize = 3;
/// More than the feeder is ever ahead: nothing but the interval makes a commit.
const MAX_UNCOMMITTED: usize = 2_000;

/// What a member says that did not finish what it had begun.
pub(crate) const NOT_DRAINED: [&str; 3] =
    ["did not finish within the drain time", "was not confirmed in time", "assignment lost"];

/// How long an action takes: so there is always something under way when a partition changes hands.
const ACTION: Duration = Duration::from_millis(1);

/// Starts and stops members in full swing. They post to one endpoint: so the order of all deliveries is
/// known.
pub(crate) fn row(stage: &Stage<'_>, protocol: Protocol, ordering: Ordering) -> Verdict {
    let server = WebhookServer::start(move |place, _| ordering.answer(place, ACTION));
    let name = ordering.name(&format!("members-{}", protocol.name()));
    let mut run = Run::begin_watching(stage, 4, &name, |_| Watching {
        deliveries: vec![server.deliveries()],
        ordered_by: ordering.unit(),
        letters: None,
    });
    ordering.prepare(&mut run);
    // Commits come once a second: so at any time there is much that only the commit at the hand-over
    // can keep from being acted on again.
    let recipe = ordering
        .kept_by(protocol.spoken_by(run.recipe().post_to(&server.url())))
        .option("commit", "1s")
        .option("max_uncommitted", MAX_UNCOMMITTED);
    let schedule = run.schedule(run.size.records);
    run.feed(run.size.records, USUAL);
    let mut members = vec![run.scene.run(&[&recipe])];
    let mut left: Vec<String> = Vec::new();
    for at in schedule {
        run.until_finished(at.max(1))?;
        let joins = members.len() == 1 || (members.len() < MEMBERS && run.rng.bool());
        if joins {
            run.strike("member joins");
            members.push(run.scene.run_until_ready(&[&recipe]));
        } else {
            run.strike("member leaves");
            let leaving: Relay = members.swap_remove(run.rng.usize(..members.len()));
            left.push(leaving.stop_and_tell());
        }
        run.over();
    }
    run.until_all_committed(&mut members.iter_mut().collect::<Vec<_>>())?;
    left.extend(members.into_iter().map(Relay::stop_and_tell));
    let undrained: usize = left
        .iter()
        .map(|log| NOT_DRAINED.iter().map(|words| log.matches(words).count()).sum::<usize>())
        .sum();
    // At the scale of CI nothing keeps a drain from being finished: there the bound stays 0.
    let every_drain = stage.scale == Scale::Ci;
    if undrained > 0 && !every_drain {
        let partitions = run.size.partitions as usize;
        run.allow_repeated(
            undrained * MAX_UNCOMMITTED,
            partitions,
            format!(
                "{undrained} drains that were not finished, of {partitions} partitions with at most \
                 {MAX_UNCOMMITTED} uncommitted events each"
            ),
        );
    }
    run.conclude()?;
    if undrained > 0 && every_drain {
        let last = left.concat();
        return Err(Failure::Unexpected(format!("{undrained} drains were not finished:\n{last}")));
    }
    Ok(())
}
