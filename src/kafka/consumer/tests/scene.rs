//! A broker, a consumer on a thread, and a processor, a screen and reports that only record.

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
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::delivery::{
    Budget, CommitMode, Delivery, DeliverySettings, FailureLimits, FailureMode, Lanes, OnGap, Ordering,
    Processed, Processor, RetrySettings,
};
use crate::event::{DropReason, Outcome, Route, Stage, TopicPartition};
use crate::kafka::{
    CommitBell, CommitsFail, ConsumerError, ConsumerParts, ConsumerSettings, DrainWaits, Gap, RebalanceKind,
    Reports, Screen, ScreenCounts, Screening, SourceKind, StartPosition, UnreadableTopic, consume,
};

pub(super) const TOPIC: &str = "PlatformEvent_v1";
pub(super) const PARTITIONS: i32 = 3;
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a partition may stand still.
const STALL: Duration = Duration::from_secs(2);

/// Drops records whose value begins with `d`.
pub(super) struct Letters;

impl Screen for Letters {
    fn screen(&mut self, _route: &Route, value: &[u8]) -> Screening {
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
pub(super) struct Recorder {
    seen: Mutex<Vec<(i32, i64)>>,
    pub(super) released: CancellationToken,
    /// How many events it has begun with.
    pub(super) begun: AtomicU64,
    bell: Mutex<Option<CommitBell>>,
}

impl Processor for Recorder {
    async fn process(&self, delivery: &Delivery) -> Processed {
        self.begun.fetch_add(1, AtomicOrdering::Relaxed);
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

/// How many events a drain waited for, of which partitions, and how long it might go on.
pub(super) type Drain = (usize, Vec<TopicPartition>, Option<Duration>);

#[derive(Default)]
pub(super) struct Counts {
    pub(super) pauses: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Attempts that failed.
    pub(super) commits_refused: AtomicU64,
    /// Commits that failed in a row, as far as somebody was told of them.
    pub(super) commits_fail: AtomicU64,
    pub(super) assigned: AtomicU64,
    pub(super) revocations: AtomicU64,
    /// Why it stands still, if it does.
    pub(super) stalled: Mutex<Option<String>>,
    /// How often it was told where a partition stands.
    pub(super) looks: AtomicU64,
    /// The topics that cannot be read.
    pub(super) unreadable: Mutex<Vec<UnreadableTopic>>,
    /// How often the brokers were said to be there, the group to be joined.
    pub(super) reached: AtomicU64,
    pub(super) connected: AtomicU64,
    /// Events with the lanes.
    pub(super) held: AtomicU64,
    /// What drains have told.
    pub(super) drains: Mutex<Vec<Drain>>,
}

impl Reports for Counts {
    fn polling(&self) {}
    fn connected(&self) {
        self.connected.fetch_add(1, AtomicOrdering::Relaxed);
    }
    fn draining(&self) {}
    fn drain_waits(&self, drain: DrainWaits<'_>) {
        self.drains.lock().unwrap().push((drain.events, drain.partitions.to_vec(), drain.left));
    }
    fn received(&self, _topic: &str, _records: u64) {}
    fn dropped(&self, _reason: DropReason, records: u64) {
        self.dropped.fetch_add(records, AtomicOrdering::Relaxed);
    }
    fn screened(&self, _counts: ScreenCounts) {}
    fn stalled(&self, why: Option<String>) {
        *self.stalled.lock().unwrap() = why;
    }
    fn in_flight(&self, events: usize, _bytes: usize) {
        self.held.store(events as u64, AtomicOrdering::Relaxed);
    }
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
    fn position(&self, _source: &TopicPartition, _committed: Option<i64>, _begin: Option<i64>, _end: i64) {
        self.looks.fetch_add(1, AtomicOrdering::Relaxed);
    }
    fn gap(&self, _gap: &Gap, _records: u64) {}
    fn waits_at(&self, _gaps: &[&Gap]) {}
    fn unreadable(&self, topics: &[UnreadableTopic]) {
        *self.unreadable.lock().unwrap() = topics.to_vec();
    }
    fn commit_confirmed(&self, _took: Duration) {
        self.commits.fetch_add(1, AtomicOrdering::Relaxed);
    }
    fn commit_failed(&self, _took: Duration, _error: &KafkaError) {
        self.commits_refused.fetch_add(1, AtomicOrdering::Relaxed);
    }
    fn commits_fail(&self, failing: Option<CommitsFail<'_>>) {
        self.commits_fail
            .store(failing.map_or(0, |failing| failing.in_a_row.into()), AtomicOrdering::Relaxed);
    }
    fn trouble(&self, trouble: Option<&KafkaError>) {
        if trouble.is_none() {
            self.reached.fetch_add(1, AtomicOrdering::Relaxed);
        }
    }
}

pub(super) struct Broker {
    pub(super) cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

impl Broker {
    pub(super) fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
        let producer =
            ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        Self { cluster, producer }
    }

    pub(super) fn produce<'v>(&self, partition: i32, values: impl IntoIterator<Item = &'v str>) {
        for value in values {
            let record = BaseRecord::<(), str>::to(TOPIC).partition(partition).payload(value);
            self.producer.send(record).unwrap();
        }
        self.producer.flush(PATIENCE).unwrap();
    }

    /// Produces with a producer of these properties.
    pub(super) fn produce_with<'v>(
        &self,
        properties: &[(&str, &str)],
        partition: i32,
        values: impl IntoIterator<Item = &'v str>,
    ) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.cluster.bootstrap_servers());
        for (key, value) in properties {
            config.set(*key, *value);
        }
        let producer: BaseProducer = config.create().unwrap();
        for value in values {
            producer.send(BaseRecord::<(), str>::to(TOPIC).partition(partition).payload(value)).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    pub(super) fn committed(&self, group: &str) -> BTreeMap<i32, i64> {
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

pub(super) struct Running {
    pub(super) recorder: Arc<Recorder>,
    pub(super) counts: Arc<Counts>,
    stop: CancellationToken,
    thread: JoinHandle<Result<(), ConsumerError>>,
    _runtime: Arc<Runtime>,
}

pub(super) fn delivery() -> DeliverySettings {
    DeliverySettings {
        retry: RetrySettings { count: 0, backoff: Duration::ZERO },
        attempt_deadline: None,
        failure_mode: FailureMode::Continue,
        failure_limits: FailureLimits::default(),
        max_replay_rounds: 3,
        failed_events_dir: "/nonexistent".into(),
        ordering: Ordering::Partition,
        concurrency: None,
        commit: CommitMode::Group,
        max_uncommitted: 1000,
        max_in_flight_bytes: 1 << 20,
        on_gap: OnGap::Continue,
        drain_timeout: Duration::from_secs(20),
    }
}

/// Joins within milliseconds, where the classic protocol takes seconds on this broker.
const BROKERS_OWN_PROTOCOL: &[(&str, &str)] = &[("group.protocol", "consumer")];

/// Every rebalance takes all partitions away from everybody.
pub(super) const EAGER: &[(&str, &str)] =
    &[("partition.assignment.strategy", "range"), ("session.timeout.ms", "6000")];

pub(super) fn start(broker: &Broker, group: &str, delivery: DeliverySettings) -> Running {
    start_with(broker, group, delivery, BROKERS_OWN_PROTOCOL)
}

pub(super) fn start_with(
    broker: &Broker,
    group: &str,
    delivery: DeliverySettings,
    more: &[(&str, &str)],
) -> Running {
    let settings = settings(broker, group, more);
    run(settings, delivery, watch::channel(true).1)
}

/// Starts a consumer whose recipe sets something of its own.
pub(super) fn start_changed(
    broker: &Broker,
    group: &str,
    change: impl FnOnce(&mut ConsumerSettings),
) -> Running {
    let mut settings = settings(broker, group, BROKERS_OWN_PROTOCOL);
    change(&mut settings);
    run(settings, delivery(), watch::channel(true).1)
}

/// Starts a consumer that joins its group once it may.
pub(super) fn start_when(broker: &Broker, group: &str, may_join: watch::Receiver<bool>) -> Running {
    run(settings(broker, group, BROKERS_OWN_PROTOCOL), delivery(), may_join)
}

fn settings(broker: &Broker, group: &str, more: &[(&str, &str)]) -> ConsumerSettings {
    let bootstrap = broker.cluster.bootstrap_servers();
    let first = [("bootstrap.servers", bootstrap.as_str())];
    let properties = first.iter().chain(more);
    ConsumerSettings {
        kind: SourceKind::Kafka,
        oauth: None,
        group_id: group.to_owned(),
        properties: properties.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        topics: vec![(TOPIC.to_owned(), Route::PlatformEvent)],
        dead_letter_topic: None,
        start: StartPosition::Earliest,
        reset_offsets: false,
        idle_timeout: None,
        start_patience: Some(PATIENCE),
        request_timeout: Duration::from_secs(10),
        commit_attempts: 5,
        commit_backoff_cap: Duration::from_secs(1),
    }
}

/// What a consumer is made of, and how its lanes are made.
pub(super) struct Made {
    pub(super) parts: ConsumerParts<Letters>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) counts: Arc<Counts>,
    pub(super) runtime: Arc<Runtime>,
}

impl Made {
    fn new(settings: ConsumerSettings, delivery: DeliverySettings, may_join: watch::Receiver<bool>) -> Self {
        let counts = Arc::new(Counts::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let parts = ConsumerParts {
            pipeline: settings.group_id.clone(),
            settings,
            budget: Arc::new(Budget::new(delivery.max_in_flight_bytes)),
            delivery,
            screen: Letters,
            reports: Arc::clone(&counts) as Arc<dyn Reports>,
            stall_after: STALL,
            may_join,
            stop: CancellationToken::new(),
        };
        Self { parts, recorder: Arc::default(), counts, runtime: Arc::new(runtime.unwrap()) }
    }

    /// One that has not begun.
    pub(super) fn at_rest(broker: &Broker, group: &str) -> Self {
        Self::new(settings(broker, group, BROKERS_OWN_PROTOCOL), delivery(), watch::channel(true).1)
    }

    pub(super) fn lanes(&self) -> impl FnOnce(CommitBell) -> Lanes<Recorder> + Send + use<> {
        let (handle, processor) = (self.runtime.handle().clone(), Arc::clone(&self.recorder));
        let (budget, delivery) = (Arc::clone(&self.parts.budget), self.parts.delivery.clone());
        move |bell| {
            *processor.bell.lock().unwrap() = Some(bell);
            Lanes::new(handle, processor, budget, &delivery)
        }
    }
}

fn run(settings: ConsumerSettings, delivery: DeliverySettings, may_join: watch::Receiver<bool>) -> Running {
    let made = Made::new(settings, delivery, may_join);
    let (lanes, stop) = (made.lanes(), made.parts.stop.clone());
    let Made { parts, recorder, counts, runtime } = made;
    let thread = std::thread::spawn(move || consume(parts, lanes));
    Running { recorder, counts, stop, thread, _runtime: runtime }
}

impl Running {
    pub(super) fn seen(&self) -> Vec<(i32, i64)> {
        self.recorder.seen.lock().unwrap().clone()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    pub(super) fn end(self) -> Result<(), ConsumerError> {
        self.thread.join().unwrap()
    }

    pub(super) fn stop(self) -> Vec<(i32, i64)> {
        self.stop.cancel();
        self.thread.join().unwrap().unwrap();
        self.recorder.seen.lock().unwrap().clone()
    }
}

pub(super) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
