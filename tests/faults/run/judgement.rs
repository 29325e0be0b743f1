//! How a run ends: what it comes to, whether the invariants hold, and what is kept.

use std::time::Duration;

use super::Run;
use crate::harness::{CommitHistory, Invariant, KafkaBroker, Ledger, Partition, Sum, Violation};
use crate::report::{Failure, Report, Verdict, held};

impl Run<'_> {
    /// Closes the books, prints what the run comes to, and judges it.
    pub(crate) fn conclude(mut self) -> Verdict {
        let ends = self.feeder().ends();
        let group = self.scene.group().to_owned();
        let seen = self.observer.end();
        let mut seen = seen.lock().expect("the observer has ended and did not panic");
        let sum = seen.ledger.close(&ends);
        let commits = judge_commits(&mut seen.ledger, self.history.as_ref(), &group);
        if self.history.is_some() && commits == 0 && sum.produced > 0 {
            let what = "Kafka's own log holds no commit of the group".to_owned();
            seen.ledger.violates(Invariant::NeverBack, what);
        }
        if seen.looks == 0 && sum.produced > 0 {
            seen.ledger.violates(Invariant::NeverAhead, "no commit was ever seen".to_owned());
        }
        self.bound.judge(&mut seen.ledger, sum.repeated);
        let violations = seen.ledger.violations().to_vec();
        let verdict = if violations.is_empty() { held(seen.slowest_recovery) } else { "BROKEN" };
        let commits = self.history.is_some().then_some(commits);
        let looked = (seen.looks, seen.slowest_recovery);
        self.report(verdict, (ends.len(), sum, seen.ledger.most_repeated()), looked, commits, &violations);
        if violations.is_empty() {
            return Ok(());
        }
        self.keep();
        Err(Failure::Broken(violations))
    }

    /// Moves the group, which has no members, to these offsets, as somebody else might. What it stands at from then
    /// on, until the program commits, is not the program's.
    pub(crate) fn move_group(&mut self, broker: &KafkaBroker, offsets: &[(Partition, i64)]) {
        let group = self.scene.group().to_owned();
        self.observer.group_moves(offsets);
        for ((topic, partition), offset) in offsets {
            broker.commit(&group, topic, *partition, *offset);
        }
        self.history = self.history.is_some().then(|| CommitHistory::from_now(broker));
    }

    /// Prints what the run comes to so far: it does not get to its end, for this reason.
    pub(crate) fn break_off(&self, why: impl Into<String>) -> Failure {
        self.give_up(&[]);
        Failure::Unexpected(why.into())
    }

    /// Prints what a run comes to that does not get to its end, and keeps its files.
    pub(super) fn give_up(&self, violations: &[Violation]) {
        let ends = self.fates.ends();
        let mut seen = self.observer.seen();
        let (sum, looked) = (seen.ledger.sum(&ends), (seen.looks, seen.slowest_recovery));
        let most_repeated = seen.ledger.most_repeated();
        drop(seen);
        self.report("BROKEN OFF", (ends.len(), sum, most_repeated), looked, None, violations);
        self.keep();
    }

    fn report(
        &self,
        verdict: &str,
        (partitions, sum, most_repeated): (usize, Sum, usize),
        (looks, slowest_recovery): (usize, Option<Duration>),
        commits: Option<usize>,
        violations: &[Violation],
    ) {
        Report {
            title: &self.title,
            verdict,
            took: self.begun.elapsed(),
            seed: self.scene.seed,
            faults: &self.faults,
            partitions,
            sum,
            bound: &self.bound,
            most_repeated,
            looks,
            commits,
            slowest_recovery,
            notes: &self.notes,
            violations,
        }
        .print();
    }

    /// Keeps the test's files for whoever wants to know why; why a mutant failed is known.
    fn keep(&self) {
        if !self.mutant {
            self.scene.keep();
        }
    }
}

/// I3, in Kafka's own log. Returns how many commits of the group it holds.
fn judge_commits(ledger: &mut Ledger, history: Option<&CommitHistory>, group: &str) -> usize {
    let mut commits = 0;
    for (partition, offsets) in history.iter().flat_map(|history| history.of(group)) {
        commits += offsets.len();
        for pair in offsets.windows(2).filter(|pair| pair[1] < pair[0]) {
            let what = format!("{partition:?}: {} was committed after {}", pair[1], pair[0]);
            ledger.violates(Invariant::NeverBack, what);
        }
    }
    commits
}
