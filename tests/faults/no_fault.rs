//! Row 1: no fault.

use crate::harness::{Fate, Mix};
use crate::report::Verdict;
use crate::run::{Run, Stage};

const DROPPED: &str = "datahub_relay_dropped_total";

/// Feeds everything, of `mix`, and waits until it is committed.
pub(crate) fn row(stage: &Stage<'_>, mix: Mix) -> Verdict {
    let mut run = Run::begin(stage, 1, "no-fault");
    run.feed(run.size.records, mix);
    let mut relay = run.scene.run(&[&run.recipe()]);
    run.until_all_committed(&mut [&mut relay])?;
    // Nobody outside sees a record dropped: so the feeder's word for it is held against the program's.
    let had_to = run.fates().count(Fate::Drop) as f64;
    run.wait(&format!("the program to say that it dropped {had_to} records"), || {
        relay.metric(DROPPED, &[]) == Some(had_to)
    })?;
    relay.stop();
    run.conclude()
}
