//! The consumer against librdkafka's mock cluster, with a processor and a screen that only record.

mod assigning_again;
mod committing;
mod scene;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering as AtomicOrdering;
use std::time::{Duration, Instant};

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use self::scene::{
    Broker, EAGER, PARTITIONS, delivery, start, start_changed, start_when, start_with, wait_until,
};
use crate::delivery::{CommitMode, DeliverySettings, Ordering};
use crate::kafka::{ConsumerError, StartError, StartPosition};

/// Long enough for what is there to arrive on a machine that has other things to do.
const IDLE: Duration = Duration::from_secs(2);

#[test]
fn what_is_handed_over_is_processed_in_order_and_all_of_it_is_committed() {
    let broker = Broker::new();
    for partition in 0..PARTITIONS {
        broker.produce(partition, ["e", "d"].repeat(5));
    }
    let running = start(&broker, "all", delivery());
    let all = BTreeMap::from([(0, 10), (1, 10), (2, 10)]);
    wait_until("everything is committed", || broker.committed("all") == all);
    assert!(running.counts.commits.load(AtomicOrdering::Relaxed) >= 1);
    let counts = Arc::clone(&running.counts);
    let seen = running.stop();
    assert_eq!(seen.len(), 15);
    for partition in 0..PARTITIONS {
        let offsets: Vec<i64> = seen.iter().filter(|(p, _)| *p == partition).map(|(_, o)| *o).collect();
        assert!(offsets.is_sorted(), "{offsets:?}");
    }
    assert_eq!(counts.dropped.load(AtomicOrdering::Relaxed), 15);
}

#[test]
fn after_a_clean_stop_nothing_comes_again() {
    let broker = Broker::new();
    broker.produce(0, ["e"; 10]);
    let first = start(&broker, "resume", delivery());
    wait_until("ten events are processed", || first.seen().len() == 10);
    assert_eq!(first.stop().len(), 10);
    broker.produce(0, ["e"; 5]);
    let second = start(&broker, "resume", delivery());
    wait_until("five more are processed", || second.seen().len() >= 5);
    let offsets: Vec<i64> = second.stop().into_iter().map(|(_, offset)| offset).collect();
    assert_eq!(offsets, [10, 11, 12, 13, 14]);
}

#[test]
fn an_event_that_is_held_holds_the_commit_of_its_partition_and_of_no_other() {
    let broker = Broker::new();
    broker.produce(0, ["e", "h", "e", "d"]);
    broker.produce(1, ["e"]);
    let running = start(&broker, "held", DeliverySettings { ordering: Ordering::Unordered, ..delivery() });
    wait_until("all but the held one are processed", || running.seen().len() == 3);
    wait_until("partition 1 is committed", || broker.committed("held").get(&1) == Some(&1));
    assert_eq!(broker.committed("held").get(&0), Some(&1));
    running.recorder.released.cancel();
    wait_until("partition 0 is committed", || broker.committed("held").get(&0) == Some(&4));
    running.stop();
}

#[test]
fn an_event_that_waits_during_a_stop_is_left_uncommitted_and_comes_again() {
    let broker = Broker::new();
    broker.produce(0, ["e", "h", "e"]);
    let running = start(&broker, "left", delivery());
    wait_until("the first is committed", || broker.committed("left").get(&0) == Some(&1));
    assert_eq!(running.stop(), [(0, 0)]);
    assert_eq!(broker.committed("left").get(&0), Some(&1));
    let again = start(&broker, "left", delivery());
    again.recorder.released.cancel();
    wait_until("the rest is processed", || again.seen().len() == 2);
    assert_eq!(again.stop(), [(0, 1), (0, 2)]);
}

