//! What a recipe says about delivery: `options`.

use schemars::JsonSchema;
use serde::Deserialize;

/// `options` of a recipe. Unknown keys warn, as they do in the Python framework.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OptionsConfig {
    /// Retries after the first attempt (default 0).
    pub retry_count: Option<u32>,
    /// Wait before the first retry, in seconds; doubles with each, with jitter, up to 60 (default 1.0).
    pub retry_backoff_seconds: Option<f64>,
    /// What an event leads to that could not be processed (default `CONTINUE`; any case).
    pub failure_mode: Option<String>,
    /// Directory of the dead-letter files (default `/tmp/logs/datahub/actions`).
    pub failed_events_dir: Option<String>,
    /// Which events wait for each other: `partition`, `key` or `unordered` (default `partition`).
    pub ordering: Option<Ordering>,
    /// How many actions may run at once (default: one per partition; 16 for `key` and `unordered`).
    pub concurrency: Option<u32>,
    /// `group` (default), `per_event`, or an interval such as `10s`.
    pub commit: Option<String>,
    /// Per partition: events handed on and not yet committed (default 10000).
    pub max_uncommitted: Option<u32>,
    /// Per pipeline: bytes of records held (default 32 MiB).
    pub max_in_flight_bytes: Option<u64>,
    /// What to do about records that vanished before they were read (default `continue`).
    pub on_gap: Option<String>,
    /// How long a stop or a revocation waits for running actions, in seconds (default 25).
    pub drain_timeout_seconds: Option<f64>,
}

/// Which events wait for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// All events of a partition, in the order of their offsets.
    #[default]
    Partition,
    /// The events of one entity within a topic.
    Key,
    /// None.
    Unordered,
}
