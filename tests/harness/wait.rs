//! Waiting for a condition, never for time.

use std::time::{Duration, Instant};

/// How often a condition is looked at: often enough for a test to go on at once, seldom enough to
/// leave the processor to what is being waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not hold `within` that time; the message says `what` was waited for.
pub(crate) fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, within, || condition().then_some(()));
}

/// Waits until `attempt` gives a value, and returns it.
///
/// # Panics
/// If it gives none `within` that time; the message says `what` was waited for.
pub(crate) fn wait_for<T>(what: &str, within: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(begun.elapsed() < within, "waited {within:?} in vain for: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
