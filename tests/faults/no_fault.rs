//! Row 1: no fault.

use crate::run::{Run, Stage, USUAL, Verdict};

/// Feeds everything and waits until it is committed.
pub(crate) fn row(stage: &Stage<'_>) -> Verdict {
    let mut run = Run::begin(stage, 1, "no-fault");
    run.feed(run.size.records, USUAL);
    let mut relay = run.scene.run(&[&run.recipe()]);
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    run.conclude()
}
