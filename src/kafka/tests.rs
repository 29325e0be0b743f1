//! The consumer against librdkafka's mock cluster, with a processor and a screen that only record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering as AtomicOrdering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::delivery::{
    Budget, CommitMode, Delivery, DeliverySettings, FailureMode, Lanes, Ordering, Processed, Processor,
    RetrySettings,
};
use crate::event::{DropReason, Outcome, Route, Stage, TopicPartition};

const TOPIC: &str = "PlatformEvent_v1";
const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// Drops records whose value begins with `d`.
struct Letters;

impl Screen for Letters {
    fn screen(&mut self, _route: Route, value: &[u8]) -> Screening {
        match value.first() {
            Some(b'd') => Screening::Drop(DropReason::Scan),
            _ => Screening::Hand(None),
        }
    }

    fn take_counts(&mut self) -> ScreenCounts {
        ScreenCounts::default()
    }
}

/// Remembers what it processed; holds events whose value begins with `h` until it is released
/// or their partition is given up, and those with `i` until it is released.
#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<(i32, i64)>>,
    released: CancellationToken,
    bell: Mutex<Option<CommitBell>>,
}

impl Processor for Recorder {
    async fn process(&self, delivery: &Delivery) -> Processed {
        let position = &delivery.record.position;
        let value = delivery.record.value.as_deref().unwrap_or_default();
        if value.first() == Some(&b'h') {
            tokio::select! {
                () = self.released.cancelled() => {}
                () = delivery.epoch.draining().cancelled() => return Processed::Interrupted,
            }
        }
        if value.first() == Some(&b'i') {
            // Ignores that its partition is being given up, as an action may.
            self.released.cancelled().await;
        }
        if value.first() == Some(&b'f') {
            let failed = Outcome::Failed(position.clone(), Stage::Action, "told to fail".to_owned());
            return Processed::Ended(failed);
        }
        self.seen.lock().unwrap().push((position.source.partition, position.offset));
        Processed::Ended(Outcome::Acted(position.clone()))
    }

    fn finished(&self) {
        if let Some(bell) = self.bell.lock().unwrap().as_ref() {
            bell.ring();
        }
    }

    fn failed(&self, _outcome: Outcome) {}
}

#[derive(Default)]
struct Counts {
    pauses: AtomicU64,
    commits: AtomicU64,
    dropped: AtomicU64,
    assigned: AtomicU64,
    revocations: AtomicU64,
}

impl Reports for Counts {
    fn polling(&self) {}
    fn connected(&self) {}
    fn draining(&self) {}
    fn received(&self, _topic: &str, _records: u64) {}
    fn dropped(&self, _reason: DropReason, records: u64) {
        self.dropped.fetch_add(records, AtomicOrdering::Relaxed);
    }
    fn screened(&self, _counts: ScreenCounts) {}
    fn stalled(&self, _why: Option<String>) {}
    fn in_flight(&self, _events: usize, _bytes: usize) {}
    fn rebalanced(&self, kind: RebalanceKind, partitions: usize) {
        self.assigned.store(partitions as u64, AtomicOrdering::Relaxed);
        if kind == RebalanceKind::Revoked {
            self.revocations.fetch_add(1, AtomicOrdering::Relaxed);
        }
    }
    fn forgotten(&self, _source: &TopicPartition) {}
    fn paused(&self, _partitions: usize, new: u64) {
        self.pauses.fetch_add(new, AtomicOrdering::Relaxed);
    }
    fn position(&self, _source: &TopicPartition, _committed: Option<i64>, _end: i64) {}
    fn gap(&self, _source: &TopicPartition, _from: i64, _to: i64) {}
    fn commit_confirmed(&self, _took: Duration) {
        self.commits.fetch_add(1, AtomicOrdering::Relaxed);
    }
    fn commit_failed(&self, _took: Duration, _error: &KafkaError) {}
    fn trouble(&self, _trouble: Option<&KafkaError>) {}
}

struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

impl Broker {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
        let producer =
            ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        Self { cluster, producer }
    }

    fn produce<'v>(&self, partition: i32, values: impl IntoIterator<Item = &'v str>) {
        for value in values {
            let record = BaseRecord::<(), str>::to(TOPIC).partition(partition).payload(value);
            self.producer.send(record).unwrap();
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    fn committed(&self, group: &str) -> BTreeMap<i32, i64> {
        let observer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", group)
            .create()
            .unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_range(TOPIC, 0, PARTITIONS - 1);
        let list = observer.committed_offsets(list, PATIENCE).unwrap();
        list.elements().iter().filter_map(|e| Some((e.partition(), e.offset().to_raw()?))).collect()
    }
}

struct Running {
    recorder: Arc<Recorder>,
    counts: Arc<Counts>,
    stop: CancellationToken,
    thread: JoinHandle<Result<(), ConsumerError>>,
    _runtime: Arc<Runtime>,
}

fn delivery() -> DeliverySettings {
    DeliverySettings {
        retry: RetrySettings { count: 0, backoff: Duration::ZERO },
        failure_mode: FailureMode::Continue,
        failed_events_dir: "/nonexistent".into(),
        ordering: Ordering::Partition,
        concurrency: None,
        commit: CommitMode::Group,
        max_uncommitted: 1000,
        max_in_flight_bytes: 1 << 20,
        drain_timeout: Duration::from_secs(20),
    }
}

/// Joins within milliseconds, where the classic protocol takes seconds on this broker.
const BROKERS_OWN_PROTOCOL: &[(&str, &str)] = &[("group.protocol", "consumer")];

/// Every rebalance takes all partitions away from everybody.
const EAGER: &[(&str, &str)] = &[("partition.assignment.strategy", "range"), ("session.timeout.ms", "6000")];

fn start(broker: &Broker, group: &str, delivery: DeliverySettings) -> Running {
    start_with(broker, group, delivery, BROKERS_OWN_PROTOCOL)
}

fn start_with(broker: &Broker, group: &str, delivery: DeliverySettings, more: &[(&str, &str)]) -> Running {
    let runtime =
        Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    let recorder = Arc::new(Recorder::default());
    let counts = Arc::new(Counts::default());
    let stop = CancellationToken::new();
    let budget = Arc::new(Budget::new(delivery.max_in_flight_bytes));
    let bootstrap = broker.cluster.bootstrap_servers();
    let first = [("bootstrap.servers", bootstrap.as_str())];
    let properties = first.iter().chain(more);
    let parts = ConsumerParts {
        pipeline: group.to_owned(),
        settings: ConsumerSettings {
            group_id: group.to_owned(),
            properties: properties.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            topics: vec![(TOPIC.to_owned(), Route::PlatformEvent)],
            start: StartPosition::Earliest,
            request_timeout: Duration::from_secs(10),
            commit_attempts: 5,
            commit_backoff_cap: Duration::from_secs(1),
        },
        delivery: delivery.clone(),
        screen: Letters,
        reports: Arc::clone(&counts) as Arc<dyn Reports>,
        budget: Arc::clone(&budget),
        stop: stop.clone(),
    };
    let handle = runtime.handle().clone();
    let processor = Arc::clone(&recorder);
    let thread = std::thread::spawn(move || {
        consume(parts, |bell| {
            *processor.bell.lock().unwrap() = Some(bell);
            Lanes::new(handle, processor, budget, &delivery)
        })
    });
    Running { recorder, counts, stop, thread, _runtime: runtime }
}

impl Running {
    fn seen(&self) -> Vec<(i32, i64)> {
        self.recorder.seen.lock().unwrap().clone()
    }

    fn stop(self) -> Vec<(i32, i64)> {
        self.stop.cancel();
        self.thread.join().unwrap().unwrap();
        self.recorder.seen.lock().unwrap().clone()
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

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
