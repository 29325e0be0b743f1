//! Says what a drain waits for: whoever stops a process at night should not have to guess.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reports::{DrainWaits, Reports};
use crate::delivery::PartitionEpoch;
use crate::event::TopicPartition;

/// A drain that takes longer says what it waits for.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// One drain, as long as it lasts.
pub(super) struct DrainWatch {
    until: Instant,
    say_at: Option<Instant>,
}

impl DrainWatch {
    /// A drain that begins now and may go on `until` then.
    pub(super) fn new(until: Instant) -> Self {
        Self { until, say_at: Some(Instant::now() + SAY_AFTER) }
    }

    /// Called again and again while it lasts. Says once what it waits for, should it take long.
    pub(super) fn look<'a>(
        &mut self,
        reports: &dyn Reports,
        epochs: impl Iterator<Item = &'a Arc<PartitionEpoch>>,
    ) {
        let now = Instant::now();
        if self.say_at.take_if(|say_at| now >= *say_at).is_some() {
            tell(reports, epochs, Some(self.until.saturating_duration_since(now)));
        }
    }
}

/// Says which events a drain of these assignments waits for that has so much time `left`, or has met its end.
pub(super) fn tell<'a>(
    reports: &dyn Reports,
    epochs: impl Iterator<Item = &'a Arc<PartitionEpoch>>,
    left: Option<Duration>,
) {
    let mut events = 0;
    let mut partitions: Vec<TopicPartition> = Vec::new();
    for epoch in epochs.filter(|epoch| !epoch.is_drained()) {
        events += epoch.drains();
        partitions.push(epoch.source().clone());
    }
    if events > 0 {
        reports.drain_waits(DrainWaits { events, partitions: &partitions, left });
    }
}
