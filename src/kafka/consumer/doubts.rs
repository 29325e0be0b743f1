//! Which positions are in doubt, and what is known of them: what was told, and what is looked for.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::slots::Slot;
use crate::event::TopicPartition;
use crate::kafka::gaps::{Gap, Search};
use crate::kafka::look_ups::PartitionWatch;

/// The wait after a look that failed, and before a partition is assigned again that has not moved since
/// it was: it is reported as soon as it is.
const PAUSE: Duration = Duration::from_secs(1);

/// So long librdkafka may not read a partition that is assigned before it is looked at. Its statistics
/// are told every 5 s, unless a recipe says otherwise, so it is found so at two of them.
const STOPPED: Duration = Duration::from_secs(4);

/// Partitions whose position is in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    sources: VecDeque<TopicPartition>,
    not_before: Option<Instant>,
    /// Where a partition stood at its last look, and how often in a row it stood there.
    stood: HashMap<TopicPartition, (i64, u32)>,
    /// Where the gap begins that was last told of a partition, and how many records were told. Not by
    /// assignment: a rebalance does not make it another gap.
    told: HashMap<TopicPartition, (i64, u64)>,
    /// Since when librdkafka does not read a partition although it is assigned.
    stopped: HashMap<TopicPartition, Instant>,
    /// Looks for the end of a corrupt stretch: one partition after the other.
    pub(super) search: Option<Search>,
    /// Looks for acknowledgements, while a partition waits at a gap.
    pub(super) acknowledgements: Option<PartitionWatch>,
}

impl Doubts {
    /// These partitions have to be looked at.
    pub(super) fn raise(&mut self, sources: impl Iterator<Item = TopicPartition>) {
        for source in sources {
            if !self.sources.contains(&source) {
                self.sources.push_back(source);
            }
        }
    }

    /// Whether any partition has to be looked at soon.
    pub(super) fn any(&self) -> bool {
        !self.sources.is_empty() || self.search.is_some()
    }

    /// The next partition to look at, unless it is too early for it.
    pub(super) fn next(&mut self) -> Option<TopicPartition> {
        if self.not_before.is_some_and(|not_before| Instant::now() < not_before) {
            return None;
        }
        self.not_before = None;
        self.sources.pop_front()
    }

    /// These partitions are assigned, and librdkafka reads none of them `now`. Those that it does not read
    /// for longer have to be looked at: whether any has.
    pub(super) fn found_stopped(
        &mut self,
        sources: impl Iterator<Item = TopicPartition>,
        now: Instant,
    ) -> bool {
        let before = std::mem::take(&mut self.stopped);
        self.stopped = sources.map(|source| (source.clone(), *before.get(&source).unwrap_or(&now))).collect();
        let long = |since: &Instant| now.duration_since(*since) >= STOPPED;
        let due: Vec<_> = self.stopped.extract_if(|_, since| long(since)).map(|(source, _)| source).collect();
        let any = !due.is_empty();
        self.raise(due.into_iter());
        any
    }

    /// How many records of a gap were not told before; `None` if all of it was.
    pub(super) fn untold(&mut self, gap: &Gap) -> Option<u64> {
        let records = gap.records();
        let told = match self.told.get(&gap.source) {
            Some((from, told)) if *from == gap.from => Some(*told),
            _ => None,
        };
        if told.is_some_and(|told| records <= told) {
            return None;
        }
        self.told.insert(gap.source.clone(), (gap.from, records));
        Some(records - told.unwrap_or(0))
    }

    /// A partition goes on elsewhere: a gap that begins where it stood would be another one, as in a
    /// topic that was recreated twice.
    pub(super) fn has_moved(&mut self, source: &TopicPartition, to: i64) {
        if self.told.get(source).is_some_and(|(from, _)| *from != to) {
            self.told.remove(source);
        }
    }

    /// Whether librdkafka would only report this partition's position again. It is assigned once it
    /// has another one, or the search that is under way there has ended.
    pub(super) fn cannot_be_read(&self, slot: &Slot) -> bool {
        slot.gap.is_some() || self.is_searched(slot)
    }

