//! Every metric's name and description, and every label's name. Dashboards and alerts depend on
//! them: a change here is a change for users.

/// A metric's name, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, with its unit.
    pub name: &'static str,
    /// The description that `/metrics` gives.
    pub help: &'static str,
}

const fn metric(name: &'static str, help: &'static str) -> Metric {
    Metric { name, help }
}

/// Names of labels.
pub mod label {
    /// A pipeline's name.
    pub const PIPELINE: &str = "pipeline";
    /// A topic's name.
    pub const TOPIC: &str = "topic";
    /// Why a gap came about.
    pub const CAUSE: &str = "cause";
    /// A partition's number.
    pub const PARTITION: &str = "partition";
    /// Why an event needed no action.
    pub const REASON: &str = "reason";
    /// A platform event's name.
    pub const NAME: &str = "name";
    /// At which stage an event failed.
    pub const STAGE: &str = "stage";
    /// How something ended.
    pub const RESULT: &str = "result";
    /// What kind of rebalance it was.
    pub const KIND: &str = "kind";
    /// A pipeline's state.
    pub const STATE: &str = "state";
    /// This program's version.
    pub const VERSION: &str = "version";
    /// A pipeline's name, as the Python framework calls it.
    pub const PIPELINE_NAME: &str = "pipeline_name";
    /// `True` or `False`, as Python writes it.
    pub const ERROR: &str = "error";
}

/// Records that came from Kafka.
pub const RECEIVED: Metric = metric("datahub_relay_received_total", "Records received from Kafka.");
/// Records that needed no action.
pub const DROPPED: Metric =
    metric("datahub_relay_dropped_total", "Records that needed no action, by reason.");
/// Platform events that this program does not know.
pub const UNKNOWN_PLATFORM_EVENTS: Metric = metric(
    "datahub_relay_unknown_platform_events_total",
    "Platform events whose name this program does not know, by name; `other` where there are too many.",
);
/// Events whose action succeeded.
pub const ACTED: Metric = metric("datahub_relay_acted_total", "Events whose action succeeded.");
/// Attempts that failed.
pub const FAILED_ATTEMPTS: Metric =
    metric("datahub_relay_failed_attempts_total", "Attempts at an event that failed, retried or not.");
/// Attempts that were made again.
pub const RETRIES: Metric = metric("datahub_relay_retries_total", "Attempts made again after a failed one.");
/// Events that could not be processed.
pub const DEAD_LETTERED: Metric = metric(
    "datahub_relay_dead_lettered_total",
    "Events that could not be processed and whose dead letter is stored, by stage.",
);
/// How long an attempt at an action took.
pub const ACTION_SECONDS: Metric =
    metric("datahub_relay_action_duration_seconds", "Duration of one attempt at an action.");
/// How long the oldest event has been in its action, further attempts and the waits before them included.
pub const LONGEST_IN_ACTION: Metric = metric(
    "datahub_relay_longest_in_action_seconds",
    "Time since the first attempt of the oldest event in its action or before a further attempt; 0 if there is none.",
);
/// How old an event was when its action had succeeded.
pub const END_TO_END_SECONDS: Metric = metric(
    "datahub_relay_end_to_end_seconds",
    "Time from a record's timestamp to the success of its action.",
);
/// Commits.
pub const COMMITS: Metric = metric("datahub_relay_commits_total", "Commit requests, by result.");
/// How long a commit took.
pub const COMMIT_SECONDS: Metric =
    metric("datahub_relay_commit_duration_seconds", "Duration of one commit request.");
/// Lag of a partition.
pub const LAG: Metric =
    metric("datahub_relay_lag_records", "Records of an assigned partition that are not committed yet.");
/// Events handed on and not finished.
pub const IN_FLIGHT_EVENTS: Metric =
    metric("datahub_relay_in_flight_events", "Events handed on by the polling thread and not finished.");
/// Bytes held by events in flight.
pub const IN_FLIGHT_BYTES: Metric =
    metric("datahub_relay_in_flight_bytes", "Bytes of records that are held in memory.");
/// Partitions paused at the moment.
pub const PAUSED_PARTITIONS: Metric =
    metric("datahub_relay_paused_partitions", "Partitions paused because their budget is spent.");
/// Pauses.
pub const PAUSES: Metric = metric("datahub_relay_pauses_total", "Pauses of a partition.");
/// Partitions assigned at the moment.
pub const ASSIGNED_PARTITIONS: Metric =
    metric("datahub_relay_assigned_partitions", "Partitions assigned to this member.");
/// Rebalances.
pub const REBALANCES: Metric = metric("datahub_relay_rebalances_total", "Rebalances, by kind.");
/// Look-ups at the schema registry.
pub const REGISTRY_LOOKUPS: Metric =
    metric("datahub_relay_registry_lookups_total", "Look-ups at the schema registry, by result.");
/// Records that vanished before they were read.
pub const GAP_RECORDS: Metric =
    metric("datahub_relay_gap_records_total", "Records that vanished from the log before they were read.");
/// Gaps that were found.
pub const GAPS: Metric = metric(
    "datahub_relay_gaps_total",
    "Gaps found before a position, by cause: deleted, another_log (its records can't be counted), corrupt.",
);
/// A pipeline's state.
pub const PIPELINE_STATE: Metric =
    metric("datahub_relay_pipeline_state", "1 for the state that a pipeline is in, 0 for the others.");
/// Whether a pipeline is ready.
pub const PIPELINE_READY: Metric =
    metric("datahub_relay_pipeline_ready", "1 if a pipeline runs and lacks nothing, as in /readyz.");
/// Version of this program.
pub const BUILD_INFO: Metric = metric("datahub_relay_build_info", "Always 1; the label says the version.");

/// The Python framework's gauge of offsets.
pub const KAFKA_OFFSET: Metric =
    metric("kafka_offset", "Committed offset per topic and partition: the next one to be read.");
/// The Python framework's counter of messages.
pub const KAFKA_MESSAGES: Metric = metric("kafka_messages_total", "Number of Kafka messages.");
/// The Python framework's counter of change logs decided before they were decoded.
pub const KAFKA_MCL_EARLY_FILTER: Metric = metric(
    "kafka_mcl_early_filter_total",
    "Change logs decided by the filter that runs before decoding, by result.",
);
/// The Python framework's gauge of lag.
pub const KAFKA_CONSUMER_LAG: Metric =
    metric("kafka_consumer_lag", "Lag summed over the assigned partitions of a topic.");
