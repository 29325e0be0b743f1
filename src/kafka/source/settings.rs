//! A pipeline's Kafka source with every default, environment variable and recipe key resolved.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::config::SourceKind;
use crate::event::Route;
use crate::kafka::oauth::OauthSettings;

/// What the consumer of one pipeline is built from.
///
/// Holds secrets in `properties`, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub struct ConsumerSettings {
    /// What the recipe calls its source.
    pub kind: SourceKind,
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
    /// The topic that dead letters go to; `None` keeps them in a file.
    pub dead_letter_topic: Option<String>,
    /// Where a partition begins for which the group has committed nothing.
    pub start: StartPosition,
    /// Whether the first assignment begins as if the group had committed nothing.
    pub reset_offsets: bool,
    /// How long nothing has to come for the consumer to end by itself; `None`: it never does.
    pub idle_timeout: Option<Duration>,
    /// How long Kafka and the registry are tried at the start; `None`: without end.
    pub start_patience: Option<Duration>,
    /// Time-out of one request to Kafka.
    pub request_timeout: Duration,
    /// Failed attempts at a commit in a row after which a warning says so; it is tried on in any case.
    pub commit_attempts: u32,
    /// The longest wait between two attempts at a commit.
    pub commit_backoff_cap: Duration,
}

impl ConsumerSettings {
    /// The addresses by which Kafka is found: `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        self.properties.get("bootstrap.servers").map_or("", String::as_str)
    }
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
    /// At the first record that was not older than this when the consumer started.
    Lookback(Duration),
}

impl StartPosition {
    /// The same for a consumer that starts `now`: a look-back becomes a time.
    ///
    /// It is done once for a consumer and not anew with each assignment. All partitions then begin at the
    /// same time, and one that comes back before its start could be committed begins where it began
    /// before: with a time that moves along, what lies in between would be skipped.
    #[must_use]
    pub fn fixed_at(self, now: SystemTime) -> Self {
        let Self::Lookback(days) = self else { return self };
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(days);
        Self::Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_back_becomes_a_time_when_the_consumer_starts() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let look_back = |seconds| StartPosition::Lookback(Duration::from_secs(seconds)).fixed_at(now);
        assert_eq!(look_back(400_000), StartPosition::Timestamp(600_000_000));
        assert_eq!(look_back(0), StartPosition::Timestamp(1_000_000_000));
        assert_eq!(look_back(2_000_000), StartPosition::Timestamp(0), "no time before 1970");
        assert_eq!(StartPosition::Latest.fixed_at(now), StartPosition::Latest);
    }
}
