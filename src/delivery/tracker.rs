//! Which offsets of a partition are finished, and how far it may be committed.
//!
//! Pure bookkeeping: no I/O, no clock, no lock. It holds an entry per event that was *handed on* and
//! not yet committed, so its size is bounded by `max_uncommitted`. Records that a scan dropped never
//! reach it: the polling thread only moves on the offset it has received up to, and everything below
//! that is finished unless an entry here says otherwise. A partition whose first event stands still
//! therefore costs its unfinished events, not what was read since.

use std::collections::VecDeque;

/// The progress of one partition during one assignment.
#[derive(Debug, Default)]
pub struct Tracker {
    /// Events handed on and not yet committed, by ascending offset.
    handed: VecDeque<Handed>,
    /// How many entries at the front of `handed` are finished: the watermark stands behind them.
    finished_in_front: usize,
    /// The highest offset of which an attempt was ever started.
    highest_started: Option<i64>,
    /// How many events are being worked on.
    running: usize,
    /// How many entries of `handed` are finished.
    finished: usize,
}

/// One event that was handed on.
#[derive(Debug, Clone, Copy)]
struct Handed {
    offset: i64,
    state: State,
}

/// How far one event has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It waits in a lane.
    Queued,
    /// A lane works on it.
    Running,
    /// It needs nothing more: its offset may be committed.
    Finished,
    /// It was put down unfinished and will not be taken up again in this assignment.
    Abandoned,
}

impl Tracker {
    /// Takes note of an event that is handed to a lane. Offsets must ascend; one that does not is
    /// ignored and `false` is returned.
    pub fn hand(&mut self, offset: i64) -> bool {
        if self.handed.back().is_some_and(|last| last.offset >= offset) {
            return false;
        }
        self.handed.push_back(Handed { offset, state: State::Queued });
        true
    }

    /// A lane begins to work on an event. `false` if it is not waiting (any more).
    pub fn start(&mut self, offset: i64) -> bool {
        if !self.change(offset, State::Queued, State::Running) {
            return false;
        }
        self.running += 1;
        self.highest_started = self.highest_started.max(Some(offset));
        true
    }

    /// Whether an event may still be started while its partition is being given up: only below the
    /// highest offset that was ever started, so that what is finished above it has not to come again.
    pub fn may_start_while_draining(&self, offset: i64) -> bool {
        self.highest_started.is_some_and(|highest| offset < highest)
    }

    /// A lane is done with an event: acted on, dropped, or dead-lettered. `false` if nobody was
    /// working on it.
    pub fn finish(&mut self, offset: i64) -> bool {
        if !self.change(offset, State::Running, State::Finished) {
            return false;
        }
        self.running -= 1;
        self.finished += 1;
        while self.handed.get(self.finished_in_front).is_some_and(|event| event.state == State::Finished) {
            self.finished_in_front += 1;
        }
        true
    }

    /// An event is put down unfinished, whether it was started or not. It holds the watermark for the
    /// rest of this assignment.
    pub fn abandon(&mut self, offset: i64) {
        if self.change(offset, State::Running, State::Abandoned) {
            self.running -= 1;
        } else {
            self.change(offset, State::Queued, State::Abandoned);
        }
    }

    /// The offset to commit: everything below it is finished. `received` is the offset behind the
    /// last record that the polling thread has received.
    pub fn watermark(&self, received: i64) -> i64 {
        self.handed.get(self.finished_in_front).map_or(received, |event| event.offset.min(received))
    }

    /// Everything below `offset` was committed: forget it.
    pub fn committed(&mut self, offset: i64) {
        while self.finished_in_front > 0 && self.handed.front().is_some_and(|event| event.offset < offset) {
            self.handed.pop_front();
            self.finished_in_front -= 1;
            self.finished -= 1;
        }
    }

    /// How many events were handed on and are not yet committed.
    pub fn uncommitted(&self) -> usize {
        self.handed.len()
    }

    /// How many events were handed on and are not finished.
    pub fn unfinished(&self) -> usize {
        self.handed.len() - self.finished
    }

    /// How many events are finished although one below them is not: they come again if it stays so.
    pub fn finished_above(&self) -> usize {
        self.finished - self.finished_in_front
    }

    /// Whether a drain has anything left to wait for: an event that is being worked on, or one that
    /// waits below the highest started offset.
    pub fn is_drained(&self) -> bool {
        self.running == 0 && self.queued_below().next().is_none()
    }

    /// How many events a drain waits for.
    pub fn drains(&self) -> usize {
        self.running + self.queued_below().count()
    }

    /// The events that wait below the highest started offset.
    fn queued_below(&self) -> impl Iterator<Item = &Handed> {
        let below = self.highest_started.unwrap_or(i64::MIN);
        let below =
            self.handed.iter().skip(self.finished_in_front).take_while(move |event| event.offset < below);
        below.filter(|event| event.state == State::Queued)
    }

