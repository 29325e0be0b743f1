//! A store that takes no dead letters for longer than a moment.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a failure that lasts is told again. Whoever waits for the store tells the first one. Letters are tried
/// again every second or so, so a failure that comes later than this after the last one is another one.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Repeats in the log that letters cannot be stored, for as long as that lasts, however many wait.
#[derive(Debug)]
pub(super) struct Outage {
    tell_again: Duration,
    lasting: Mutex<Option<Lasting>>,
}

impl Default for Outage {
    fn default() -> Self {
        Self::told_again_after(TELL_AGAIN)
    }
}

/// A failure that may last, and when it was told last.
#[derive(Debug, Clone, Copy)]
struct Lasting {
    failed: Instant,
    told: Instant,
}

impl Outage {
    /// One that is told again once it has lasted for so long.
    pub(super) fn told_again_after(tell_again: Duration) -> Self {
        Self { tell_again, lasting: Mutex::default() }
    }

    /// A letter could not be stored, or not yet. Its attempt may have taken long: brokers that are away take ten
    /// seconds to be given up, and a disk that hangs has not even refused it.
    pub(super) fn goes_on(&self, pipeline: &str, why: &str) {
        if self.is_to_be_told_again(Instant::now()) {
            tracing::error!(pipeline, "dead letters still wait: {why}");
        }
    }

    fn is_to_be_told_again(&self, now: Instant) -> bool {
        // Nothing panics while it holds this lock.
        let mut lasting = self.lasting.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |then: Instant| now.saturating_duration_since(then);
        let told = lasting.filter(|before| since(before.failed) < self.tell_again).map(|before| before.told);
        let again = told.is_some_and(|told| since(told) >= self.tell_again);
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
