//! A store that takes no letters for longer than a moment.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::StoreError;

/// How often a failure that lasts is told again. Whoever waits for the store tells the first one. Letters are tried
/// again every second or so, so a failure that comes later than this after the last one is another one.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Repeats in the log that letters cannot be stored, for as long as that lasts, however many wait.
#[derive(Debug, Default)]
pub(super) struct Outage {
    pub(super) lasting: Mutex<Option<Lasting>>,
}

/// A failure that may last, and when it was told last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting {
    failed: Instant,
    told: Instant,
}

impl Outage {
    /// A letter could not be stored, or not yet. Its attempt may have taken long: brokers that are away take ten
    /// seconds to be given up.
    pub(super) fn failed(&self, pipeline: &str, error: &StoreError) {
        if self.is_to_be_told_again(Instant::now()) {
            tracing::error!(pipeline, "dead letters still wait: {}", error.while_waiting());
        }
    }

    fn is_to_be_told_again(&self, now: Instant) -> bool {
        // Nothing panics while it holds this lock.
        let mut lasting = self.lasting.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |then: Instant| now.saturating_duration_since(then);
        let told = lasting.filter(|before| since(before.failed) < TELL_AGAIN).map(|before| before.told);
        let again = told.is_some_and(|told| since(told) >= TELL_AGAIN);
        let told = told.filter(|_| !again).unwrap_or(now);
        *lasting = Some(Lasting { failed: now, told });
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_lasts_is_told_again_about_once_a_minute_and_the_first_one_by_others() {
        let outage = Outage::default();
        let begin = Instant::now();
        let told_in = |seconds: std::ops::Range<u64>| -> Vec<u64> {
            // Two partitions wait.
            let tries = seconds.flat_map(|second| [second, second]);
            tries.filter(|second| outage.is_to_be_told_again(begin + Duration::from_secs(*second))).collect()
        };
        assert_eq!(told_in(0..200), [60, 120, 180]);
        // Over for some minutes, and back.
        assert_eq!(told_in(400..500), [460]);
    }
}