    /// Whether the next record that can be read is looked for behind this partition's position.
    pub(super) fn is_searched(&self, slot: &Slot) -> bool {
        let searched = |search: &Search| search.source == *slot.source() && search.from == slot.next;
        self.search.as_ref().is_some_and(searched)
    }

    pub(super) fn later(&mut self) {
        self.not_before = Some(Instant::now() + PAUSE);
    }

    /// A partition is to be counted anew.
    pub(super) fn forget_where(&mut self, source: &TopicPartition) {
        self.stood.remove(source);
    }

    /// How often in a row a partition was found at this offset.
    pub(super) fn stands(&mut self, source: &TopicPartition, offset: i64) -> u32 {
        let stood = self.stood.entry(source.clone()).or_insert((offset, 0));
        *stood = if stood.0 == offset { (offset, stood.1 + 1) } else { (offset, 1) };
        stood.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Route;
    use crate::kafka::gaps::GapCause;
    use crate::kafka::look_ups::Start;

    fn source() -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: 0 }
    }

    fn deleted(from: i64, to: i64) -> Gap {
        Gap { source: source(), from, to, cause: GapCause::Deleted }
    }

    #[test]
    fn a_gap_is_told_once_and_again_only_for_what_it_has_grown_by() {
        let mut doubts = Doubts::default();
        assert_eq!(doubts.untold(&deleted(10, 40)), Some(30));
        assert_eq!(doubts.untold(&deleted(10, 40)), None, "found again after a rebalance");
        assert_eq!(doubts.untold(&deleted(10, 45)), Some(5));
        assert_eq!(doubts.untold(&deleted(60, 61)), Some(1), "another gap");
        let another_log = Gap { cause: GapCause::AnotherLog { end: 5 }, ..deleted(100, 0) };
        assert_eq!((doubts.untold(&another_log), doubts.untold(&another_log)), (Some(0), None));
        doubts.has_moved(&source(), 0);
        assert_eq!(doubts.untold(&another_log), Some(0), "recreated a second time");
    }

    #[test]
    fn a_partition_that_waits_or_is_searched_is_left_out_of_what_is_assigned_again() {
        let at = |partition: i32, offset: i64| {
            let source = TopicPartition { topic: "t".into(), partition };
            let start =
                Start { source, offset, committed: Some(offset), metadata: "".into(), another_log: None };
            Slot::new(&start, Route::ChangeLog, None)
        };
        let mut doubts = Doubts::default();
        let waiting = Slot { gap: Some(deleted(10, 40)), ..at(0, 10) };
        assert!(doubts.cannot_be_read(&waiting));
        assert!(!doubts.cannot_be_read(&at(0, 40)), "it has passed the gap");
        let (search, _answer) = Search::without_end(source(), 20);
        doubts.search = Some(search);
        assert!(doubts.cannot_be_read(&at(0, 20)));
        assert!(!doubts.cannot_be_read(&at(1, 20)), "another partition");
        assert!(!doubts.cannot_be_read(&at(0, 21)), "it goes on elsewhere");
        doubts.search = None;
        assert!(!doubts.cannot_be_read(&at(0, 20)), "the search is over");
    }

    #[test]
    fn a_partition_that_librdkafka_does_not_read_for_longer_is_looked_at() {
        let mut doubts = Doubts::default();
        let now = Instant::now();
        let one = || std::iter::once(source());
        assert!(!doubts.found_stopped(one(), now), "it may be about to begin");
        assert!(!doubts.found_stopped(std::iter::empty(), now + STOPPED), "it has begun");
        assert!(!doubts.found_stopped(one(), now + STOPPED));
        assert!(doubts.found_stopped(one(), now + STOPPED * 2));
        assert!(doubts.any());
        assert!(!doubts.found_stopped(one(), now + STOPPED * 2), "it is given time again");
    }
}
