//! Row 11: a schema registry that fails, hangs, answers nonsense, is gone, and comes back.

use std::time::Instant;

use datahub_relay::embedded::Behaviour;

use crate::harness::{Mix, Writer};
use crate::report::Verdict;
use crate::run::{Run, Stage, USUAL};

/// From here on each outage meets records of a schema that nobody has asked for yet.
const FIRST_NEW_ID: u32 = 1_000;

/// What the registry does, one after the other.
const OUTAGES: [(&str, Option<Behaviour>); 5] = [
    ("registry answers 500", Some(Behaviour::Fail(500))),
    ("registry hangs", Some(Behaviour::Hang)),
    ("registry is down", None),
    ("registry answers nonsense", Some(Behaviour::Garbage)),
    ("registry answers 503", Some(Behaviour::Fail(503))),
];

/// Takes the registry away, feeds records of a new schema, and gives it back: the records wait, none of
/// them becomes a dead letter, and nobody restarts anything.
pub(crate) fn row(stage: &Stage<'_>) -> Verdict {
    let mut run = Run::begin(stage, 11, "registry");
    let recipe = run.recipe();
    let good = Mix { bad: 0, ..USUAL };
    let mut relay = run.scene.run_until_ready(&[&recipe]);
    let portion = run.size.records / (2 * run.size.faults + 1);
    run.feed_now(portion, good);
    run.until_finished(portion)?;
    let begin_with = run.rng.usize(..OUTAGES.len());
    for nth in 0..run.size.faults {
        // All kinds in turn; the seed says which is the first.
        let (what, behaviour) = OUTAGES[(begin_with + nth) % OUTAGES.len()];
        let id = FIRST_NEW_ID + u32::try_from(nth).expect("few outages");
        run.strike(what);
        let port = match behaviour {
            Some(behaviour) => {
                run.scene.registry.behave(behaviour);
                None
            }
            None => Some(run.scene.registry_goes_down()),
        };
        let before = run.finished();
        run.feed_now(portion, Mix { schema_id: Some(id), ..good });
        run.wait("readiness to say no", || relay.ready() == Some(false))?;
        let outage = run.size.outage;
        let since = Instant::now();
        run.wait("the outage to be over", || since.elapsed() >= outage)?;
        // Only what the filter drops may have passed, and nothing that needs the new schema has.
        let acted = run.lines();
        if let Some(port) = port {
            run.scene.registry_comes_back(port);
        }
        for known in FIRST_NEW_ID..=id {
            run.scene.registry.put(known, Writer::EarlyChangeLog.schema());
        }
        if run.lines() != acted {
            return Err(run.break_off(format!("{what}: events were acted on without a schema")));
        }
        run.scene.registry.behave(Behaviour::Answer);
        run.over();
        run.feed_now(portion, Mix { schema_id: None, ..good });
        run.until_finished(before + 2 * portion)?;
        run.wait("readiness to say yes again", || relay.ready() == Some(true))?;
    }
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    run.conclude()
}
