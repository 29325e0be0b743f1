//! What a client complains about again and again: one line in a while says as much as thousands.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How soon a complaint that lasts is logged again.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// How many were left out of a complaint that did not come for so long is forgotten.
const FORGET: Duration = Duration::from_secs(3600);

/// What was complained about lately. Clients that take each other's place share one.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<HashMap<String, Said>>);

#[derive(Debug)]
struct Said {
    when: Instant,
    left_out: u64,
}

impl Complaints {
    /// Notes a complaint, word for word. `Some` if it is to be logged: with how many like it were not since it was
    /// logged last.
    pub(super) fn note(&self, reason: &str) -> Option<u64> {
        self.note_at(reason, Instant::now())
    }

    fn note_at(&self, reason: &str, now: Instant) -> Option<u64> {
        let since = |then: Instant| now.saturating_duration_since(then);
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, said| since(said.when) < if said.left_out == 0 { SAY_AGAIN } else { FORGET });
        match said.get_mut(reason) {
            Some(said) if since(said.when) < SAY_AGAIN => {
                said.left_out += 1;
                None
            }
            Some(said) => {
                said.when = now;
                Some(std::mem::take(&mut said.left_out))
            }
            None => {
                said.insert(reason.to_owned(), Said { when: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

/// A complaint as it is compared: "(after 3ms in state CONNECT)" and "(after 4ms in state CONNECT, 30 identical
/// error(s) suppressed)" say the same. Other numbers do not: they tell brokers, topics and partitions apart.
pub(super) fn without_counts(reason: &str) -> String {
    let mut told = reason.to_owned();
    if let Some(end) = told.find(" identical error(s) suppressed")
        && let Some(start) = told[..end].rfind(", ")
        && told[start + 2..end].bytes().all(|byte| byte.is_ascii_digit())
    {
        told.replace_range(start..end + " identical error(s) suppressed".len(), "");
    }
    let mut parts = told.split("after ");
    let mut compared = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let behind = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
        compared.push_str("after ");
        compared.push_str(if behind.starts_with("ms") { behind } else { part });
    }
    compared
}

/// ` (and 59 more like it since it was last logged)`, where there were any.
pub(super) fn more(left_out: u64) -> String {
    match left_out {
        0 => String::new(),
        some => format!(" (and {some} more like it since it was last logged)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_that_lasts_is_logged_once_in_a_while_with_how_many_were_not() {
        let complaints = Complaints::default();
        let begin = Instant::now();
        let note = |reason: &str, seconds| {
            complaints.note_at(&without_counts(reason), begin + Duration::from_secs(seconds))
        };
        assert_eq!(note("broker: refused (after 3ms in state CONNECT)", 0), Some(0));
        assert_eq!(note("broker: refused (after 41ms in state CONNECT)", 1), None);
        assert_eq!(note("another: refused (after 3ms in state CONNECT)", 2), Some(0));
        assert_eq!(note("broker: refused (after 7ms in state CONNECT)", 59), None);
        assert_eq!(note("broker: refused (after 7ms in state CONNECT)", 60), Some(2));
        assert_eq!(note("broker: refused (after 7ms in state CONNECT)", 61), None);
        assert_eq!(note("broker: refused (after 7ms in state CONNECT)", 3_700), Some(0), "forgotten");
        assert_eq!(complaints.0.lock().unwrap().len(), 1, "no more is kept than what may come again");
        assert_eq!(more(0), "");
        assert_eq!(more(2), " (and 2 more like it since it was last logged)");
    }
    #[test]
    fn complaints_of_different_brokers_or_topics_are_different() {
        let compared = [
            "kafka-1:9092/1: Connect failed: Connection refused (after 3ms in state CONNECT)",
            "kafka-2:9092/2: Connect failed: Connection refused (after 3ms in state CONNECT)",
            "Metadata_v1 [0]: Broker: Topic authorization failed",
            "Metadata_v2 [0]: Broker: Topic authorization failed",
            "1/2 brokers are down",
            "2/2 brokers are down",
        ]
        .map(without_counts);
        let different: std::collections::HashSet<_> = compared.iter().collect();
        assert_eq!(different.len(), compared.len(), "{compared:?}");
    }

    #[test]
    fn how_long_it_took_and_how_often_it_came_is_not_compared() {
        for (reason, compared) in [
            (
                "b:9092/1: refused (after 3ms in state CONNECT)",
                "b:9092/1: refused (after ms in state CONNECT)",
            ),
            (
                "b:9092/1: refused (after 41ms in state CONNECT, 30 identical error(s) suppressed)",
                "b:9092/1: refused (after ms in state CONNECT)",
            ),
            ("in flight (after 61003ms, timeout #0)", "in flight (after ms, timeout #0)"),
            ("look after 3 brokers after 4ms and after 5", "look after 3 brokers after ms and after 5"),
        ] {
            assert_eq!(without_counts(reason), compared);
        }
    }
}
