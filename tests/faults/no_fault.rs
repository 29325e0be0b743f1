//! Row 1: no fault.

use crate::harness::Mix;
use crate::report::Verdict;
use crate::run::{Run, Stage};

/// Feeds everything, of `mix`, and waits until it is committed.
pub(crate) fn row(stage: &Stage<'_>, mix: Mix) -> Verdict {
    let mut run = Run::begin(stage, 1, "no-fault");
    run.feed(run.size.records, mix);
    let mut relay = run.scene.run(&[&run.recipe()]);
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    run.conclude()
}
