//! Notices a partition that has something to read and does not move although nothing holds it, and a client that has
//! no broker left to connect to.
//!
//! It only tells: nothing is rebuilt inside the process. `/livez` fails, and whoever runs the process
//! restarts it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::statistics::{Partition, Statistics};

use super::slots::Slot;
use crate::event::TopicPartition;

/// What librdkafka's statistics say of a partition.
pub(super) fn figures_of<'a>(statistics: &'a Statistics, source: &TopicPartition) -> Option<&'a Partition> {
    statistics.topics.get(&*source.topic)?.partitions.get(&source.partition)
}

/// How many times longer a partition may stand that is being searched for the next record that can be read. A search
/// takes what it takes, and would begin anew after a restart; one whose client hangs is for a restart all the same.
const SEARCHED: u32 = 20;

/// What was seen of the partitions at the last looks, one for each statistics of librdkafka.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// How long a partition may stand still.
    patience: Duration,
    /// The position, and since when the partition stands there with something to read and nothing in the
    /// way. Not by assignment: one that is assigned again and again without moving stands too.
    standing: HashMap<TopicPartition, (i64, Instant)>,
    /// Since when librdkafka has no broker that it could connect to.
    without_brokers: Option<Instant>,
    barking: bool,
}

impl Watchdog {
    /// A watchdog that lets a partition stand still for so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, standing: HashMap::new(), without_brokers: None, barking: false }
    }

    /// Looks at all partitions, whose logs end at `ends` as far as that was looked up, and of which some are `searched`.
    /// `Some` if what is to be said has changed: why the pipeline stands, or that it moves again.
    pub(super) fn look<'a>(
        &mut self,
        slots: impl Iterator<Item = &'a Slot>,
        statistics: &Statistics,
        connected: bool,
        ends: impl Fn(&TopicPartition) -> Option<i64>,
        searched: impl Fn(&Slot) -> bool,
    ) -> Option<Option<String>> {
        let before = std::mem::take(&mut self.standing);
        let mut stalled = self.why_without_brokers(statistics);
        for slot in slots {
            let source = slot.source();
            let more = has_more(slot.next, figures_of(statistics, source), ends(source));
            let free =
                !slot.paused && slot.move_to.is_none() && slot.gap.is_none() && slot.epoch.unfinished() == 0;
            if !(connected && more && free) {
                continue;
            }
            let since = match before.get(source) {
                Some((next, since)) if *next == slot.next => *since,
                _ => Instant::now(),
            };
            self.standing.insert(source.clone(), (slot.next, since));
            let patience = self.patience.saturating_mul(if searched(slot) { SEARCHED } else { 1 });
            if since.elapsed() >= patience && stalled.is_none() {
                stalled = Some(format!(
                    "{source} stands at offset {} for {} s although there is more to read and nothing holds it",
                    slot.next,
                    since.elapsed().as_secs()
                ));
            }
        }
        if stalled.is_none() && !self.barking {
            return None;
        }
        self.barking = stalled.is_some();
        Some(stalled)
    }

    /// librdkafka gives up the brokers that an answer of the cluster does not list, and begins again with the addresses
    /// it was given once all are gone. Where an answer lists none, as that of a cluster whose brokers are all fenced,
    /// 2.12.1 may note that it begins again and stop the timer that would: it connects to nobody any more, whoever
    /// comes back.
    fn why_without_brokers(&mut self, statistics: &Statistics) -> Option<String> {
        // The group's coordinator is one beside those that are connected to.
        let is_one = |source: &str| matches!(source, "learned" | "configured");
        let brokers = &statistics.brokers;
        if brokers.is_empty() || brokers.values().any(|broker| is_one(&broker.source)) {
            self.without_brokers = None;
            return None;
        }
        let since = self.without_brokers.get_or_insert_with(Instant::now).elapsed();
        (since >= self.patience).then(|| {
            format!(
                "librdkafka has had no broker left to connect to for {} s and looks for none any more: only a restart of the process helps",
                since.as_secs()
            )
        })
    }
}

