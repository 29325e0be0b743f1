//! What has become of every record: the books that the invariants are checked on.
//!
//! One account a partition, a few bytes a record, so that a million of them fit. Nothing here asks
//! anybody: the observer brings lines and commits.

use std::collections::BTreeMap;
use std::fmt;

use super::action_log::Place;
use super::fates::{Fate, Fates, Partition, index};

/// What must hold in every run; `faults.md` of the documentation says each in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// I1: nothing is lost, and nothing that should not reaches the action.
    NothingLost,
    /// I2: the committed offset is never ahead of what is finished.
    NeverAhead,
    /// I3: it never goes back.
    NeverBack,
    /// I4: first deliveries are in order.
    InOrder,
    /// I5: half a minute after a fault every partition with lag moves.
    Recovers,
    /// I6: what comes again stays within the bound.
    Bounded,
}

/// An invariant that did not hold, and how.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{} ({:?}): {}", self.invariant as u8 + 1, self.invariant, self.what)
    }
}

/// What a run comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Records fed.
    pub(crate) produced: usize,
    /// Different records that the action got.
    pub(crate) acted: usize,
    /// Records that had to be dropped, and left no trace.
    pub(crate) dropped: usize,
    /// Different records that became dead letters.
    pub(crate) dead_lettered: usize,
    /// Records that the log lost before they were read.
    pub(crate) vanished: usize,
    /// Records that are none of these.
    pub(crate) lost: usize,
    /// How often a record was acted on, or dead-lettered, that had been before.
    pub(crate) repeated: usize,
}

/// No report is longer: the first violations say what is wrong.
const VIOLATIONS_KEPT: usize = 20;

/// What has become of every record, as far as it is known.
pub(crate) struct Ledger {
    /// `None`: every record has to reach the action or the dead letters.
    fates: Option<Fates>,
    accounts: BTreeMap<Partition, Account>,
    logs: Vec<LogOrder>,
    committed: BTreeMap<Partition, i64>,
    violations: Vec<Violation>,
}

/// One partition, from offset 0.
#[derive(Default)]
struct Account {
    fates: Vec<Fate>,
    acted: Vec<u16>,
    dead: Vec<u16>,
    /// Everything below is finished.
    below: usize,
}

/// What one log says about order.
#[derive(Default)]
struct LogOrder {
    seen: BTreeMap<Partition, Vec<bool>>,
    highest: BTreeMap<String, i64>,
}

