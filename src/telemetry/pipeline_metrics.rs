//! What one pipeline counts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::families::Families;
use crate::event::{DropReason, Stage, TopicPartition};

/// How the filter that runs before decoding decided on change logs, in the Python framework's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyFilter {
    /// They may match.
    Passed,
    /// They cannot match.
    Rejected,
    /// No filter wants any change log.
    EntirelyRejected,
}

impl EarlyFilter {
    const ALL: [Self; 3] = [Self::Passed, Self::Rejected, Self::EntirelyRejected];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Rejected => "rejected",
            Self::EntirelyRejected => "entirely_rejected",
        }
    }
}

/// How a look-up at the schema registry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryLookup {
    /// It gave the schema.
    Found,
    /// The registry does not know the id.
    Unknown,
    /// The registry could not be asked, or its answer could not be used.
    Failed,
}

impl RegistryLookup {
    const ALL: [Self; 3] = [Self::Found, Self::Unknown, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// What a rebalance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebalance {
    /// Partitions were assigned.
    Assigned,
    /// Partitions were taken away in order.
    Revoked,
    /// Partitions had been lost before this member knew.
    Lost,
}

impl Rebalance {
    const ALL: [Self; 3] = [Self::Assigned, Self::Revoked, Self::Lost];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

/// One pipeline's metrics. What is counted for every event is resolved beforehand and costs an
/// atomic addition or two; what has a further label is looked up, so it takes a number: a polling
/// thread or a lane counts a batch at once.
pub struct PipelineMetrics {
    name: String,
    families: Arc<Families>,
    acted: IntCounter,
    failed_attempts: IntCounter,
    retries: IntCounter,
    pauses: IntCounter,
    messages: IntCounter,
    action_seconds: Histogram,
    end_to_end_seconds: Histogram,
    commit_seconds: Histogram,
    in_flight_events: IntGauge,
    in_flight_bytes: IntGauge,
    paused_partitions: IntGauge,
    assigned_partitions: IntGauge,
    /// The names of platform events that have a counter of their own.
    named_platform_events: Mutex<HashSet<String>>,
    /// Lag of the assigned partitions by topic: the framework's gauge is their sum.
    lags: Mutex<HashMap<Arc<str>, BTreeMap<i32, i64>>>,
}

impl PipelineMetrics {
    pub(super) fn new(name: &str, families: Arc<Families>) -> Self {
        let labels = &[name];
        let metrics = Self {
            name: name.to_owned(),
            acted: families.acted.with_label_values(labels),
            failed_attempts: families.failed_attempts.with_label_values(labels),
            retries: families.retries.with_label_values(labels),
            pauses: families.pauses.with_label_values(labels),
            messages: families.kafka_messages.with_label_values(&[name, NO_ERROR]),
            action_seconds: families.action_seconds.with_label_values(labels),
            end_to_end_seconds: families.end_to_end_seconds.with_label_values(labels),
            commit_seconds: families.commit_seconds.with_label_values(labels),
            in_flight_events: families.in_flight_events.with_label_values(labels),
            in_flight_bytes: families.in_flight_bytes.with_label_values(labels),
            paused_partitions: families.paused_partitions.with_label_values(labels),
            assigned_partitions: families.assigned_partitions.with_label_values(labels),
            named_platform_events: Mutex::default(),
            lags: Mutex::default(),
            families,
        };
        metrics.begin_at_zero();
        metrics
    }

    /// A counter that appears only with its first event hides that event from a rate.
    fn begin_at_zero(&self) {
        let families = &self.families;
        self.count_none(&families.dropped, &DropReason::ALL.map(DropReason::as_str));
        self.count_none(&families.dead_lettered, &Stage::ALL.map(Stage::as_str));
        self.count_none(&families.kafka_mcl_early_filter, &EarlyFilter::ALL.map(EarlyFilter::as_str));
        self.count_none(&families.registry_lookups, &RegistryLookup::ALL.map(RegistryLookup::as_str));
        self.count_none(&families.rebalances, &Rebalance::ALL.map(Rebalance::as_str));
        self.count_none(&families.commits, &[COMMIT_OK, COMMIT_FAILED]);
        self.count_none(&families.kafka_messages, &[ERROR]);
    }

    fn count_none(&self, family: &IntCounterVec, labels: &[&str]) {
        for label in labels {
            self.count(family, label, 0);
        }
    }

    /// `n` records came from `topic`. Looks the topic up: count a batch, not each record.
    pub fn received(&self, topic: &str, n: u64) {
        self.count(&self.families.received, topic, n);
        self.messages.inc_by(n);
    }

    /// Kafka gave an error in place of a record.
    pub fn poll_failed(&self) {
        self.count(&self.families.kafka_messages, ERROR, 1);
    }

    /// `n` records needed no action.
    pub fn dropped(&self, reason: DropReason, n: u64) {
        self.count(&self.families.dropped, reason.as_str(), n);
    }

    /// A platform event of a name that this program does not know. The names come from whoever writes
    /// to the topic, so only the first fifty, and no long ones, get a counter of their own; the rest
    /// share one.
    pub fn unknown_platform_event(&self, name: &str) {
        let mut named = self.named_platform_events.lock().unwrap_or_else(PoisonError::into_inner);
        let has_its_own = named.contains(name)
            || (named.len() < MOST_NAMES
                && name.len() <= LONGEST_NAME_BYTES
                && named.insert(name.to_owned()));
        let label = if has_its_own { name } else { OTHER_NAMES };
        self.count(&self.families.unknown_platform_events, label, 1);
    }

