//! A pipeline's Kafka source with every default, environment variable and recipe key resolved.

use std::collections::BTreeMap;
use std::time::Duration;

use super::oauth::OauthSettings;
use crate::event::Route;

/// What the consumer of one pipeline is built from.
///
/// Holds secrets in `properties`, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub struct ConsumerSettings {
    /// The consumer group.
    pub group_id: String,
    /// librdkafka's properties as the user gave them, `bootstrap.servers` and `group.id` included,
    /// without those that this program owns (`enable.auto.commit`, `enable.auto.offset.store`,
    /// `auto.offset.reset`).
    pub properties: BTreeMap<String, String>,
    /// Where the tokens of SASL/OAUTHBEARER come from, if anywhere.
    pub oauth: Option<OauthSettings>,
    /// The topics to read and what each carries.
    pub topics: Vec<(String, Route)>,
    /// Where a partition begins for which the group has committed nothing.
    pub start: StartPosition,
    /// Time-out of one request to Kafka.
    pub request_timeout: Duration,
    /// Failed attempts at a commit in a row after which a warning says so; it is tried on in any case.
    pub commit_attempts: u32,
    /// The longest wait between two attempts at a commit.
    pub commit_backoff_cap: Duration,
}

/// Where a partition begins for which the group has committed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPosition {
    /// At the first record that the log still holds.
    Earliest,
    /// Behind the last record.
    Latest,
    /// At the first record not older than this, in milliseconds since the Unix epoch.
    Timestamp(i64),
}
