//! What a recipe says about delivery: `options`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::FailureLimits;
use super::settings::{CommitMode, DeliverySettings, FailureMode, RetrySettings};
use crate::event::MetaDetail;
use crate::findings::{Findings, KeyPath};

/// `options` of a recipe. Unknown keys warn, as they do in the Python framework.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OptionsConfig {
    /// Retries after the first attempt (default 0).
    pub retry_count: Option<u32>,
    /// Wait before the first retry, in seconds; doubles with each, with jitter, up to 60 (default 1.0).
    #[schemars(range(min = 0, max = 60))]
    pub retry_backoff_seconds: Option<f64>,
    /// What an event leads to that could not be processed (default `CONTINUE`; any case).
    pub failure_mode: Option<String>,
    /// Stop once more events than this failed in a row (default 0: off).
    pub max_consecutive_failures: Option<u32>,
    /// Stop once more than this share of the last 1,000 events failed (default 0: off).
    #[schemars(range(min = 0, max = 1))]
    pub max_failure_ratio: Option<f64>,
    /// How many times a dead letter may be replayed (default 3).
    #[schemars(range(min = 1))]
    pub max_replay_rounds: Option<u32>,
    /// Directory of the dead-letter files (default `/tmp/logs/datahub/actions`).
    #[schemars(length(min = 1))]
    pub failed_events_dir: Option<String>,
    /// Which events wait for each other: `partition`, `key` or `unordered` (default `partition`).
    pub ordering: Option<Ordering>,
    /// How many actions may run at once (default: one per partition; 16 for `key` and `unordered`).
    #[schemars(range(min = 1, max = 100_000))]
    pub concurrency: Option<u32>,
    /// `group` (default), `per_event`, or an interval such as `10s`.
    pub commit: Option<CommitConfig>,
    /// Per partition: events handed on and not yet committed (default 10000).
    #[schemars(range(min = 1))]
    pub max_uncommitted: Option<u32>,
    /// Per pipeline: bytes of records held (default 32 MiB).
    #[schemars(range(min = 1))]
    pub max_in_flight_bytes: Option<u64>,
    /// What to do about records that vanished before they were read (default `continue`).
    pub on_gap: Option<OnGap>,
    /// What an event's `meta` says: `standard` (default), or `full`, which adds the record's key, timestamp
    /// and headers.
    pub meta: Option<MetaDetail>,
    /// How long a stop or a revocation waits for running actions, in seconds (default 25).
    #[schemars(range(min = 0, max = 86400))]
    pub drain_timeout_seconds: Option<f64>,
}

/// `commit` as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CommitConfig {
    /// A name or an interval with its unit.
    Text(String),
    /// A number without a unit, which is refused.
    Number(f64),
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

/// What to do about records that vanished before they were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnGap {
    /// Go on at the start of what the log holds.
    #[default]
    Continue,
    /// Wait until the gap is acknowledged.
    Wait,
}

impl OptionsConfig {
    /// Fills in every default. `async_commit` is the interval that the source's
    /// `async_commit_enabled` asks for.
    pub fn resolve(
        &self,
        at: &KeyPath,
        async_commit: Option<Duration>,
        findings: &mut Findings,
    ) -> Option<DeliverySettings> {
        let errors = findings.errors();
        let failure_mode = self.failure_mode(at, findings);
        let commit = self.commit_mode(at, async_commit, findings);
        let ordering = self.ordering.unwrap_or_default();
        let concurrency = match (self.concurrency.map(size), ordering) {
            (None, Ordering::Key | Ordering::Unordered) => Some(DeliverySettings::DEFAULT_CONCURRENCY),
            (concurrency, _) => concurrency,
        };
        let retry = RetrySettings {
            count: self.retry_count.unwrap_or(0),
            backoff: Duration::from_secs_f64(self.retry_backoff_seconds.unwrap_or(1.0)),
        };
        let settings = DeliverySettings {
            retry,
            // Set by the source, whose key it is.
            attempt_deadline: None,
            failure_mode,
            failure_limits: self.failure_limits(),
            max_replay_rounds: self.max_replay_rounds.unwrap_or(3),
            failed_events_dir: self
                .failed_events_dir
                .as_deref()
                .unwrap_or("/tmp/logs/datahub/actions")
                .into(),
            ordering,
            concurrency,
            commit,
            max_uncommitted: size(self.max_uncommitted.unwrap_or(10_000)),
            max_in_flight_bytes: self
                .max_in_flight_bytes
                .map_or(32 << 20, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            on_gap: self.on_gap.unwrap_or_default(),
            drain_timeout: Duration::from_secs_f64(self.drain_timeout_seconds.unwrap_or(25.0)),
        };
        (findings.errors() == errors).then_some(settings)
    }

    fn failure_limits(&self) -> FailureLimits {
        FailureLimits {
            max_consecutive: self.max_consecutive_failures.filter(|limit| *limit > 0).map(u64::from),
            max_ratio: self.max_failure_ratio.filter(|limit| *limit > 0.0),
        }
    }

    fn failure_mode(&self, at: &KeyPath, findings: &mut Findings) -> FailureMode {
        let given = self.failure_mode.as_deref().unwrap_or("CONTINUE");
        if given.eq_ignore_ascii_case("THROW") {
            return FailureMode::Throw;
        }
        if !given.eq_ignore_ascii_case("CONTINUE") {
            let text = format!("expected CONTINUE or THROW, found \"{given}\"");
            findings.error(&at.key("failure_mode"), text);
        }
        FailureMode::Continue
    }

    fn commit_mode(
        &self,
        at: &KeyPath,
        async_commit: Option<Duration>,
        findings: &mut Findings,
    ) -> CommitMode {
        let at = at.key("commit");
        let expected = "expected group, per_event, or an interval such as 10s (ms, s, m or h; at most 24h)";
        let given = match &self.commit {
            None => return async_commit.map_or(CommitMode::Group, CommitMode::Interval),
            Some(CommitConfig::Text(text)) => match commit_of(text) {
                Some(commit) => commit,
                None => {
                    let text = match text.trim().parse::<f64>() {
                        Ok(_) => format!("{expected}; for seconds write \"{}s\"", text.trim()),
                        Err(_) => format!("{expected}, found \"{text}\""),
                    };
                    findings.error(&at, text);
                    CommitMode::Group
                }
            },
            Some(CommitConfig::Number(number)) => {
                findings.error(&at, format!("{expected}; for seconds write \"{number}s\""));
                CommitMode::Group
            }
        };
        if async_commit.is_some() {
            findings
                .error(&at, "source.config.async_commit_enabled sets an interval too; remove one of the two");
        }
        given
    }
}

fn commit_of(text: &str) -> Option<CommitMode> {
    match text {
        "group" => Some(CommitMode::Group),
        "per_event" => Some(CommitMode::PerEvent),
        interval => interval_of(interval).map(CommitMode::Interval),
    }
}

/// The units of an interval, in milliseconds.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// `10s`, `500ms`: a whole number and its unit, at least a millisecond and at most a day.
fn interval_of(text: &str) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(86_400);
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(unit_at);
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    let ms = count.parse::<u64>().ok()?.checked_mul(*unit_ms)?;
    Some(Duration::from_millis(ms)).filter(|interval| !interval.is_zero() && *interval <= LONGEST)
}

