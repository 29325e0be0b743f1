//! Row 14: hours of everything, in random order.

use std::time::{Duration, Instant};

use datahub_relay::embedded::Behaviour;
use rustix::process::Signal;

use crate::harness::{Answer, KafkaBroker, MemoryCurve, OrderedBy, Recipe, Relay, WebhookServer};
use crate::report::{Failure, Verdict};
use crate::run::{Run, Stage, USUAL, Watching};
use crate::webhook::slope;

/// As many members as may be there at a time.
const MEMBERS: usize = 3;
const MAX_UNCOMMITTED: usize = 500;
/// Not as soon as something is finished: of hundreds of commits a second Kafka's log of them grows by a
/// gigabyte an hour, which it reads at each start, and while it does Kafka 4.1.1 can take the first part of
/// it for all. The group's offsets are those of an hour ago then, whoever asks.
const COMMIT: &str = "1s";
/// Records a second: fewer than the members can do, so that the backlog of an outage goes away again.
const PACE: usize = 1_000;
/// Time between two faults, in seconds.
const CALM_SECONDS: std::ops::Range<u64> = 5..30;
/// How long an outage lasts, in seconds.
const OUTAGE_SECONDS: std::ops::Range<u64> = 2..15;
/// The memory of a process that lives as long as the soak may grow by so much, by the line that fits
/// best: caches fill up in the first hours.
const GROWTH_MIB: f64 = 32.0;

/// What may strike.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Leave,
    Join,
    Freeze,
    Registry,
    Broker,
}

const FAULTS: [Fault; 6] =
    [Fault::Kill, Fault::Leave, Fault::Join, Fault::Freeze, Fault::Registry, Fault::Broker];

/// A member that lives throughout, and others that come and go.
struct Members {
    first: Relay,
    others: Vec<Relay>,
}

/// Runs for as long as the size says. The webhook fails now and then all the time.
pub(crate) fn row(stage: &Stage<'_>, broker: &KafkaBroker) -> Verdict {
    let server = WebhookServer::start(|place, attempt| match (place.offset, attempt) {
        (offset, 0) if offset % 50 == 0 => Answer::Fail(503),
        (offset, 0) if offset % 999 == 0 => Answer::Reset,
        _ => Answer::ConfirmAfter(Duration::from_millis(1)),
    });
    let mut run = Run::begin_watching(stage, 14, "soak", |_| Watching {
        deliveries: vec![server.deliveries()],
        ordered_by: OrderedBy::Partition,
        letters: None,
    });
    let recipe = run
        .recipe()
        .post_to(&server.url())
        .option("retry_count", 1_000_000)
        .option("retry_backoff_seconds", 0.1)
        .option("commit", COMMIT)
        .option("max_uncommitted", MAX_UNCOMMITTED);
    let mut members = Members { first: run.scene.run_until_ready(&[&recipe]), others: Vec::new() };
    run.feed_at(run.size.records, USUAL, PACE);
    let begun = Instant::now();
    let mut curve = MemoryCurve::every(Duration::from_secs(1));
    let mut sessions_lost = 0;
    let partitions = run.size.partitions as usize;
    while begun.elapsed() < run.size.outage {
        let calm = Duration::from_secs(run.rng.u64(CALM_SECONDS));
        let since = Instant::now();
        run.wait("the calm between two faults to be over", || {
            // What a process needs to get going is no growth.
            if begun.elapsed() > run.size.outage / 5 {
                curve.look(&members.first);
            }
            since.elapsed() > calm
        })?;
        // The calm alone may be shorter than a recovery: then the next fault would hide that there was none.
        run.until_recovered()?;
        let fault = FAULTS[run.rng.usize(..FAULTS.len())];
        sessions_lost += strike(&mut run, fault, (&mut members, &recipe, broker))?;
        run.over();
        run.allow_repeated(
            sessions_lost * MAX_UNCOMMITTED,
            partitions,
            format!(
                "{sessions_lost} sessions lost, {partitions} partitions with at most {MAX_UNCOMMITTED} uncommitted \
                 events each"
            ),
        );
        if let Some(ended) = members.first.ended() {
            return Err(run.break_off(format!("ended by itself, {ended:?}:\n{}", members.first.log())));
        }
    }
    run.stop_feeding();
    let Members { mut first, mut others } = members;
    let mut all: Vec<&mut Relay> = others.iter_mut().chain([&mut first]).collect();
    run.until_all_committed(&mut all)?;
    first.stop();
    others.into_iter().for_each(Relay::stop);
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let slope = slope(&run, &curve)?;
    let grown = slope * minutes * 0.8;
    run.note(format!(
        "{minutes:.0} minutes; memory of the process that lived throughout: {:.1} MiB at most, slope {:.2} MiB an hour",
        curve.peak_mib(),
        slope * 60.0
    ));
    if grown > GROWTH_MIB {
        return Err(run.break_off(format!("memory grew by {grown:.1} MiB")));
    }
    run.conclude()
}

/// Lets a fault strike and end. Returns how many sessions it may have cost.
fn strike(
    run: &mut Run<'_>,
    fault: Fault,
    (members, recipe, broker): (&mut Members, &Recipe, &KafkaBroker),
) -> Result<usize, Failure> {
    let outage = Duration::from_secs(run.rng.u64(OUTAGE_SECONDS));
    let wait = |run: &Run<'_>| {
        let since = Instant::now();
        run.wait("the outage to be over", || since.elapsed() > outage)
    };
    match fault {
        Fault::Kill if !members.others.is_empty() => {
            run.strike_that_repeats("SIGKILL", MAX_UNCOMMITTED);
            members.others.swap_remove(run.rng.usize(..members.others.len())).kill();
            Ok(1)
        }
        Fault::Leave if !members.others.is_empty() => {
            // A drain behind a slow webhook may meet its deadline.
            run.strike_that_repeats("member leaves", MAX_UNCOMMITTED);
            members.others.swap_remove(run.rng.usize(..members.others.len())).stop();
            Ok(1)
        }
        Fault::Join | Fault::Kill | Fault::Leave => {
            if members.others.len() + 1 < MEMBERS {
                run.strike("member joins");
                members.others.push(run.scene.run(&[recipe]));
            }
            Ok(0)
        }
        Fault::Freeze => {
            run.strike_that_repeats("member frozen", MAX_UNCOMMITTED);
            members.first.signal(Signal::STOP);
            let waited = wait(run);
            members.first.signal(Signal::CONT);
            waited.map(|()| 1)
        }
        Fault::Registry => {
            run.strike("registry answers 500");
            run.scene.registry.behave(Behaviour::Fail(500));
            let waited = wait(run);
            run.scene.registry.behave(Behaviour::Answer);
            waited.map(|()| 0)
        }
        Fault::Broker => {
            // Each member may lose its session.
            let sessions = members.others.len() + 1;
            run.strike_that_repeats("broker killed", sessions * MAX_UNCOMMITTED);
            broker.kill();
            let waited = wait(run);
            broker.restart();
            waited.map(|()| sessions)
        }
    }
}
