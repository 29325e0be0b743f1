//! Row 6: a member that is frozen for longer than its session lasts.
//!
//! When it wakes up it takes its partitions for its own, and what it acknowledges then must not be
//! committed over what their new owner has. A commit that it makes all the same goes back, since the
//! new owner has gone on (I3, in Kafka's own log of commits, where none can hide), and where it does
//! not, it is ahead of nothing.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Answer, OrderedBy, WebhookServer};
use crate::protocol::Protocol;
use crate::report::Verdict;
use crate::run::{Run, Stage, USUAL, Watching};

/// Twice as much as the feeder is ever ahead of a partition, more or less: nothing but the interval makes a
/// commit, so that there is much to commit when the process wakes up.
const MAX_UNCOMMITTED: usize = 2_000;
/// How long an action takes: so there is always something under way when the process is frozen.
const ACTION: Duration = Duration::from_millis(1);

const REBALANCES: &str = "datahub_relay_rebalances_total";

/// Freezes the second of two members, waits until the first has gone on with its partitions, and wakes
/// it up.
pub(crate) fn row(stage: &Stage<'_>, protocol: Protocol) -> Verdict {
    // Not a file: a frozen process may hold the lock of one that both write to.
    let server = WebhookServer::start(|_, _| Answer::ConfirmAfter(ACTION));
    let mut run = Run::begin_watching(stage, 6, &format!("frozen-{}", protocol.name()), |_| Watching {
        deliveries: vec![server.deliveries()],
        ordered_by: OrderedBy::Partition,
        letters: None,
    });
    let partitions = run.size.partitions as usize;
    // Commits come once a second: what the frozen member has not committed, the other one does again.
    let with_options = |recipe| {
        protocol
            .spoken_by(run.of(recipe).post_to(&server.url()))
            .option("commit", "1s")
            .option("max_uncommitted", MAX_UNCOMMITTED)
    };
    let (first, second) =
        (with_options(run.scene.recipe()), with_options(run.scene.recipe_of_second_member()));
    let schedule = run.schedule(run.size.records);
    run.feed(run.size.records, USUAL);
    let mut first = run.scene.run_until_ready(&[&first]);
    let mut second = run.scene.run_until_ready(&[&second]);
    let mut times_lost = 0.0;
    for at in schedule {
        run.wait("both members to have a share", || {
            [&first, &second].iter().all(|member| member.assigned() == Some(partitions / 2))
        })?;
        run.until_finished(at)?;
        run.strike_that_repeats("member frozen beyond its session", MAX_UNCOMMITTED);
        second.signal(Signal::STOP);
        let frozen_at = run.committed();
        run.wait("the first member to have taken over", || first.assigned() == Some(partitions))?;
        // It has its own progress on each partition, which a stale commit would take back.
        let ends = run.fates().ends();
        run.wait("the first member to have gone on", || {
            let now = run.committed();
            ends.iter().all(|(partition, end)| {
                let committed = now.get(partition);
                committed > frozen_at.get(partition) || committed == Some(end)
            })
        })?;
        second.signal(Signal::CONT);
        run.over();
        times_lost += 1.0;
        run.wait("the frozen member to notice that it has lost its partitions", || {
            second.metric(REBALANCES, &["kind=\"lost\""]) >= Some(times_lost)
        })?;
    }
    run.until_all_committed(&mut [&mut first, &mut second])?;
    first.stop();
    second.stop();
    let (freezes, share) = (run.struck(), partitions / 2);
    run.allow_repeated(
        freezes * MAX_UNCOMMITTED,
        share,
        format!("{freezes} sessions lost of {share} partitions with at most {MAX_UNCOMMITTED} uncommitted events each"),
    );
    run.conclude()
}