/// A count as a size: every machine this runs on has at least 32 bits.
fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(config: &OptionsConfig, async_commit: Option<Duration>) -> Result<DeliverySettings, String> {
        let mut findings = Findings::default();
        config
            .resolve(&KeyPath::root().key("options"), async_commit, &mut findings)
            .ok_or_else(|| findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn without_options_an_event_is_tried_once_and_then_put_aside() {
        let settings = resolved(&OptionsConfig::default(), None).unwrap();
        assert_eq!(settings.retry.count, 0);
        assert_eq!(settings.failure_mode, FailureMode::Continue);
        assert_eq!(settings.commit, CommitMode::Group);
        assert_eq!(settings.concurrency, None);
        assert_eq!(settings.max_in_flight_bytes, 33_554_432);
    }

    #[test]
    fn order_by_key_runs_sixteen_at_once_unless_told_otherwise() {
        let by_key = OptionsConfig { ordering: Some(Ordering::Key), ..Default::default() };
        assert_eq!(resolved(&by_key, None).unwrap().concurrency, Some(16));
        let told = OptionsConfig { concurrency: Some(3), ..by_key };
        assert_eq!(resolved(&told, None).unwrap().concurrency, Some(3));
    }

    #[test]
    fn commits_take_their_interval_from_one_place_only() {
        let interval = Some(Duration::from_secs(10));
        let commit = |text: &str| OptionsConfig {
            commit: Some(CommitConfig::Text(text.to_owned())),
            ..Default::default()
        };
        assert_eq!(
            resolved(&OptionsConfig::default(), interval).unwrap().commit,
            CommitMode::Interval(Duration::from_secs(10))
        );
        assert_eq!(
            resolved(&commit("500ms"), None).unwrap().commit,
            CommitMode::Interval(Duration::from_millis(500))
        );
        assert!(resolved(&commit("10s"), interval).unwrap_err().contains("remove one of the two"));
        for (text, seconds) in [("2m", 120), ("24h", 86_400), (" 1 s ", 1)] {
            let interval = Duration::from_secs(seconds);
            assert_eq!(
                resolved(&commit(text), None).unwrap().commit,
                CommitMode::Interval(interval),
                "{text}"
            );
        }
        for wrong in [
            "often",
            "0s",
            "-1s",
            "10",
            "10sec",
            "1.5s",
            "1m 30s",
            "PT10S",
            "25h",
            "s",
            "99999999999999999999h",
        ] {
            assert!(resolved(&commit(wrong), None).unwrap_err().contains("such as 10s"), "{wrong}");
        }
        let number = OptionsConfig { commit: Some(CommitConfig::Number(10.0)), ..Default::default() };
        for without_unit in [commit("10"), number] {
            assert!(resolved(&without_unit, None).unwrap_err().ends_with("for seconds write \"10s\""));
        }
    }

    #[test]
    fn failures_have_no_limit_unless_one_above_zero_is_given() {
        let limits = |consecutive, ratio| {
            let config = OptionsConfig {
                max_consecutive_failures: consecutive,
                max_failure_ratio: ratio,
                ..Default::default()
            };
            resolved(&config, None).unwrap().failure_limits
        };
        assert_eq!(limits(None, None), FailureLimits::default());
        assert_eq!(limits(Some(0), Some(0.0)), FailureLimits::default());
        let both = FailureLimits { max_consecutive: Some(5), max_ratio: Some(0.5) };
        assert_eq!(limits(Some(5), Some(0.5)), both);
    }

    #[test]
    fn the_failure_mode_may_be_written_in_any_case() {
        let mode = |text: &str| OptionsConfig { failure_mode: Some(text.to_owned()), ..Default::default() };
        assert_eq!(resolved(&mode("throw"), None).unwrap().failure_mode, FailureMode::Throw);
        assert!(resolved(&mode("stop"), None).unwrap_err().contains("CONTINUE or THROW"));
    }
}
