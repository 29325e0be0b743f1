//! What has become of every record: the books that the invariants are checked on.
//!
//! One account a partition, a few bytes a record, so that a million of them fit. Nothing here asks
//! anybody: the observer brings lines and commits.

use std::collections::BTreeMap;
use std::fmt;

use super::action_log::Place;
use super::fates::{Fate, Fates, Partition, index};
use super::repetitions::{Cause, Repetitions};

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
    /// Where somebody else has moved the group, as long as it stands there.
    moved: BTreeMap<Partition, i64>,
    causes: Vec<Cause>,
    violations: Vec<Violation>,
}

/// One partition, from offset 0.
#[derive(Default)]
struct Account {
    fates: Vec<Fate>,
    acted: Arrivals,
    dead: Arrivals,
    again: Repetitions,
    /// Everything below is finished.
    below: usize,
}

/// How often each record came to one place, and how many faults had been noted when it came last.
#[derive(Default)]
struct Arrivals {
    times: Vec<u16>,
    last: Vec<u16>,
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
            moved: BTreeMap::new(),
            causes: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// The action got this record. `unit` names the unit of order that it belongs to; lines of one
    /// log come in the order in which they were written.
    pub(crate) fn acted(&mut self, log: usize, place: &Place, unit: Option<String>) {
        let partition = (place.topic.clone(), place.partition);
        let faults = self.causes.len();
        let fate = self.account(&partition).act(index(place.offset), faults);
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
        let faults = self.causes.len();
        let fate = self.account(&partition).bury(index(place.offset), faults);
        if matches!(fate, Some(Fate::Act | Fate::Drop)) {
            let what = format!("{place:?} became a dead letter, and should not: {fate:?}");
            self.violates(Invariant::NothingLost, what);
        }
    }

    /// The group's committed offsets. Whatever was finished when they were read is known by now.
    pub(crate) fn committed(&mut self, offsets: &BTreeMap<Partition, i64>) {
        for (partition, offset) in offsets {
            if self.moved.get(partition) == Some(offset) {
                continue;
            }
            self.moved.remove(partition);
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

    /// Somebody else is about to move the group to these offsets: until it leaves them they are not judged.
    pub(crate) fn group_moves(&mut self, offsets: &[(Partition, i64)]) {
        self.moved.extend(offsets.iter().cloned());
        self.committed.clear();
    }

    /// A fault has struck that can make events come again.
    pub(crate) fn fault(&mut self, cause: Cause) {
        self.causes.push(cause);
    }

    /// The most that came again of one partition between one fault and the next.
    pub(crate) fn most_repeated(&self) -> usize {
        self.accounts.values().map(|account| account.again.most()).max().unwrap_or(0)
    }

    /// I6 of each partition: over the run `may_repeat` may come again, and where faults were noted, for each of
    /// them what it can cause.
    pub(crate) fn judge_repetitions(&mut self, may_repeat: usize) {
        let mut broken = Vec::new();
        for (partition, account) in &self.accounts {
            let repeated = account.repeated();
            if repeated > may_repeat {
                broken.push(format!("{partition:?}: {repeated} came again, {may_repeat} of a partition may"));
            }
            if self.causes.is_empty() {
                continue;
            }
            for (fault, more) in account.again.beyond(&self.causes) {
                broken.push(match fault.checked_sub(1).map(|nth| &self.causes[nth]) {
                    None => format!("{partition:?}: {more} came again before anything struck"),
                    Some(Cause { what, may_repeat, .. }) => format!(
                        "{partition:?}: {more} more came again after fault {fault} ({what}) than it, which may \
                         repeat {may_repeat}, and those before it can be the cause of"
                    ),
                });
            }
        }
        broken.into_iter().for_each(|what| self.violates(Invariant::Bounded, what));
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
        self.accounts.values().flat_map(|account| &account.acted.times).map(|times| usize::from(*times)).sum()
    }

    /// How many different records became dead letters.
    pub(crate) fn dead(&self) -> usize {
        self.accounts.values().flat_map(|account| &account.dead.times).filter(|times| **times > 0).count()
    }

    /// Closes the books: `ends` are the numbers of records that were fed. What is lost, or was never
    /// fed, violates I1.
    pub(crate) fn close(&mut self, ends: &BTreeMap<Partition, i64>) -> Sum {
        let came = |account: &Account| account.acted.times.len().max(account.dead.times.len());
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
    fn act(&mut self, index: usize, faults: usize) -> Option<Fate> {
        if let Some(before) = self.acted.count(index, faults) {
            self.again.note(before, faults);
        }
        self.fates.get(index).copied()
    }

    fn bury(&mut self, index: usize, faults: usize) -> Option<Fate> {
        if let Some(before) = self.dead.count(index, faults) {
            self.again.note(before, faults);
        }
        self.fates.get(index).copied()
    }

    fn repeated(&self) -> usize {
        let again =
            |of: &Arrivals| of.times.iter().map(|times| usize::from(times.saturating_sub(1))).sum::<usize>();
        again(&self.acted) + again(&self.dead)
    }

    fn finished_below(&mut self) -> i64 {
        while self.is_finished(self.below) {
            self.below += 1;
        }
        self.below as i64
    }

    fn is_finished(&self, index: usize) -> bool {
        match self.fates.get(index) {
            Some(Fate::Drop | Fate::Vanish) => true,
            Some(Fate::Act) => self.acted.of(index) > 0,
            Some(Fate::DeadLetter) => self.dead.of(index) > 0,
            None => self.acted.of(index) + self.dead.of(index) > 0,
        }
    }

    /// Adds this partition up to `end`, and returns the offsets that are lost.
    fn add_to(&self, sum: &mut Sum, end: usize) -> Vec<usize> {
        let mut lost = Vec::new();
        for index in 0..end {
            let (acted, dead) = (self.acted.of(index), self.dead.of(index));
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

impl Arrivals {
    /// A record came, after so many faults. After how many it came before; `None` if it had not.
    fn count(&mut self, index: usize, faults: usize) -> Option<usize> {
        if self.times.len() <= index {
            self.times.resize(index + 1, 0);
            self.last.resize(index + 1, 0);
        }
        let times = self.times[index];
        self.times[index] = times.saturating_add(1);
        let faults = u16::try_from(faults).expect("fewer than 65,536 faults");
        let before = std::mem::replace(&mut self.last[index], faults);
        (times > 0).then(|| usize::from(before))
    }

    fn of(&self, index: usize) -> usize {
        self.times.get(index).copied().unwrap_or(0).into()
    }
}

#[cfg(test)]
mod tests;
