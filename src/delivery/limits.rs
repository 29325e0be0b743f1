//! How many failures are too many: a pipeline that dead-letters everything is broken, not busy.

use std::collections::VecDeque;
use std::fmt;

/// `max_failure_ratio` is a share of so many events.
pub const RATIO_WINDOW: usize = 1_000;

/// When a pipeline stops of too many failures. Both are off by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FailureLimits {
    /// So many failed events in a row are still borne; `None` bears any number.
    pub max_consecutive: Option<u64>,
    /// This share of the last [`RATIO_WINDOW`] events may have failed, from 0 to 1; `None` lets all fail.
    pub max_ratio: Option<f64>,
}

/// Which limit was passed, and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LimitPassed {
    /// `max_consecutive_failures`.
    Consecutive {
        /// The limit.
        limit: u64,
        /// Failures in a row by now.
        failures: u64,
    },
    /// `max_failure_ratio`.
    Ratio {
        /// The limit.
        limit: f64,
        /// Failures among the last [`RATIO_WINDOW`] events.
        failures: usize,
    },
}

impl fmt::Display for LimitPassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consecutive { limit, failures } => {
                write!(f, "{failures} events in a row failed, and max_consecutive_failures is {limit}")
            }
            Self::Ratio { limit, failures } => write!(
                f,
                "{failures} of the last {RATIO_WINDOW} events failed, and max_failure_ratio is {limit}"
            ),
        }
    }
}

/// Counts how the events of one pipeline ended, in the order in which they ended.
///
/// An event that a filter dropped does not count: whether it is dropped before or after it is decoded
/// must make no difference, and a filter that drops much must not hide an action that always fails.
#[derive(Debug, Default)]
pub struct FailureCount {
    limits: FailureLimits,
    in_a_row: u64,
    /// The last events, true for a failure; empty while there is no ratio to watch.
    window: VecDeque<bool>,
    failures_in_window: usize,
}

impl FailureCount {
    /// Nothing has ended yet.
    pub fn new(limits: FailureLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The action took an event.
    pub fn succeeded(&mut self) {
        self.in_a_row = 0;
        self.remember(false);
    }

    /// An event became a dead letter. `Some` if that was too many.
    pub fn failed(&mut self) -> Option<LimitPassed> {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.remember(true);
        if let Some(limit) = self.limits.max_consecutive
            && self.in_a_row > limit
        {
            return Some(LimitPassed::Consecutive { limit, failures: self.in_a_row });
        }
        let limit = self.limits.max_ratio?;
        // Also before so many events have ended: the missing ones could not make it right any more.
        (self.failures_in_window as f64 > limit * RATIO_WINDOW as f64)
            .then_some(LimitPassed::Ratio { limit, failures: self.failures_in_window })
    }

    fn remember(&mut self, failed: bool) {
        if self.limits.max_ratio.is_none() {
            return;
        }
        if self.window.len() == RATIO_WINDOW && self.window.pop_front() == Some(true) {
            self.failures_in_window -= 1;
        }
        self.window.push_back(failed);
        self.failures_in_window += usize::from(failed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(max_consecutive: Option<u64>, max_ratio: Option<f64>) -> FailureCount {
        FailureCount::new(FailureLimits { max_consecutive, max_ratio })
    }

    #[test]
    fn without_limits_everything_may_fail() {
        let mut count = count(None, None);
        assert!((0..5_000).all(|_| count.failed().is_none()));
    }

    #[test]
    fn one_failure_more_than_allowed_in_a_row_is_too_many_and_a_success_begins_anew() {
        let mut count = count(Some(2), None);
        assert_eq!((count.failed(), count.failed()), (None, None));
        count.succeeded();
        assert_eq!((count.failed(), count.failed()), (None, None));
        let passed = count.failed().unwrap();
        assert_eq!(passed, LimitPassed::Consecutive { limit: 2, failures: 3 });
        assert_eq!(passed.to_string(), "3 events in a row failed, and max_consecutive_failures is 2");
    }

    #[test]
    fn the_ratio_is_of_the_last_thousand_events_and_not_of_the_first_few() {
        let mut count = count(None, Some(0.01));
        for _ in 0..10 {
            assert_eq!(count.failed(), None, "ten of a thousand are allowed, whatever comes first");
        }
        assert_eq!(count.failed(), Some(LimitPassed::Ratio { limit: 0.01, failures: 11 }));
    }

    #[test]
    fn failures_that_are_a_thousand_events_old_are_forgotten() {
        let mut count = count(None, Some(0.01));
        for _ in 0..10 {
            count.failed();
        }
        (0..RATIO_WINDOW).for_each(|_| count.succeeded());
        assert!((0..10).all(|_| count.failed().is_none()));
        assert!(count.failed().is_some());
    }

    proptest! {
        #[test]
        fn the_window_counts_what_is_in_it(outcomes in prop::collection::vec(any::<bool>(), 0..3_000)) {
            let mut count = count(None, Some(1.0));
            for failed in &outcomes {
                if *failed { count.failed(); } else { count.succeeded(); }
            }
            let last = &outcomes[outcomes.len().saturating_sub(RATIO_WINDOW)..];
            prop_assert_eq!(count.failures_in_window, last.iter().filter(|failed| **failed).count());
        }
    }
}
