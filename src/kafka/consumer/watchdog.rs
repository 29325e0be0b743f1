//! Notices a partition that has something to read and does not move although nothing holds it.
//!
//! It only tells: nothing is rebuilt inside the process. `/livez` fails, and whoever runs the process
//! restarts it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::statistics::{Partition, Statistics};

use super::slots::Slot;
use crate::event::TopicPartition;

/// What librdkafka's statistics say of a partition.
pub(super) fn figures_of<'a>(statistics: &'a Statistics, source: &TopicPartition) -> Option<&'a Partition> {
    statistics.topics.get(&*source.topic)?.partitions.get(&source.partition)
}

/// What was seen of the partitions at the last looks, one for each statistics of librdkafka.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// How long a partition may stand still.
    patience: Duration,
    /// By epoch: the position, and since when it stands there with something to read and nothing in
    /// the way.
    standing: HashMap<u64, (i64, Instant)>,
    barking: bool,
}

impl Watchdog {
    /// A watchdog that lets a partition stand still for so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, standing: HashMap::new(), barking: false }
    }

    /// Looks at all partitions. `Some` if what is to be said has changed: why the pipeline stands, or
    /// that it moves again.
    pub(super) fn look<'a>(
        &mut self,
        slots: impl Iterator<Item = &'a Slot>,
        statistics: &Statistics,
        connected: bool,
    ) -> Option<Option<String>> {
        let before = std::mem::take(&mut self.standing);
        let mut stalled = None;
        for slot in slots {
            let source = slot.source();
            let more = figures_of(statistics, source).is_some_and(|figures| slot.next < figures.ls_offset);
            let free =
                !slot.paused && slot.move_to.is_none() && slot.gap.is_none() && slot.epoch.unfinished() == 0;
            if !(connected && more && free) {
                continue;
            }
            let number = slot.epoch.number();
            let since = match before.get(&number) {
                Some((next, since)) if *next == slot.next => *since,
                _ => Instant::now(),
            };
            self.standing.insert(number, (slot.next, since));
            if since.elapsed() >= self.patience && stalled.is_none() {
                stalled = Some(format!(
                    "{source} stands at offset {} for {} s although there is more to read and nothing holds it",
                    slot.next,
                    since.elapsed().as_secs()
                ));
            }
        }
        if stalled.is_none() && !self.barking {
            return None;
        }
        self.barking = stalled.is_some();
        Some(stalled)
    }
}