    /// Moves the event at `offset` from one state to another, if it is in the first.
    fn change(&mut self, offset: i64, from: State, to: State) -> bool {
        let Ok(index) = self.handed.binary_search_by_key(&offset, |event| event.offset) else {
            return false;
        };
        match self.handed.get_mut(index) {
            Some(event) if event.state == from => {
                event.state = to;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slow_event_holds_the_watermark_whatever_finishes_above_it() {
        let mut tracker = Tracker::default();
        for offset in [10, 12, 15] {
            assert!(tracker.hand(offset));
            assert!(tracker.start(offset));
        }
        assert!(tracker.finish(15));
        assert!(tracker.finish(12));
        assert_eq!(tracker.watermark(20), 10);
        assert_eq!(tracker.finished_above(), 2);
        assert!(tracker.finish(10));
        assert_eq!(tracker.watermark(20), 20);
        assert_eq!(tracker.finished_above(), 0);
    }

    #[test]
    fn dropped_records_move_the_watermark_without_an_entry() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.watermark(1_000_000), 1_000_000);
        tracker.hand(1_000_000);
        assert_eq!(tracker.watermark(9_000_000), 1_000_000);
        assert_eq!(tracker.uncommitted(), 1);
    }

    #[test]
    fn an_abandoned_event_holds_the_watermark_and_is_not_waited_for() {
        let mut tracker = Tracker::default();
        for offset in 0..3 {
            tracker.hand(offset);
        }
        tracker.start(0);
        tracker.abandon(0);
        tracker.abandon(1);
        assert_eq!(tracker.watermark(3), 0);
        assert!(tracker.is_drained());
        assert!(!tracker.finish(0), "an acknowledgement that comes too late must change nothing");
        assert_eq!(tracker.watermark(3), 0);
    }

    #[test]
    fn a_drain_waits_for_what_lies_below_the_highest_started_offset() {
        let mut tracker = Tracker::default();
        for offset in 0..4 {
            tracker.hand(offset);
        }
        tracker.start(2);
        tracker.finish(2);
        assert!(!tracker.is_drained(), "0 and 1 wait below 2");
        assert!(tracker.may_start_while_draining(1));
        assert!(!tracker.may_start_while_draining(3));
        for offset in 0..2 {
            tracker.start(offset);
            tracker.finish(offset);
        }
        assert!(tracker.is_drained(), "3 waits above 2 and need not be started");
        assert_eq!(tracker.watermark(4), 3);
    }

    #[test]
    fn an_offset_that_does_not_ascend_is_refused() {
        let mut tracker = Tracker::default();
        assert!(tracker.hand(5));
        assert!(!tracker.hand(5));
        assert!(!tracker.hand(4));
        assert_eq!(tracker.uncommitted(), 1);
    }

    /// What can happen to a partition, in any order.
    #[derive(Debug, Clone)]
    enum Step {
        Receive { gap: i64, handed: bool },
        Start(prop::sample::Index),
        Finish(prop::sample::Index),
        Abandon(prop::sample::Index),
        Commit,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3i64, any::<bool>()).prop_map(|(gap, handed)| Step::Receive { gap, handed }),
            3 => any::<prop::sample::Index>().prop_map(Step::Start),
            3 => any::<prop::sample::Index>().prop_map(Step::Finish),
            1 => any::<prop::sample::Index>().prop_map(Step::Abandon),
            1 => Just(Step::Commit),
        ]
    }

    /// The model: every offset ever handed on, with its state, and nothing forgotten.
    #[derive(Default)]
    struct Model {
        events: BTreeMap<i64, State>,
        received: i64,
        committed: i64,
        highest_started: Option<i64>,
    }

    impl Model {
        fn watermark(&self) -> i64 {
            let unfinished = self.events.iter().find(|(_, state)| **state != State::Finished);
            unfinished.map_or(self.received, |(offset, _)| *offset)
        }

        fn pick(&self, index: &prop::sample::Index) -> Option<i64> {
            let offsets: Vec<i64> = self.events.keys().copied().collect();
            (!offsets.is_empty()).then(|| *index.get(&offsets))
        }

        fn change(&mut self, offset: i64, from: &[State], to: State) -> bool {
            match self.events.get_mut(&offset) {
                Some(state) if from.contains(state) => {
                    *state = to;
                    true
                }
                _ => false,
            }
        }
    }

    proptest! {
        #[test]
        fn the_tracker_says_what_a_model_that_forgets_nothing_says(steps in prop::collection::vec(step(), 1..200)) {
            let mut tracker = Tracker::default();
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Receive { gap, handed } => {
                        let offset = model.received + gap;
                        if handed {
                            prop_assert!(tracker.hand(offset));
                            model.events.insert(offset, State::Queued);
                        }
                        model.received = offset + 1;
                    }
                    Step::Start(index) => if let Some(offset) = model.pick(&index) {
                        let started = model.change(offset, &[State::Queued], State::Running);
                        if started {
                            model.highest_started = model.highest_started.max(Some(offset));
                        }
                        prop_assert_eq!(tracker.start(offset), started);
                    },
                    Step::Finish(index) => if let Some(offset) = model.pick(&index) {
                        let finished = model.change(offset, &[State::Running], State::Finished);
                        prop_assert_eq!(tracker.finish(offset), finished);
                    },
                    Step::Abandon(index) => if let Some(offset) = model.pick(&index) {
                        model.change(offset, &[State::Queued, State::Running], State::Abandoned);
                        tracker.abandon(offset);
                    },
                    Step::Commit => {
                        model.committed = model.watermark();
                        tracker.committed(model.committed);
                    }
                }
                prop_assert_eq!(tracker.watermark(model.received), model.watermark());
                prop_assert!(tracker.watermark(model.received) >= model.committed, "the watermark went back");
                let uncommitted = model.events.range(model.committed..).count();
                prop_assert_eq!(tracker.uncommitted(), uncommitted);
                let finished = model.events.range(model.committed..).filter(|(_, state)| **state == State::Finished);
                prop_assert_eq!(tracker.unfinished(), uncommitted - finished.count());
                let waits = |(offset, state): (&i64, &State)| {
                    *state == State::Running || (*state == State::Queued && Some(*offset) < model.highest_started)
                };
                prop_assert_eq!(tracker.is_drained(), !model.events.iter().any(waits));
                prop_assert_eq!(tracker.drains(), model.events.iter().filter(|event| waits(*event)).count());
            }
        }
    }
}
