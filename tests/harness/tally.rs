//! What was done with the records that were fed: the invariants that every run has to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::action_log::{Acted, ActionLog, DeadLetterLog, Place};
use super::wait::wait_until;

/// How often each record was acted on, and which were dead-lettered.
pub(crate) struct Tally {
    acted: BTreeMap<Place, usize>,
    dead: BTreeSet<Place>,
}

impl Tally {
    /// Counts what the logs of one process, or of a row of processes, hold by now.
    ///
    /// # Panics
    /// If an event says of itself that it stood elsewhere than its `meta` says.
    pub(crate) fn of(actions: &mut ActionLog, dead_letters: &mut DeadLetterLog) -> Self {
        let mut acted = BTreeMap::new();
        for line in actions.read() {
            assert_eq!(line.sequence(), line.place().offset, "an event keeps its place: {line:?}");
            *acted.entry(line.place().clone()).or_insert(0) += 1;
        }
        let dead = dead_letters.read().iter().map(|letter| letter.record.place.clone()).collect();
        Self { acted, dead }
    }

    /// Waits until every record of `fed` is finished, and counts.
    pub(crate) fn when_finished(
        fed: &BTreeSet<Place>,
        actions: &mut ActionLog,
        dead_letters: &mut DeadLetterLog,
        within: Duration,
    ) -> Self {
        wait_until(&format!("all {} records to be finished", fed.len()), within, || {
            // Counting places is dear, so only where enough lines have come.
            actions.read().len() + dead_letters.read().len() >= fed.len()
                && Self::of(actions, dead_letters).finished() >= fed.len()
        });
        Self::of(actions, dead_letters)
    }

    /// Adds what another process did in the same group.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (place, times) in other.acted {
            *self.acted.entry(place).or_insert(0) += times;
        }
        self.dead.extend(other.dead);
        self
    }

    /// I1: every record that was fed was acted on or dead-lettered, and nothing else was.
    pub(crate) fn assert_nothing_lost(&self, fed: &BTreeSet<Place>) {
        let finished: BTreeSet<Place> = self.acted.keys().chain(&self.dead).cloned().collect();
        let lost: Vec<&Place> = fed.difference(&finished).take(5).collect();
        let invented: Vec<&Place> = finished.difference(fed).take(5).collect();
        assert!(
            lost.is_empty() && invented.is_empty(),
            "of {} records fed, {} were finished; lost, to begin with: {lost:?}; never fed: {invented:?}",
            fed.len(),
            finished.len(),
        );
    }

    /// How many times an event was acted on again.
    pub(crate) fn repeated(&self) -> usize {
        self.acted.values().map(|times| times - 1).sum()
    }

    /// No event was acted on twice.
    pub(crate) fn assert_nothing_repeated(&self) {
        let repeated: Vec<_> = self.acted.iter().filter(|(_, times)| **times > 1).take(5).collect();
        assert!(repeated.is_empty(), "{} were acted on again, to begin with {repeated:?}", self.repeated());
    }

    /// How many different records are finished.
    pub(crate) fn finished(&self) -> usize {
        self.acted.keys().chain(&self.dead).collect::<BTreeSet<_>>().len()
    }
}

/// I4: within each unit of order, the first deliveries come in the order of the offsets.
pub(crate) fn assert_in_order<K: Ord + std::fmt::Debug>(lines: &[Acted], unit: impl Fn(&Acted) -> K) {
    let mut highest: BTreeMap<K, i64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in lines.iter().filter(|line| seen.insert(line.place().clone())) {
        let offset = line.place().offset;
        let before = highest.insert(unit(line), offset);
        assert!(
            before.is_none_or(|before| before < offset),
            "{:?}: {offset} came after {before:?}",
            unit(line)
        );
    }
}
