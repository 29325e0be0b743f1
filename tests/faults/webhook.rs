//! Rows 7, 9 and 10: the other end of an action is slow, unreliable, or away.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datahub_relay::delivery::BACKOFF_CAP;

use crate::harness::{Answer, Fate, MemoryCurve, OrderedBy, Place, WebhookServer};
use crate::report::{Failure, Verdict};
use crate::run::{Run, Stage, USUAL, Watching};

/// A member that does not poll for so long is thrown out; an action of row 7 takes longer.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(6);

/// Row 9: retries after the first attempt.
const RETRIES: u32 = 2;
/// Row 9: so long that no answer that is on its way is given up on a busy machine.
const TIMEOUT_SECONDS: f64 = 2.0;

/// Row 10: more than this much more memory, by the line that fits best, is not flat.
const FLAT_MIB: f64 = 16.0;

/// Row 7: actions that take longer than the group allows between two polls. The member is not thrown
/// out: polling does not wait for actions.
pub(crate) fn slow(stage: &Stage<'_>) -> Verdict {
    let size = stage.scale.of(7);
    // As many of the first records, each the only one of its partition that is worked on.
    let slow = size.faults as i64 / i64::from(size.partitions);
    let server = WebhookServer::start(move |place: &Place, _| {
        if place.offset < slow { Answer::ConfirmAfter(size.outage) } else { Answer::Confirm }
    });
    let mut run = watching(stage, 7, "slow-action", &server, OrderedBy::Partition);
    let recipe = run
        .recipe()
        .post_to(&server.url())
        .action("timeout_seconds", 10 * size.outage.as_secs())
        .consumer("max.poll.interval.ms", MAX_POLL_INTERVAL.as_millis() as u64);
    let mut relay = run.scene.run_until_ready(&[&recipe]);
    run.strike(&format!("the first {slow} actions of each partition take {} s each", size.outage.as_secs()));
    run.feed(size.records, USUAL);
    run.until_all_committed(&mut [&mut relay])?;
    // So that what is not there below is known to be a zero, not a metric of another name.
    if relay.metric("datahub_relay_rebalances_total", &["kind=\"assigned\""]) < Some(1.0) {
        return Err(run.break_off("no assignment was counted"));
    }
    for kind in ["lost", "revoked"] {
        let times = relay.metric("datahub_relay_rebalances_total", &[&format!("kind=\"{kind}\"")]);
        if times.unwrap_or(0.0) > 0.0 {
            return Err(run.break_off(format!("the member was thrown out: {}", relay.log())));
        }
    }
    relay.stop();
    run.note(format!("no eviction: max.poll.interval.ms was {} s", MAX_POLL_INTERVAL.as_secs()));
    run.conclude()
}

/// Row 9: an endpoint that fails, hangs and resets connections. What gave up is exactly what is in the
/// dead letters, since the plan says for each attempt what comes of it.
pub(crate) fn unreliable(stage: &Stage<'_>) -> Verdict {
    let seed = crate::harness::seed();
    let answer = move |place: &Place, attempt: u32| {
        let mut hasher = DefaultHasher::new();
        (seed, place.partition, place.offset, attempt).hash(&mut hasher);
        match hasher.finish() % 100 {
            0..30 => Answer::Fail(503),
            30..35 => Answer::Hang,
            35..40 => Answer::Reset,
            _ => Answer::Confirm,
        }
    };
    let server = WebhookServer::start(answer);
    let mut run = watching(stage, 9, "webhook-unreliable", &server, OrderedBy::Entity);
    let recipe = run
        .recipe()
        .post_to(&server.url())
        .action("timeout_seconds", TIMEOUT_SECONDS)
        .option("retry_count", RETRIES)
        .option("retry_backoff_seconds", 0.01)
        .option("ordering", "key")
        .option("concurrency", 128);
    let feeder = run.feeder();
    feeder.set_entities_per_partition(100);
    feeder.judge(Box::new(move |place| {
        let confirmed = (0..=RETRIES).any(|attempt| answer(place, attempt) == Answer::Confirm);
        if confirmed { Fate::Act } else { Fate::DeadLetter }
    }));
    run.strike("webhook: 30 % answer 503, 5 % hang, 5 % reset the connection");
    run.feed(run.size.records, USUAL);
    let mut relay = run.scene.run(&[&recipe]);
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    run.note(format!(
        "{} requests; the dead letters are those whose every attempt had to fail",
        server.requests()
    ));
    run.conclude()
}

/// Row 10: an endpoint that is away for minutes. Memory stays flat meanwhile, and what waited is caught
/// up with.
pub(crate) fn away(stage: &Stage<'_>) -> Verdict {
    let size = stage.scale.of(10);
    let away = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&away);
    let server = WebhookServer::start(move |place: &Place, _| match told.load(Ordering::Acquire) {
        false => Answer::Confirm,
        true if place.offset % 2 == 0 => Answer::Fail(503),
        true => Answer::Reset,
    });
    let mut run = watching(stage, 10, "webhook-away", &server, OrderedBy::Partition);
    let recipe = run
        .recipe()
        .post_to(&server.url())
        .option("retry_count", 1_000_000)
        .option("retry_backoff_seconds", 0.5);
    run.feed_now(size.records, USUAL);
    let mut relay = run.scene.run(&[&recipe]);
    run.until_finished(size.records / 20)?;
    run.strike(&format!("webhook away for {} s", size.outage.as_secs()));
    away.store(true, Ordering::Release);
    let since = Instant::now();
    // What was under way when it began is no growth.
    run.wait("the pipeline to stand still", || since.elapsed() > size.outage / 5)?;
    let mut curve = MemoryCurve::every(Duration::from_millis(200));
    run.wait("the outage to be over", || {
        curve.look(&relay);
        since.elapsed() >= size.outage
    })?;
    away.store(false, Ordering::Release);
    run.over_but_for(BACKOFF_CAP);
    let back = Instant::now();
    let grown = slope(&run, &curve)? * size.outage.as_secs_f64() * 0.8 / 60.0;
    run.note(format!(
        "memory during the outage: {:.1} MiB at most, grown by {grown:.2} MiB",
        curve.peak_mib()
    ));
    if grown > FLAT_MIB {
        return Err(run.break_off(format!("memory grew by {grown:.1} MiB during the outage")));
    }
    run.until_all_committed(&mut [&mut relay])?;
    run.note(format!("caught up {:.1} s after it was back", back.elapsed().as_secs_f64()));
    relay.stop();
    run.conclude()
}

/// A run whose deliveries are what the server confirms.
fn watching<'a>(
    stage: &Stage<'a>,
    row: u32,
    name: &str,
    server: &WebhookServer,
    ordered_by: OrderedBy,
) -> Run<'a> {
    Run::begin_watching(stage, row, name, |_| Watching {
        deliveries: vec![server.deliveries()],
        ordered_by,
        letters: None,
    })
}

/// How memory went, in MiB a minute.
///
/// # Errors
/// If it was looked at too seldom to say so.
pub(crate) fn slope(run: &Run<'_>, curve: &MemoryCurve) -> Result<f64, Failure> {
    curve.slope_mib_per_minute().ok_or_else(|| run.break_off("memory was looked at too seldom to judge it"))
}
