//! How long to wait before an attempt is made again. Pure: no clock, no randomness of its own.

use std::time::Duration;

use super::settings::RetrySettings;

/// No backoff of ours is longer.
pub const BACKOFF_CAP: Duration = Duration::from_secs(60);

/// No wait that the other side asks for is longer: a mistaken `Retry-After` of days must not hold
/// a partition for days.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(3600);

/// Decides whether a failed event is tried again, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    count: u32,
    backoff: Duration,
}

impl RetryPolicy {
    /// The policy of a pipeline's `retry_count` and `retry_backoff_seconds`.
    pub fn new(settings: &RetrySettings) -> Self {
        Self { count: settings.count, backoff: settings.backoff }
    }

    /// How many attempts at an event are made at most, the first one included.
    pub fn attempts(&self) -> u32 {
        self.count.saturating_add(1)
    }

    /// Whether a retry may be made: the first one is number 1.
    pub fn allows(&self, retry: u32) -> bool {
        retry <= self.count
    }

    /// How long to wait before a retry (the first one is number 1). The backoff doubles with each
    /// retry up to [`BACKOFF_CAP`]; `jitter`, from 0 to 1, shortens it by up to half, so that lanes
    /// which failed together do not come back together. If the other side asked to wait
    /// (`retry_after`), the longer of the two counts. A backoff of zero retries at once.
    pub fn wait_before(&self, retry: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let doublings = retry.saturating_sub(1);
        // From 2^32 on the cap has long been reached, whatever the backoff: the shift stays valid.
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let backoff = self.backoff.saturating_mul(factor).min(BACKOFF_CAP);
        // NaN compares with nothing; clamp would hand it on and the multiplication would panic.
        let jitter = if jitter.is_nan() { 0.0 } else { jitter.clamp(0.0, 1.0) };
        let spread = backoff.mul_f64(1.0 - jitter / 2.0);
        spread.max(retry_after.unwrap_or_default().min(RETRY_AFTER_CAP))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(count: u32, backoff: Duration) -> RetryPolicy {
        RetryPolicy::new(&RetrySettings { count, backoff })
    }

    #[test]
    fn the_wait_doubles_up_to_a_minute() {
        let policy = policy(10, Duration::from_secs(1));
        let waits: Vec<u64> = (1..=8).map(|retry| policy.wait_before(retry, None, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn no_backoff_retries_at_once_unless_the_other_side_asked_to_wait() {
        let policy = policy(10, Duration::ZERO);
        assert_eq!(policy.wait_before(7, None, 0.5), Duration::ZERO);
        assert_eq!(policy.wait_before(7, Some(Duration::from_secs(3)), 0.5), Duration::from_secs(3));
    }

    #[test]
    fn the_longer_of_backoff_and_retry_after_counts() {
        let policy = policy(3, Duration::from_secs(4));
        assert_eq!(policy.wait_before(1, Some(Duration::from_secs(1)), 0.0), Duration::from_secs(4));
        assert_eq!(policy.wait_before(1, Some(Duration::from_secs(90)), 0.0), Duration::from_secs(90));
        assert_eq!(policy.wait_before(1, Some(Duration::MAX), 0.0), RETRY_AFTER_CAP);
    }

    #[test]
    fn as_many_retries_are_allowed_as_the_recipe_says() {
        assert!(!policy(0, Duration::ZERO).allows(1));
        assert!(policy(2, Duration::ZERO).allows(2));
        assert!(!policy(2, Duration::ZERO).allows(3));
        assert_eq!(policy(2, Duration::ZERO).attempts(), 3);
    }

    proptest! {
        #[test]
        fn the_wait_stays_between_half_the_backoff_and_the_backoff(
            retry in 1..u32::MAX, backoff_ms in 0..10_000_000_u64, jitter in 0.0..=1.0_f64,
        ) {
            let policy = policy(1, Duration::from_millis(backoff_ms));
            let longest = policy.wait_before(retry, None, 0.0);
            let wait = policy.wait_before(retry, None, jitter);
            prop_assert!(wait <= longest && longest <= BACKOFF_CAP);
            prop_assert!(wait + Duration::from_nanos(1) >= longest / 2);
            prop_assert!(policy.wait_before(retry.saturating_add(1), None, 0.0) >= longest);
        }

        #[test]
        fn no_input_panics(retry: u32, seconds: u64, after: Option<u64>, jitter: f64) {
            let policy = policy(1, Duration::from_secs(seconds));
            let wait = policy.wait_before(retry, after.map(Duration::from_secs), jitter);
            prop_assert!(wait <= RETRY_AFTER_CAP);
        }
    }
}
