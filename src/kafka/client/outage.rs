//! Brokers that are all away: told once, and once that they are back. librdkafka tells of each connection of each
//! client instead, again and again, and never of the end.

use std::time::{Duration, Instant};

/// How long it may take until all connections have failed of which one has. What statistics say of the others until
/// then may be over already.
const FIRST_OF_ALL: Duration = Duration::from_secs(2);

/// What the log has of brokers that are away.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// Since when none can be reached, and that was told.
    since: Option<Instant>,
    /// A connection that failed, and when: told unless all brokers turn out to be away.
    failed: Option<(Instant, String)>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A broker is away, in librdkafka's words. Others are there.
    OneIsAway(String),
    /// Brokers can be reached again, after so long.
    Back(Duration),
}

impl Outage {
    /// A connection to a broker failed or cannot be made.
    pub(super) fn connection_failed(&mut self, reason: &str, now: Instant) {
        if self.since.is_none() {
            self.failed.get_or_insert_with(|| (now, reason.to_owned()));
        }
    }

    /// No broker can be reached. Whether that is new.
    pub(super) fn all_away(&mut self, now: Instant) -> bool {
        let began = self.failed.take().map_or(now, |(began, _)| began);
        let is_new = self.since.is_none();
        self.since.get_or_insert(began);
        is_new
    }

    /// Statistics came, in which a broker is connected or none is.
    pub(super) fn look(&mut self, connected: bool, now: Instant) -> Option<Told> {
        let is_clear = |began: Instant| now.saturating_duration_since(began) >= FIRST_OF_ALL;
        if let Some(since) = self.since.take_if(|since| connected && is_clear(*since)) {
            return Some(Told::Back(now.saturating_duration_since(since)));
        }
        self.failed.take_if(|(began, _)| is_clear(*began)).map(|(_, reason)| Told::OneIsAway(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_once_that_it_is_over() {
        let mut outage = Outage::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        outage.connection_failed("a:9092: refused", at(0));
        assert!(outage.all_away(at(1)));
        assert_eq!(outage.look(true, at(1)), None, "as it was before the last one went");
        for seconds in 2..40 {
            outage.connection_failed("b:9092: refused", at(seconds));
            assert!(!outage.all_away(at(seconds)));
            assert_eq!(outage.look(false, at(seconds)), None);
        }
        assert_eq!(outage.look(true, at(42)), Some(Told::Back(Duration::from_secs(42))));
        assert_eq!(outage.look(true, at(50)), None);
        assert!(outage.all_away(at(60)), "another one");
    }

    #[test]
    fn one_broker_of_several_that_is_away_is_told_once_it_is_clear_that_others_are_there() {
        let mut outage = Outage::default();
        let began = Instant::now();
        outage.connection_failed("a:9092: refused", began);
        outage.connection_failed("a:9092: refused again", began);
        assert_eq!(outage.look(true, began + FIRST_OF_ALL / 2), None);
        let told = outage.look(true, began + FIRST_OF_ALL);
        assert_eq!(told, Some(Told::OneIsAway("a:9092: refused".to_owned())));
        assert_eq!(outage.look(true, began + 2 * FIRST_OF_ALL), None);
    }
}
