//! All metric families, made and registered once.

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::names::{self, Metric, label};

/// From a tenth of a millisecond, what a local action takes, to the minute of the longest deadline.
const ACTION_BUCKETS: &[f64] = &[
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// From a millisecond to the hour that an outage may last.
const END_TO_END_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// A commit is a round trip to the broker, or as long as the broker is away.
const COMMIT_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

pub(super) struct Families {
    pub(super) received: IntCounterVec,
    pub(super) dropped: IntCounterVec,
    pub(super) unknown_platform_events: IntCounterVec,
    pub(super) acted: IntCounterVec,
    pub(super) failed_attempts: IntCounterVec,
    pub(super) retries: IntCounterVec,
    pub(super) dead_lettered: IntCounterVec,
    pub(super) action_seconds: HistogramVec,
    pub(super) end_to_end_seconds: HistogramVec,
    pub(super) longest_in_action: IntGaugeVec,
    pub(super) commits: IntCounterVec,
    pub(super) commit_seconds: HistogramVec,
    pub(super) lag: IntGaugeVec,
    pub(super) in_flight_events: IntGaugeVec,
    pub(super) in_flight_bytes: IntGaugeVec,
    pub(super) paused_partitions: IntGaugeVec,
    pub(super) pauses: IntCounterVec,
    pub(super) assigned_partitions: IntGaugeVec,
    pub(super) rebalances: IntCounterVec,
    pub(super) registry_lookups: IntCounterVec,
    pub(super) gap_records: IntCounterVec,
    pub(super) gaps: IntCounterVec,
    pub(super) pipeline_state: IntGaugeVec,
    pub(super) pipeline_ready: IntGaugeVec,
    pub(super) build_info: IntGaugeVec,
    pub(super) kafka_offset: IntGaugeVec,
    pub(super) kafka_messages: IntCounterVec,
    pub(super) kafka_mcl_early_filter: IntCounterVec,
    pub(super) kafka_consumer_lag: IntGaugeVec,
}

impl Families {
    pub(super) fn register_in(registry: &Registry) -> Self {
        use label::{
            CAUSE, ERROR, KIND, NAME, PARTITION, PIPELINE, PIPELINE_NAME, REASON, RESULT, STAGE, STATE,
            TOPIC, VERSION,
        };
        let counter = |metric, labels: &[&str]| counter(registry, metric, labels);
        let gauge = |metric, labels: &[&str]| gauge(registry, metric, labels);
        let histogram = |metric, buckets| histogram(registry, metric, buckets);
        Self {
            received: counter(names::RECEIVED, &[PIPELINE, TOPIC]),
            dropped: counter(names::DROPPED, &[PIPELINE, REASON]),
            unknown_platform_events: counter(names::UNKNOWN_PLATFORM_EVENTS, &[PIPELINE, NAME]),
            acted: counter(names::ACTED, &[PIPELINE]),
            failed_attempts: counter(names::FAILED_ATTEMPTS, &[PIPELINE]),
            retries: counter(names::RETRIES, &[PIPELINE]),
            dead_lettered: counter(names::DEAD_LETTERED, &[PIPELINE, STAGE]),
            action_seconds: histogram(names::ACTION_SECONDS, ACTION_BUCKETS),
            end_to_end_seconds: histogram(names::END_TO_END_SECONDS, END_TO_END_BUCKETS),
            longest_in_action: gauge(names::LONGEST_IN_ACTION, &[PIPELINE]),
            commits: counter(names::COMMITS, &[PIPELINE, RESULT]),
            commit_seconds: histogram(names::COMMIT_SECONDS, COMMIT_BUCKETS),
            lag: gauge(names::LAG, &[PIPELINE, TOPIC, PARTITION]),
            in_flight_events: gauge(names::IN_FLIGHT_EVENTS, &[PIPELINE]),
            in_flight_bytes: gauge(names::IN_FLIGHT_BYTES, &[PIPELINE]),
            paused_partitions: gauge(names::PAUSED_PARTITIONS, &[PIPELINE]),
            pauses: counter(names::PAUSES, &[PIPELINE]),
            assigned_partitions: gauge(names::ASSIGNED_PARTITIONS, &[PIPELINE]),
            rebalances: counter(names::REBALANCES, &[PIPELINE, KIND]),
            registry_lookups: counter(names::REGISTRY_LOOKUPS, &[PIPELINE, RESULT]),
            gap_records: counter(names::GAP_RECORDS, &[PIPELINE, TOPIC]),
            gaps: counter(names::GAPS, &[PIPELINE, TOPIC, CAUSE]),
            pipeline_state: gauge(names::PIPELINE_STATE, &[PIPELINE, STATE]),
            pipeline_ready: gauge(names::PIPELINE_READY, &[PIPELINE]),
            build_info: gauge(names::BUILD_INFO, &[VERSION]),
            kafka_offset: gauge(names::KAFKA_OFFSET, &[TOPIC, PARTITION, PIPELINE_NAME]),
            kafka_messages: counter(names::KAFKA_MESSAGES, &[PIPELINE_NAME, ERROR]),
            kafka_mcl_early_filter: counter(names::KAFKA_MCL_EARLY_FILTER, &[PIPELINE_NAME, RESULT]),
            kafka_consumer_lag: gauge(names::KAFKA_CONSUMER_LAG, &[TOPIC, PIPELINE_NAME]),
        }
    }
}

const VALID: &str =
    "names and labels are constants, valid and registered once each: every test makes them all";

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let family = made.expect(VALID);
    registry.register(Box::new(family.clone())).expect(VALID);
    family
}

fn counter(registry: &Registry, metric: Metric, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(metric.name, metric.help), labels))
}

fn gauge(registry: &Registry, metric: Metric, labels: &[&str]) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(Opts::new(metric.name, metric.help), labels))
}

fn histogram(registry: &Registry, metric: Metric, buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(metric.name, metric.help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, &[label::PIPELINE]))
}
