//! How often the log tells of attempts that fail and are made again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How soon it is told again. Where every attempt fails, one line says as much as thousands.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// When failed attempts of a pipeline were told last, and how many were not since.
#[derive(Debug, Default)]
pub(super) struct FailuresTold(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    untold: u64,
}

impl FailuresTold {
    /// Notes an attempt that failed `now`. `Some` if it is to be told: with how many were not, since one was.
    pub(super) fn note(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| now.saturating_duration_since(last) < TELL_AGAIN) {
            told.untold += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_in_a_while_is_told_with_how_many_were_not() {
        let told = FailuresTold::default();
        let began = Instant::now();
        let note = |seconds| told.note(began + Duration::from_secs(seconds));
        assert_eq!(note(0), Some(0), "the first one at once");
        assert_eq!([note(1), note(2), note(29)], [None; 3]);
        assert_eq!(note(30), Some(3));
        assert_eq!([note(31), note(59)], [None; 2]);
        assert_eq!(note(3600), Some(2));
    }
}
