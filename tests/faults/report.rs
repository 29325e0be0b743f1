//! What a run comes to: whether it passed, and what it prints.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use crate::harness::{Invariant, Ledger, Sum, Violation};

/// Why a run did not pass.
pub(crate) enum Failure {
    /// Invariants did not hold.
    Broken(Vec<Violation>),
    /// Something did not happen in time, or happened that should not.
    Unexpected(String),
}

/// How a run ended.
pub(crate) type Verdict = Result<(), Failure>;

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(violations) => {
                violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
            }
            Self::Unexpected(what) => f.write_str(what),
        }
    }
}

/// How many events may come again in a run, and why so many.
pub(crate) struct Bound {
    /// Of each partition,
    pub(crate) of_each: usize,
    /// of so many of them.
    pub(crate) partitions: usize,
    pub(crate) why: String,
}

impl Bound {
    /// Of all partitions together.
    pub(crate) fn repeated(&self) -> usize {
        self.of_each * self.partitions
    }

    /// I6: of all partitions together, of each of them, and of each of them for each fault.
    pub(crate) fn judge(&self, ledger: &mut Ledger, repeated: usize) {
        let may_repeat = self.repeated();
        if repeated > may_repeat {
            let what = format!("{repeated} came again, {may_repeat} may: {}", self.why);
            ledger.violates(Invariant::Bounded, what);
        }
        ledger.judge_repetitions(self.of_each);
    }
}

/// What is said of a run in which nothing was violated. I5 is about what follows a fault: it is judged where
/// one was over, and the others in every run.
pub(crate) fn held(slowest_recovery: Option<Duration>) -> &'static str {
    match slowest_recovery {
        Some(_) => "I1 to I6 hold",
        None => "I1 to I4 and I6 hold, I5 was not judged",
    }
}

/// What a run prints, whether it passed, broke an invariant or was broken off.
pub(crate) struct Report<'a> {
    pub(crate) title: &'a str,
    /// How it ended, in a word or two.
    pub(crate) verdict: &'a str,
    pub(crate) took: Duration,
    pub(crate) seed: u64,
    /// How often each fault struck.
    pub(crate) faults: &'a BTreeMap<String, usize>,
    pub(crate) partitions: usize,
    pub(crate) sum: Sum,
    pub(crate) bound: &'a Bound,
    /// The most that came again of one partition between one fault and the next.
    pub(crate) most_repeated: usize,
    /// How many answers of Kafka's named a committed offset.
    pub(crate) looks: usize,
    /// How many commits Kafka's own log holds; `None` where there is none.
    pub(crate) commits: Option<usize>,
    pub(crate) slowest_recovery: Option<Duration>,
    pub(crate) notes: &'a [String],
    pub(crate) violations: &'a [Violation],
}

impl Report<'_> {
    /// Prints the report as one block, also where all is well.
    pub(crate) fn print(&self) {
        // Not `print!`: the test runner would keep it to itself.
        let _ = std::io::stderr().write_all(self.to_string().as_bytes());
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let Sum { produced, acted, dropped, dead_lettered, vanished, lost, repeated } = self.sum;
        let faults: Vec<String> =
            self.faults.iter().map(|(what, times)| format!("{times} x {what}")).collect();
        let mut lines = vec![
            ("seed", format!("{0} (DATAHUB_RELAY_SEED={0} repeats the schedule)", self.seed)),
            ("faults injected", if faults.is_empty() { "none".to_owned() } else { faults.join(", ") }),
            ("produced", format!("{produced} on {} partitions", self.partitions)),
            ("acted on", acted.to_string()),
            ("dropped", dropped.to_string()),
            ("dead-lettered", dead_lettered.to_string()),
        ];
        if vanished > 0 {
            lines.push(("vanished", vanished.to_string()));
        }
        let repeated = match self.most_repeated {
            0 => repeated.to_string(),
            most => format!("{repeated}, of one partition after one fault {most} at most"),
        };
        lines.extend([
            ("lost", lost.to_string()),
            ("repeated", repeated),
            ("bound on repeats", format!("{}: {}", self.bound.repeated(), self.bound.why)),
        ]);
        let in_the_log = self.commits.map(|commits| format!(", {commits} in Kafka's own log"));
        lines.push(("commits seen", format!("{} answers{}", self.looks, in_the_log.unwrap_or_default())));
        if let Some(took) = self.slowest_recovery {
            lines.push(("slowest recovery", format!("{:.1} s", took.as_secs_f64())));
        }
        lines
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n== {}: {}, {:.1} s", self.title, self.verdict, self.took.as_secs_f64())?;
        for (name, value) in self.lines() {
            writeln!(f, "   {name:<18}{value}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "   {note}"))?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "   {violation}"))
    }
}