    /// The filter that runs before decoding decided on `n` change logs.
    pub fn early_filter(&self, decision: EarlyFilter, n: u64) {
        self.count(&self.families.kafka_mcl_early_filter, decision.as_str(), n);
    }

    /// The action succeeded for `n` events.
    pub fn acted(&self, n: u64) {
        self.acted.inc_by(n);
    }

    /// An attempt at an event failed, whether it is made again or not.
    pub fn failed_attempt(&self) {
        self.failed_attempts.inc();
    }

    /// An attempt is made again.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// An event's dead letter is stored.
    pub fn dead_lettered(&self, stage: Stage) {
        self.count(&self.families.dead_lettered, stage.as_str(), 1);
    }

    /// One attempt at an action took this long.
    pub fn action_took(&self, duration: Duration) {
        self.action_seconds.observe(duration.as_secs_f64());
    }

    /// An event was this old when its action had succeeded.
    pub fn end_to_end(&self, age: Duration) {
        self.end_to_end_seconds.observe(age.as_secs_f64());
    }

    /// A commit request succeeded.
    pub fn committed(&self, duration: Duration) {
        self.count(&self.families.commits, COMMIT_OK, 1);
        self.commit_seconds.observe(duration.as_secs_f64());
    }

    /// A commit request failed.
    pub fn commit_failed(&self, duration: Duration) {
        self.count(&self.families.commits, COMMIT_FAILED, 1);
        self.commit_seconds.observe(duration.as_secs_f64());
    }

    /// The offset that the group has committed for a partition: the next one to be read.
    pub fn committed_offset(&self, partition: &TopicPartition, offset: i64) {
        let number = partition.partition.to_string();
        let labels = [&*partition.topic, number.as_str(), self.name.as_str()];
        self.families.kafka_offset.with_label_values(&labels).set(offset);
    }

    /// How many records of an assigned partition are not committed yet.
    pub fn lag(&self, partition: &TopicPartition, records: i64) {
        let number = partition.partition.to_string();
        let labels = [self.name.as_str(), &*partition.topic, number.as_str()];
        self.families.lag.with_label_values(&labels).set(records);
        let mut lags = self.locked_lags();
        let of_topic = lags.entry(Arc::clone(&partition.topic)).or_default();
        of_topic.insert(partition.partition, records);
        self.show_topic_lag(&partition.topic, of_topic);
    }

    /// A partition is no longer this member's: its lag and offset are another one's to report.
    pub fn forget(&self, partition: &TopicPartition) {
        let number = partition.partition.to_string();
        let (topic, name) = (&*partition.topic, self.name.as_str());
        // An error only says that the partition was never reported.
        let _ = self.families.lag.remove_label_values(&[name, topic, number.as_str()]);
        let _ = self.families.kafka_offset.remove_label_values(&[topic, number.as_str(), name]);
        let mut lags = self.locked_lags();
        if let Some(of_topic) = lags.get_mut(&partition.topic) {
            of_topic.remove(&partition.partition);
            self.show_topic_lag(topic, of_topic);
        }
    }

    /// Events handed on and not finished, and the bytes of records held.
    pub fn in_flight(&self, events: usize, bytes: usize) {
        self.in_flight_events.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.in_flight_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A partition was paused.
    pub fn paused(&self) {
        self.pauses.inc();
    }

    /// So many partitions are paused now.
    pub fn paused_partitions(&self, count: usize) {
        self.paused_partitions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many partitions are assigned now.
    pub fn assigned_partitions(&self, count: usize) {
        self.assigned_partitions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A rebalance reached this member.
    pub fn rebalanced(&self, kind: Rebalance) {
        self.count(&self.families.rebalances, kind.as_str(), 1);
    }

    /// The schema registry was asked.
    pub fn registry_lookup(&self, result: RegistryLookup) {
        self.count(&self.families.registry_lookups, result.as_str(), 1);
    }

    /// A gap in a topic, and how many records it is known to have cost.
    pub fn gap(&self, topic: &str, cause: &str, records: u64) {
        self.count(&self.families.gap_records, topic, records);
        self.families.gaps.with_label_values(&[self.name.as_str(), topic, cause]).inc();
    }

    /// Adds to a counter whose labels are this pipeline and one more.
    fn count(&self, family: &IntCounterVec, label: &str, n: u64) {
        family.with_label_values(&[self.name.as_str(), label]).inc_by(n);
    }

    fn show_topic_lag(&self, topic: &str, of_topic: &BTreeMap<i32, i64>) {
        let labels = [topic, self.name.as_str()];
        if of_topic.is_empty() {
            let _ = self.families.kafka_consumer_lag.remove_label_values(&labels);
        } else {
            self.families.kafka_consumer_lag.with_label_values(&labels).set(of_topic.values().sum());
        }
    }

    fn locked_lags(&self) -> MutexGuard<'_, HashMap<Arc<str>, BTreeMap<i32, i64>>> {
        self.lags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for PipelineMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelineMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The framework's label for whether Kafka gave an error in place of a record: Python's booleans.
const NO_ERROR: &str = "False";
const ERROR: &str = "True";

/// How many names of platform events, and which length of them, become labels.
const MOST_NAMES: usize = 50;
const LONGEST_NAME_BYTES: usize = 100;
const OTHER_NAMES: &str = "other";

const COMMIT_OK: &str = "ok";
const COMMIT_FAILED: &str = "failed";
