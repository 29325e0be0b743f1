//! What a recipe says about its Kafka source: `source.config`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::consumer_properties::SECRET_PROPERTIES;
use crate::avro::RegistryConfig;

/// `source.config` of a recipe of type `kafka` or `datahub-cloud`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSourceConfig {
    /// Which of the two types it is, which decides on some defaults: `source.type`, no key of its own.
    #[serde(skip)]
    pub kind: SourceKind,
    /// How Kafka and the schema registry are reached.
    pub connection: ConnectionConfig,
    /// Which topics are read; a given map replaces the default as a whole, an empty one does not.
    pub topic_routes: TopicRoutes,
    /// `true`: commit every `async_commit_interval` milliseconds instead of as soon as possible.
    pub async_commit_enabled: bool,
    /// Milliseconds between commits when `async_commit_enabled` is true (default 10000).
    #[schemars(range(min = 1))]
    pub async_commit_interval: Option<u64>,
    /// Failed attempts at a commit in a row after which a warning says so (default 5); it is tried on
    /// in any case.
    #[schemars(range(min = 1))]
    pub commit_retry_count: Option<u32>,
    /// The longest wait between two attempts at a commit, in seconds (default 10.0).
    #[schemars(range(min = 0, max = 3600))]
    pub commit_retry_backoff: Option<f64>,
    /// `false` turns the projection scan off: every record is decoded in full (for diagnosis).
    pub enable_mcl_pre_deserialization_filter: Option<bool>,
    /// Another name of the same.
    pub enable_pre_deserialization_filter: Option<bool>,
    /// Which platform events are handed on: `known` (default), or `all`, those of names that this program
    /// does not know among them.
    pub platform_events: PlatformEvents,
    /// The topic that dead letters go to (default: none, they go to a file).
    #[schemars(length(min = 1))]
    pub dead_letter_topic: Option<String>,
    /// Where a group without a committed offset begins: `earliest`, `latest`, or a time (RFC 3339,
    /// or milliseconds since the Unix epoch).
    pub start_position: Option<StartPositionConfig>,
    /// Which of the standard topics are read: a name or a list (default for `datahub-cloud`:
    /// `PlatformEvent_v1`; for `kafka`: what `topic_routes` says). The same as `topics`.
    pub topic: Option<TopicNames>,
    /// Which of the standard topics are read: a name or a list. The same as `topic`.
    pub topics: Option<TopicNames>,
    /// Where the group has committed nothing: begin at the first record that is not older than so many
    /// days. `start_position` wins over it.
    #[schemars(range(min = 0, max = 36500))]
    pub lookback_days: Option<f64>,
    /// `true`: the first time this process gets partitions it begins as if the group had committed
    /// nothing (default false).
    pub reset_offsets: Option<bool>,
    /// `true`: end the pipeline once no record came for `idle_timeout_duration_seconds` and nothing is in
    /// flight (default false).
    pub kill_after_idle_timeout: Option<bool>,
    /// Seconds without a record after which `kill_after_idle_timeout` ends the pipeline (default 30).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 31_536_000))]
    pub idle_timeout_duration_seconds: Option<f64>,
    /// Seconds after which an attempt at an event is cancelled and counts as failed (default for
    /// `datahub-cloud`: 60; for `kafka`: no limit).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 86400))]
    pub event_processing_time_max_duration_seconds: Option<f64>,
    /// `true`: keep trying to reach Kafka and the registry at the start; otherwise a pipeline gives up
    /// after 60 seconds (default false).
    pub infinite_retry: Option<bool>,
    /// Has no effect.
    pub consumer_id: Option<String>,
}

/// What `source.type` may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceKind {
    /// `kafka`.
    #[default]
    Kafka,
    /// `datahub-cloud`: the same source, with that one's defaults.
    DatahubCloud,
}

/// `topic` and `topics` as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TopicNames {
    /// A single name.
    One(String),
    /// A list of names.
    Many(Vec<String>),
}

/// Which platform events are handed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlatformEvents {
    /// Entity changes and relationship changes; the others are counted by name and dropped.
    #[default]
    Known,
    /// All of them; those of other names as `PlatformEvent_v1`.
    All,
}

/// `start_position` as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StartPositionConfig {
    /// Milliseconds since the Unix epoch.
    Milliseconds(i64),
    /// A name, a time, or milliseconds in quotes.
    Text(String),
}

/// `source.config.connection`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionConfig {
    /// Kafka's brokers, `host:port` separated by commas.
    pub bootstrap: Option<String>,
    /// The schema registry's URL, with any path prefix; several separated by commas.
    pub schema_registry_url: Option<String>,
    /// Further settings of the registry client, with Confluent's names.
    pub schema_registry_config: RegistryConfig,
    /// Time-out of a request to Kafka, in seconds (default 60).
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 86400))]
    pub client_timeout_seconds: Option<f64>,
    /// Any property of librdkafka; an empty value is ignored.
    #[schemars(extend("x-secret-keys" = SECRET_PROPERTIES))]
    pub consumer_config: BTreeMap<String, PropertyValue>,
}

/// The value of a client property: YAML may write it as text, number or boolean.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PropertyValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A fraction.
    Number(f64),
    /// Text.
    Text(String),
    /// Nothing: as if the property were not there.
    Null,
}

impl PropertyValue {
    /// The value as librdkafka takes it; an empty one counts as not given.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Self::Null => None,
        }
    }
}

/// A property may hold a password, so its value is never shown.
impl std::fmt::Debug for PropertyValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// `source.config.topic_routes`: topic names by what they carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TopicRoutes {
    /// The versioned change log (default `MetadataChangeLog_Versioned_v1`).
    pub mcl: Option<String>,
    /// The timeseries change log (default `MetadataChangeLog_Timeseries_v1`).
    pub mcl_timeseries: Option<String>,
    /// Platform events (default `PlatformEvent_v1`).
    pub pe: Option<String>,
    /// Proposals; not read unless named.
    pub mcp: Option<String>,
    /// Failed proposals; not read unless named.
    pub fmcp: Option<String>,
    /// Any other topics with Avro records, and the type that their events are given.
    pub avro: BTreeMap<String, String>,
}