/// Whether the log holds something behind `next`. A transaction's marker at its end is passed by librdkafka and
/// comes as no record, so librdkafka's own position counts; it has none before it has begun to fetch. The end it
/// knows is that of its last fetch: where no fetch succeeds, the one that was looked up shows that there is more.
fn has_more(next: i64, figures: Option<&Partition>, end: Option<i64>) -> bool {
    let next = figures.map_or(next, |figures| next.max(figures.next_offset));
    figures.map(|figures| figures.ls_offset).max(end).is_some_and(|end| next < end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rdkafka::statistics::Topic;

    use super::*;
    use crate::event::Route;
    use crate::kafka::look_ups::Start;

    /// Each is a new assignment of the same partition, committed up to `offset`.
    fn slot(offset: i64) -> Slot {
        let source = TopicPartition { topic: "t".into(), partition: 0 };
        let metadata = Arc::from("");
        let start = Start { source, offset, committed: Some(offset), metadata, another_log: None };
        Slot::new(&start, Route::ChangeLog, None)
    }

    fn statistics(next_offset: i64, ls_offset: i64) -> Statistics {
        let partition = Partition { next_offset, ls_offset, ..Partition::default() };
        let topic = Topic { partitions: HashMap::from([(0, partition)]), ..Topic::default() };
        Statistics { topics: HashMap::from([("t".to_owned(), topic)]), ..Statistics::default() }
    }

    #[test]
    fn a_topic_that_ends_in_a_transaction_marker_has_nothing_more_to_read() {
        let mut watchdog = Watchdog::new(Duration::ZERO);
        assert_eq!(
            watchdog.look([slot(100)].iter(), &statistics(101, 101), true, |_| Some(101), |_| false),
            None
        );
    }

    #[test]
    fn a_partition_whose_fetches_all_fail_stands_although_librdkafka_knows_of_nothing_more() {
        let mut watchdog = Watchdog::new(Duration::ZERO);
        let read_to_its_end = statistics(100, 100);
        assert_eq!(watchdog.look([slot(100)].iter(), &read_to_its_end, true, |_| Some(100), |_| false), None);
        let told =
            watchdog.look([slot(100)].iter(), &read_to_its_end, true, |_| Some(103), |_| false).flatten();
        assert!(told.is_some_and(|why| why.starts_with("t[0] stands at offset 100 ")));
    }

    #[test]
    fn a_partition_that_is_assigned_again_without_moving_stands_until_it_moves() {
        // librdkafka knows no position of a partition that it has not begun to fetch.
        let behind = statistics(-1001, 101);
        let mut watchdog = Watchdog::new(Duration::from_millis(20));
        assert_eq!(watchdog.look([slot(5)].iter(), &behind, true, |_| None, |_| false), None);
        let deadline = Instant::now() + Duration::from_secs(10);
        let told = loop {
            assert!(Instant::now() < deadline, "it was never told");
            if let Some(told) = watchdog.look([slot(5)].iter(), &behind, true, |_| None, |_| false) {
                break told;
            }
        };
        assert!(told.is_some_and(|why| why.starts_with("t[0] stands at offset 5 ")));
        assert_eq!(watchdog.look([slot(6)].iter(), &behind, true, |_| None, |_| false), Some(None));
    }

    #[test]
    fn a_client_that_has_no_broker_left_to_connect_to_is_told_until_it_has_one() {
        let mut watchdog = Watchdog::new(Duration::ZERO);
        let with = |sources: &[&str]| {
            let broker = |source: &&str| {
                let broker =
                    rdkafka::statistics::Broker { source: (*source).to_owned(), ..Default::default() };
                ((*source).to_owned(), broker)
            };
            Statistics { brokers: sources.iter().map(broker).collect(), ..Statistics::default() }
        };
        let mut look =
            |sources: &[&str]| watchdog.look([].iter(), &with(sources), false, |_| None, |_| false);
        assert_eq!(look(&["configured", "logical"]), None, "it is away, and looked for");
        let told = look(&["logical"]).flatten();
        assert!(told.as_ref().is_some_and(|why| why.contains("only a restart")), "{told:?}");
        assert_eq!(look(&["learned", "logical"]), Some(None));
    }

    #[test]
    fn a_partition_that_is_searched_may_stand_longer_and_its_time_counts_once_the_search_is_over() {
        let begin = Instant::now();
        let mut watchdog = Watchdog::new(Duration::from_secs(1));
        let mut told_after = |seconds, searched| {
            let since =
                begin.checked_sub(Duration::from_secs(seconds)).expect("a machine that runs for minutes");
            watchdog.standing = HashMap::from([(slot(5).source().clone(), (5, since))]);
            watchdog.look([slot(5)].iter(), &statistics(5, 101), true, |_| None, |_| searched).flatten()
        };
        assert_eq!(told_after(2, true), None);
        assert!(told_after(2, false).is_some(), "the search is over and has found nothing");
        assert!(told_after(21, true).is_some(), "the search hangs");
    }
}