#[test]
fn a_partition_pauses_when_its_budget_is_spent_and_resumes_without_loss_or_repetition() {
    let broker = Broker::new();
    broker.produce(0, ["h"].into_iter().chain(["e"; 200]));
    let running = start(&broker, "budget", DeliverySettings { max_uncommitted: 20, ..delivery() });
    wait_until("the partition pauses", || running.counts.pauses.load(AtomicOrdering::Relaxed) > 0);
    assert!(running.seen().is_empty(), "the first event is still held");
    running.recorder.released.cancel();
    wait_until("everything is processed", || running.seen().len() >= 201);
    wait_until("everything is committed", || broker.committed("budget").get(&0) == Some(&201));
    let offsets: Vec<i64> = running.stop().into_iter().map(|(_, offset)| offset).collect();
    assert_eq!(offsets, (0..201).collect::<Vec<i64>>());
}

#[test]
fn a_failed_event_stops_its_lane_and_is_not_committed() {
    let broker = Broker::new();
    broker.produce(0, ["e", "f", "e"]);
    let running = start(&broker, "failed", delivery());
    wait_until("the first is committed", || broker.committed("failed").get(&0) == Some(&1));
    assert_eq!(running.stop(), [(0, 0)]);
    assert_eq!(broker.committed("failed").get(&0), Some(&1));
}

#[test]
fn with_a_commit_per_event_every_event_is_committed_before_the_next() {
    let broker = Broker::new();
    broker.produce(0, ["e", "e", "h"]);
    let running = start(&broker, "each", DeliverySettings { commit: CommitMode::PerEvent, ..delivery() });
    wait_until("the first two are committed", || broker.committed("each").get(&0) == Some(&2));
    assert!(running.counts.commits.load(AtomicOrdering::Relaxed) >= 3, "the start and one per event");
    running.stop();
}