impl Ledger {
    /// A ledger for as many action logs as `logs` says. `fates` says what has to become of each
    /// record; without it every record has to reach the action or the dead letters.
    pub(crate) fn new(logs: usize, fates: Option<Fates>) -> Self {
        Self {
            fates,
            accounts: BTreeMap::new(),
            logs: (0..logs).map(|_| LogOrder::default()).collect(),
            committed: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    /// The action got this record. `unit` names the unit of order that it belongs to; lines of one
    /// log come in the order in which they were written.
    pub(crate) fn acted(&mut self, log: usize, place: &Place, unit: Option<String>) {
        let partition = (place.topic.clone(), place.partition);
        let fate = self.account(&partition).act(index(place.offset));
        if matches!(fate, Some(Fate::Drop | Fate::DeadLetter)) {
            let what = format!("{place:?} reached the action, and should not: {fate:?}");
            self.violates(Invariant::NothingLost, what);
        }
        if let Some(unit) = unit
            && let Some(highest) = self.logs[log].overtaken(&partition, place.offset, unit)
        {
            let what = format!("{partition:?}: {} came after {highest}", place.offset);
            self.violates(Invariant::InOrder, what);
        }
    }

    /// This record became a dead letter.
    pub(crate) fn dead_lettered(&mut self, place: &Place) {
        let partition = (place.topic.clone(), place.partition);
        let fate = self.account(&partition).bury(index(place.offset));
        if matches!(fate, Some(Fate::Act | Fate::Drop)) {
            let what = format!("{place:?} became a dead letter, and should not: {fate:?}");
            self.violates(Invariant::NothingLost, what);
        }
    }

    /// The group's committed offsets. Whatever was finished when they were read is known by now.
    pub(crate) fn committed(&mut self, offsets: &BTreeMap<Partition, i64>) {
        for (partition, offset) in offsets {
            let finished = self.account(partition).finished_below();
            if *offset > finished {
                let what = format!("{partition:?}: {offset} committed, finished below {finished}");
                self.violates(Invariant::NeverAhead, what);
            }
            let before = self.committed.insert(partition.clone(), *offset);
            if let Some(before) = before.filter(|before| before > offset) {
                self.violates(Invariant::NeverBack, format!("{partition:?}: {offset} after {before}"));
            }
        }
    }

    /// Notes that an invariant did not hold.
    pub(crate) fn violates(&mut self, invariant: Invariant, what: String) {
        if self.violations.len() < VIOLATIONS_KEPT {
            self.violations.push(Violation { invariant, what });
        }
    }

    /// What did not hold so far.
    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The offsets that were committed last, as far as they were seen.
    pub(crate) fn last_committed(&self) -> &BTreeMap<Partition, i64> {
        &self.committed
    }

    /// How many records are finished, counted from each partition's beginning up to the first that is
    /// not.
    pub(crate) fn finished(&mut self) -> usize {
        let known: Vec<Partition> = self.accounts.keys().cloned().collect();
        known.iter().map(|partition| index(self.account(partition).finished_below())).sum()
    }

    /// How many lines the action logs hold.
    pub(crate) fn lines(&self) -> usize {
        self.accounts.values().flat_map(|account| &account.acted).map(|times| usize::from(*times)).sum()
    }

    /// How many different records became dead letters.
    pub(crate) fn dead(&self) -> usize {
        self.accounts.values().flat_map(|account| &account.dead).filter(|times| **times > 0).count()
    }

    /// Closes the books: `ends` are the numbers of records that were fed. What is lost, or was never
    /// fed, violates I1.
    pub(crate) fn close(&mut self, ends: &BTreeMap<Partition, i64>) -> Sum {
        let came = |account: &Account| account.acted.len().max(account.dead.len());
        let strangers: Vec<String> = self
            .accounts
            .iter()
            .filter(|(partition, account)| !ends.contains_key(*partition) && came(account) > 0)
            .map(|(partition, _)| format!("{partition:?}: records came of it, and it was never fed"))
            .collect();
        strangers.into_iter().for_each(|what| self.violates(Invariant::NothingLost, what));
        let mut sum = Sum::default();
        for (partition, end) in ends {
            let end = index(*end);
            let account = self.account(partition);
            let lost = account.add_to(&mut sum, end);
            let invented = came(account).saturating_sub(end);
            if let Some(first) = lost.first() {
                let what = format!("{partition:?}: {} lost, the first at {first}", lost.len());
                self.violates(Invariant::NothingLost, what);
            }
            if invented > 0 {
                let what = format!("{partition:?}: {invented} came that were never fed");
                self.violates(Invariant::NothingLost, what);
            }
        }
        sum
    }

    /// What it comes to so far, without a judgement.
    pub(crate) fn sum(&mut self, ends: &BTreeMap<Partition, i64>) -> Sum {
        let mut sum = Sum::default();
        for (partition, end) in ends {
            self.account(partition).add_to(&mut sum, index(*end));
        }
        sum
    }

    fn account(&mut self, partition: &Partition) -> &mut Account {
        let account = self.accounts.entry(partition.clone()).or_default();
        if let Some(fates) = &self.fates {
            fates.with(|fates| match fates.get(partition) {
                Some(fates) if fates.len() > account.fates.len() => {
                    account.fates.extend_from_slice(&fates[account.fates.len()..]);
                }
                // What has vanished since was known to be something else.
                Some(fates) if fates.get(account.below) == Some(&Fate::Vanish) => {
                    account.fates.clone_from(fates);
                }
                _ => {}
            });
        }
        account
    }
}

impl Account {
    fn act(&mut self, index: usize) -> Option<Fate> {
        count(&mut self.acted, index);
        self.fates.get(index).copied()
    }

    fn bury(&mut self, index: usize) -> Option<Fate> {
        count(&mut self.dead, index);
        self.fates.get(index).copied()
    }

    fn finished_below(&mut self) -> i64 {
        while self.is_finished(self.below) {
            self.below += 1;
        }
        self.below as i64
    }

    fn is_finished(&self, index: usize) -> bool {
        let times = |of: &[u16]| of.get(index).copied().unwrap_or(0);
        match self.fates.get(index) {
            Some(Fate::Drop | Fate::Vanish) => true,
            Some(Fate::Act) => times(&self.acted) > 0,
            Some(Fate::DeadLetter) => times(&self.dead) > 0,
            None => times(&self.acted) + times(&self.dead) > 0,
        }
    }

    /// Adds this partition up to `end`, and returns the offsets that are lost.
    fn add_to(&self, sum: &mut Sum, end: usize) -> Vec<usize> {
        let mut lost = Vec::new();
        for index in 0..end {
            let acted = usize::from(self.acted.get(index).copied().unwrap_or(0));
            let dead = usize::from(self.dead.get(index).copied().unwrap_or(0));
            sum.produced += 1;
            sum.acted += acted.min(1);
            sum.dead_lettered += dead.min(1);
            sum.repeated += acted.saturating_sub(1) + dead.saturating_sub(1);
            match self.fates.get(index) {
                Some(Fate::Drop) if acted + dead == 0 => sum.dropped += 1,
                Some(Fate::Vanish) if acted + dead == 0 => sum.vanished += 1,
                _ if !self.is_finished(index) => lost.push(index),
                _ => {}
            }
        }
        sum.lost += lost.len();
        lost
    }
}

impl LogOrder {
    /// What stands higher in this log than a record that comes in it for the first time.
    ///
    /// Each log is judged by itself: a member that gets a partition goes on at an offset that is not
    /// below any at which it ever went on before, so what it has not yet acted on lies above all that
    /// it has.
    fn overtaken(&mut self, partition: &Partition, offset: i64, unit: String) -> Option<i64> {
        let seen = self.seen.entry(partition.clone()).or_default();
        let index = index(offset);
        if seen.len() <= index {
            seen.resize(index + 1, false);
        }
        if std::mem::replace(&mut seen[index], true) {
            return None;
        }
        let highest = self.highest.entry(unit).or_insert(-1);
        let before = std::mem::replace(highest, offset.max(*highest));
        (before > offset).then_some(before)
    }
}

fn count(times: &mut Vec<u16>, index: usize) {
    if times.len() <= index {
        times.resize(index + 1, 0);
    }
    times[index] = times[index].saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: i64) -> Place {
        Place { topic: "t".to_owned(), partition: 0, offset }
    }

    fn of(fates: &[Fate]) -> Ledger {
        let known = Fates::default();
        fates.iter().for_each(|fate| known.add("t", 0, *fate));
        Ledger::new(1, Some(known))
    }

    fn violated(ledger: &Ledger) -> Vec<Invariant> {
        ledger.violations().iter().map(|violation| violation.invariant).collect()
    }

    fn at(offset: i64) -> BTreeMap<Partition, i64> {
        BTreeMap::from([(("t".to_owned(), 0), offset)])
    }

    #[test]
    fn a_run_in_which_all_went_as_it_should_violates_nothing() {
        let mut ledger = of(&[Fate::Act, Fate::Drop, Fate::DeadLetter, Fate::Act]);
        for offset in [0, 3] {
            ledger.acted(0, &place(offset), Some("t".to_owned()));
        }
        ledger.dead_lettered(&place(2));
        ledger.committed(&at(4));
        let sum = ledger.close(&at(4));
        let expected = Sum { produced: 4, acted: 2, dropped: 1, dead_lettered: 1, ..Sum::default() };
        assert_eq!(sum, expected);
        assert!(violated(&ledger).is_empty(), "{:?}", ledger.violations());
    }

    #[test]
    fn what_is_neither_acted_on_nor_dead_lettered_is_lost() {
        let mut ledger = of(&[Fate::Act, Fate::DeadLetter]);
        assert_eq!(ledger.close(&at(2)).lost, 2);
        assert_eq!(violated(&ledger), [Invariant::NothingLost]);
    }

    #[test]
    fn what_comes_of_a_partition_that_was_never_fed_is_seen() {
        let mut ledger = of(&[Fate::Act]);
        ledger.acted(0, &place(0), None);
        ledger.acted(0, &Place { topic: "another".to_owned(), ..place(0) }, None);
        ledger.close(&at(1));
        assert_eq!(violated(&ledger), [Invariant::NothingLost]);
    }

    #[test]
    fn what_should_not_reach_the_action_is_seen_when_it_does() {
        for fate in [Fate::Drop, Fate::DeadLetter] {
            let mut ledger = of(&[fate]);
            ledger.acted(0, &place(0), None);
            assert_eq!(violated(&ledger), [Invariant::NothingLost]);
        }
    }

    #[test]
    fn a_commit_ahead_of_a_gap_or_one_that_goes_back_is_seen() {
        let mut ledger = of(&[Fate::Act; 10]);
        for offset in [0, 1, 3] {
            ledger.acted(0, &place(offset), None);
        }
        ledger.committed(&at(2));
        assert!(violated(&ledger).is_empty());
        ledger.committed(&at(4));
        ledger.committed(&at(1));
        assert_eq!(violated(&ledger), [Invariant::NeverAhead, Invariant::NeverBack]);
    }

    #[test]
    fn order_is_that_of_first_deliveries_in_each_log() {
        let mut ledger = Ledger::new(2, None);
        let unit = || Some("unit".to_owned());
        for offset in [0, 1, 2, 1, 2, 3] {
            ledger.acted(0, &place(offset), unit());
        }
        for offset in [2, 4] {
            ledger.acted(1, &place(offset), unit());
        }
        assert!(violated(&ledger).is_empty(), "a repetition is no disorder");
        ledger.acted(1, &place(3), unit());
        assert_eq!(violated(&ledger), [Invariant::InOrder]);
    }
}
