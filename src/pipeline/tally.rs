//! What a run came to, for the person who reads its last lines.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::event::Outcome;

/// Counts what happened to a pipeline's records. Metrics tell a monitoring system, this tells the
/// summary at the end of a run.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    received: AtomicU64,
    acted: AtomicU64,
    dropped: AtomicU64,
    dead_lettered: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            received: AtomicU64::new(0),
            acted: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            dead_lettered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// So many records were received.
    pub(super) fn received(&self, records: u64) {
        self.received.fetch_add(records, Ordering::Relaxed);
    }

    /// So many records were dropped before they reached a lane.
    pub(super) fn dropped(&self, records: u64) {
        self.dropped.fetch_add(records, Ordering::Relaxed);
    }

    /// An event that reached a lane came to an end.
    pub(super) fn ended(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Acted(_) => &self.acted,
            Outcome::Dropped(..) => &self.dropped,
            Outcome::DeadLettered(..) => &self.dead_lettered,
            Outcome::Failed(..) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn summary(&self) -> Summary {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Summary {
            received: read(&self.received),
            acted: read(&self.acted),
            dropped: read(&self.dropped),
            dead_lettered: read(&self.dead_lettered),
            failed: read(&self.failed),
            seconds: self.began.elapsed().as_secs_f64(),
        }
    }
}

/// What a run of a pipeline came to. `received` also counts what came again, and what was received and
/// not finished: that comes again with the next run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Records received.
    pub received: u64,
    /// Events that the action took.
    pub acted: u64,
    /// Records that a filter dropped or that held nothing to act on.
    pub dropped: u64,
    /// Events whose dead letter was stored.
    pub dead_lettered: u64,
    /// Events that stopped the pipeline (`failure_mode: THROW`).
    pub failed: u64,
    /// How long the pipeline ran, in seconds.
    pub seconds: f64,
}

impl Summary {
    /// Records that were received and have not come to their end: a stop, or another member that took
    /// their partition over, came first.
    pub fn unfinished(&self) -> u64 {
        let Self { received, acted, dropped, dead_lettered, failed, .. } = self;
        received.saturating_sub(acted + dropped + dead_lettered + failed)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, acted, dropped, dead_lettered, failed, seconds } = self;
        write!(f, "{received} received, {acted} acted on, {dropped} dropped, {dead_lettered} dead-lettered")?;
        if *failed > 0 {
            write!(f, ", {failed} failed")?;
        }
        match self.unfinished() {
            0 => {}
            1 => write!(f, ", 1 not finished (it comes again)")?,
            unfinished => write!(f, ", {unfinished} not finished (they come again)")?,
        }
        write!(f, " in {seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_and_not_finished_is_told() {
        let all = Summary { received: 15, acted: 3, dropped: 7, dead_lettered: 5, failed: 0, seconds: 1.0 };
        assert_eq!(
            all.to_string(),
            "15 received, 3 acted on, 7 dropped, 5 dead-lettered in 1.0 s",
            "nothing is left"
        );
        let stopped = Summary { acted: 0, ..all };
        let said = stopped.to_string();
        assert!(said.contains("5 dead-lettered, 3 not finished (they come again) in 1.0 s"), "{said}");
        let one = Summary { acted: 1, failed: 1, ..all };
        assert!(one.to_string().contains("1 failed, 1 not finished (it comes again)"), "{one}");
    }
}