#[test]
fn an_action_that_does_not_end_delays_a_stop_by_one_drain_and_not_by_several() {
    let broker = Broker::new();
    broker.produce(0, ["i"]);
    let drain = Duration::from_secs(3);
    let running = start(&broker, "ignores", DeliverySettings { drain_timeout: drain, ..delivery() });
    wait_until("the start is committed", || broker.committed("ignores").get(&0) == Some(&0));
    let began = Instant::now();
    assert!(running.stop().is_empty());
    assert!(began.elapsed() < drain * 2 + Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_stop_that_takes_long_says_once_what_it_waits_for_and_again_when_its_time_is_over() {
    let broker = Broker::new();
    for partition in 0..2 {
        broker.produce(partition, ["i", "e"]);
    }
    broker.produce(2, ["e"]);
    let drain_timeout = Duration::from_secs(4);
    let running = start(&broker, "says", DeliverySettings { drain_timeout, ..delivery() });
    let begun = || running.recorder.begun.load(AtomicOrdering::Relaxed);
    wait_until("one event of each partition has begun", || begun() == 3);
    let counts = Arc::clone(&running.counts);
    running.stop();
    let drains = counts.drains.lock().unwrap();
    let [(running, partitions, Some(left)), (left_behind, of, None)] = &drains[..] else {
        panic!("{drains:?}");
    };
    assert_eq!((*running, *left_behind), (2, 2), "what has not begun is not waited for");
    assert!(*left <= drain_timeout - Duration::from_secs(2), "{left:?}");
    let mut partitions: Vec<i32> = partitions.iter().map(|source| source.partition).collect();
    partitions.sort_unstable();
    assert_eq!((partitions, of.len()), (vec![0, 1], 2), "the third one has finished");
}

#[test]
fn a_partition_that_holds_all_bytes_does_not_starve_the_others() {
    let broker = Broker::new();
    let held = "h".repeat(2000);
    broker.produce(0, [held.as_str()]);
    let running = start(&broker, "bytes", DeliverySettings { max_in_flight_bytes: 1000, ..delivery() });
    wait_until("partition 0 is full", || running.counts.pauses.load(AtomicOrdering::Relaxed) > 0);
    broker.produce(1, ["e"; 20]);
    wait_until("partition 1 is processed", || running.seen().len() == 20);
    running.recorder.released.cancel();
    wait_until("partition 0 is processed", || running.seen().len() == 21);
    running.stop();
}

#[test]
fn with_commits_at_an_interval_a_full_partition_does_not_wait_for_the_interval() {
    let broker = Broker::new();
    broker.produce(0, ["h"].into_iter().chain(["e"; 200]));
    let commit = CommitMode::Interval(Duration::from_secs(3600));
    let running = start(&broker, "interval", DeliverySettings { commit, max_uncommitted: 20, ..delivery() });
    wait_until("the partition pauses", || running.counts.pauses.load(AtomicOrdering::Relaxed) > 0);
    running.recorder.released.cancel();
    wait_until("everything is processed", || running.seen().len() == 201);
    running.stop();
    assert_eq!(broker.committed("interval").get(&0), Some(&201), "the stop commits the rest");
}

#[test]
fn a_position_that_is_reported_and_is_in_range_is_read_on_from() {
    let broker = Broker::new();
    broker.produce(0, ["e"; 3]);
    let running = start(&broker, "in-range", delivery());
    wait_until("three are processed", || running.seen().len() == 3);
    let out_of_range = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    broker.cluster.request_errors(RDKafkaApiKey::Fetch, &[out_of_range]);
    broker.produce(0, ["e"; 3]);
    broker.produce(1, ["e"; 3]);
    wait_until("all nine are processed", || running.seen().len() == 9);
    let seen = running.stop();
    assert_eq!(seen.len(), 9, "none comes twice: {seen:?}");
}

#[test]
fn a_partition_that_is_assigned_again_where_it_stood_waits_for_no_commit() {
    let broker = Broker::new();
    broker.produce(0, ["e"; 3]);
    let running = start(&broker, "again", delivery());
    wait_until("all are committed", || broker.committed("again") == BTreeMap::from([(0, 3), (1, 0), (2, 0)]));
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;
    broker.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[refused; 1000]);
    let out_of_range = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    broker.cluster.request_errors(RDKafkaApiKey::Fetch, &[out_of_range]);
    broker.produce(0, ["e"; 3]);
    broker.produce(1, ["e"; 3]);
    wait_until("all nine are processed", || running.seen().len() == 9);
    assert_eq!(broker.committed("again").get(&0), Some(&3), "the group takes no commit meanwhile");
    broker.cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    wait_until("the rest is committed", || broker.committed("again").get(&1) == Some(&3));
    running.stop();
}

#[test]
fn a_pause_does_not_outlive_its_assignment() {
    let broker = Broker::new();
    broker.produce(0, ["h"].into_iter().chain(["e"; 50]));
    let settings = DeliverySettings { max_uncommitted: 10, ..delivery() };
    let first = start_with(&broker, "pause", settings.clone(), EAGER);
    wait_until("the partition pauses", || first.counts.pauses.load(AtomicOrdering::Relaxed) > 0);
    // Whoever gets partition 0 now, the first member gets it back when the second one leaves.
    let second = start_with(&broker, "pause", settings, EAGER);
    wait_until("the first gives its partitions up", || {
        first.counts.revocations.load(AtomicOrdering::Relaxed) > 0
    });
    wait_until("the second has some", || second.counts.assigned.load(AtomicOrdering::Relaxed) > 0);
    second.stop();
    wait_until("the first has all", || first.counts.assigned.load(AtomicOrdering::Relaxed) == 3);
    first.recorder.released.cancel();
    wait_until("everything is processed", || first.seen().len() == 51);
    first.stop();
}

#[test]
fn a_partition_that_stands_still_although_nothing_holds_it_is_told_until_it_moves_again() {
    let broker = Broker::new();
    broker.produce(0, ["h"].into_iter().chain(["e"; 50]));
    // One record at a time, so that most of them are still to be fetched when fetching fails.
    let settings = DeliverySettings { max_uncommitted: 1, ..delivery() };
    let more = [("group.protocol", "consumer"), ("statistics.interval.ms", "100")];
    let running = start_with(&broker, "stands", settings, &more);
    let stalled = || running.counts.stalled.lock().unwrap().clone();
    wait_until("the partition pauses", || running.counts.pauses.load(AtomicOrdering::Relaxed) > 0);
    let not_there = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE;
    broker.cluster.request_errors(RDKafkaApiKey::Fetch, &[not_there; 1000]);
    running.recorder.released.cancel();
    wait_until("it is noticed", || {
        stalled().is_some_and(|why| why.starts_with("PlatformEvent_v1[0] stands at offset "))
    });
    assert!(running.seen().len() < 51, "most could not be fetched");
    broker.cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    wait_until("everything is processed", || running.seen().len() == 51);
    wait_until("it is over", || stalled().is_none());
    running.stop();
}

#[test]
fn a_group_is_joined_once_it_may_be_and_not_before() {
    let broker = Broker::new();
    broker.produce(0, ["e"]);
    let (allow, may_join) = tokio::sync::watch::channel(false);
    let running = start_when(&broker, "may-join", may_join);
    let counts = Arc::clone(&running.counts);
    wait_until("the broker is reached", || counts.reached.load(AtomicOrdering::Relaxed) > 0);
    assert_eq!(counts.connected.load(AtomicOrdering::Relaxed), 0);
    allow.send_replace(true);
    wait_until("the event is processed", || running.seen().len() == 1);
    assert_eq!(counts.connected.load(AtomicOrdering::Relaxed), 1);
    running.stop();
}

#[test]
fn nothing_for_the_idle_time_ends_a_consumer_that_has_committed_what_came() {
    let broker = Broker::new();
    broker.produce(0, ["e", "d"]);
    let running = start_changed(&broker, "idle", |settings| {
        settings.idle_timeout = Some(IDLE);
    });
    wait_until("it ends by itself", || running.has_ended());
    assert_eq!(running.seen(), [(0, 0)]);
    assert!(running.end().is_ok());
    assert_eq!(broker.committed("idle"), BTreeMap::from([(0, 2), (1, 0), (2, 0)]));
}

#[test]
fn an_event_in_flight_is_not_idleness() {
    let broker = Broker::new();
    broker.produce(0, ["h"]);
    let running = start_changed(&broker, "busy", |settings| settings.idle_timeout = Some(IDLE));
    wait_until("the event is with its lane", || running.counts.held.load(AtomicOrdering::Relaxed) > 0);
    let held = Instant::now();
    wait_until("the idle time is over", || held.elapsed() > IDLE * 3 / 2);
    assert!(!running.has_ended());
    running.recorder.released.cancel();
    wait_until("it ends by itself", || running.has_ended());
    assert_eq!(broker.committed("busy").get(&0), Some(&1));
}

#[test]
fn a_broker_that_cannot_look_up_times_is_noticed_and_nothing_is_skipped() {
    let broker = Broker::new();
    broker.produce(0, ["e"]);
    for start in [StartPosition::Lookback(Duration::from_secs(3600)), StartPosition::Timestamp(1)] {
        let running = start_changed(&broker, "times", |settings| settings.start = start);
        wait_until("it is refused", || running.has_ended());
        assert!(matches!(running.end(), Err(ConsumerError::Start(StartError::NoTimes))), "{start:?}");
    }
    assert!(broker.committed("times").into_values().all(|offset| offset < 0), "nothing is committed");
}

#[test]
fn records_are_read_whatever_codec_compressed_them() {
    let broker = Broker::new();
    let value = "e".repeat(10_000);
    let codecs = ["gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        broker.produce_with(&[("compression.type", codec)], 0, [value.as_str(); 3]);
    }
    let running = start(&broker, "codecs", delivery());
    wait_until("all are processed", || running.seen().len() == codecs.len() * 3);
    running.stop();
}
