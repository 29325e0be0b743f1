//! What a recipe and the environment say about where a group begins that has committed nothing.

use std::time::Duration;

use super::config::{KafkaSourceConfig, StartPositionConfig};
use super::settings::StartPosition;
use crate::findings::{Findings, KeyPath};

impl KafkaSourceConfig {
    /// `offset_reset` is what the recipe's `consumer_config` or the environment says, in this order.
    pub(super) fn start(
        &self,
        offset_reset: Option<String>,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> StartPosition {
        let position_key = at.key("start_position");
        if self.start_position.is_some() && self.lookback_days.is_some() {
            findings.warning(&at.key("lookback_days"), "has no effect, since start_position is given");
        }
        match (&self.start_position, self.lookback_days, offset_reset) {
            (Some(StartPositionConfig::Milliseconds(ms)), _, _) => {
                at_milliseconds(*ms, &position_key, findings)
            }
            (Some(StartPositionConfig::Text(text)), _, _) => at_text(text, &position_key, findings),
            (None, Some(days), _) => looking_back(days, &at.key("lookback_days"), findings),
            (None, None, None) => StartPosition::Latest,
            (None, None, Some(policy)) => by_offset_reset(&policy, at, findings),
        }
    }
}

fn looking_back(days: f64, at: &KeyPath, findings: &mut Findings) -> StartPosition {
    // Negative, infinite, no number: what is too much for a duration has been refused with the whole.
    Duration::try_from_secs_f64(days * 86_400.0).map_or_else(
        |_| {
            findings.error(at, format!("expected a number of days, such as 7 or 0.5, found {days}"));
            StartPosition::Latest
        },
        StartPosition::Lookback,
    )
}

fn by_offset_reset(policy: &str, at: &KeyPath, findings: &mut Findings) -> StartPosition {
    match policy {
        "earliest" | "smallest" | "beginning" => StartPosition::Earliest,
        "latest" | "largest" | "end" => StartPosition::Latest,
        // librdkafka has checked it already: what remains is `error`.
        _ => {
            let at = at.key("connection").key("consumer_config").key("auto.offset.reset");
            let text = "expected earliest or latest: a group without an offset has to begin somewhere";
            findings.error(&at, text);
            StartPosition::Latest
        }
    }
}

fn at_text(text: &str, at: &KeyPath, findings: &mut Findings) -> StartPosition {
    match text.trim() {
        "earliest" => return StartPosition::Earliest,
        "latest" => return StartPosition::Latest,
        _ => {}
    }
    if let Ok(ms) = text.trim().parse::<i64>() {
        return at_milliseconds(ms, at, findings);
    }
    match text.trim().parse::<jiff::Timestamp>() {
        Ok(timestamp) => at_milliseconds(timestamp.as_millisecond(), at, findings),
        Err(_) => {
            let text = format!(
                "expected earliest, latest, a time such as 2026-01-31T08:00:00Z, or milliseconds since 1970, found \"{text}\""
            );
            findings.error(at, text);
            StartPosition::Latest
        }
    }
}

fn at_milliseconds(ms: i64, at: &KeyPath, findings: &mut Findings) -> StartPosition {
    /// Before Kafka was: whoever writes so small a number means seconds.
    const FIRST_PLAUSIBLE_MS: i64 = 100_000_000_000;
    if ms < 0 {
        findings.error(at, format!("expected a time after 1970, found {ms}"));
    } else if ms < FIRST_PLAUSIBLE_MS {
        findings.warning(
            at,
            format!("{ms} is taken as milliseconds since 1970; if it is seconds, add three zeros"),
        );
    }
    StartPosition::Timestamp(ms)
}

#[cfg(test)]
mod tests {
    use super::super::config::{ConnectionConfig, PropertyValue};
    use super::*;
    use crate::environment::Environment;

    fn resolved(config: &KafkaSourceConfig, environment: &Environment) -> Result<StartPosition, String> {
        let mut findings = Findings::default();
        let settings = config.resolve("p", environment, &KeyPath::root(), &mut findings);
        settings
            .map(|settings| settings.start)
            .ok_or_else(|| findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>().join("\n"))
    }

    fn with_offset_reset(policy: &str) -> KafkaSourceConfig {
        let policy = PropertyValue::Text(policy.to_owned());
        let consumer_config = [("auto.offset.reset".to_owned(), policy)].into();
        KafkaSourceConfig {
            connection: ConnectionConfig { consumer_config, ..Default::default() },
            ..Default::default()
        }
    }

    fn starting_at(text: &str) -> KafkaSourceConfig {
        KafkaSourceConfig {
            start_position: Some(StartPositionConfig::Text(text.to_owned())),
            ..with_offset_reset("earliest")
        }
    }

    fn looking_back(days: f64) -> KafkaSourceConfig {
        KafkaSourceConfig { lookback_days: Some(days), ..with_offset_reset("earliest") }
    }

    #[test]
    fn where_a_new_group_begins_has_one_order_of_precedence() {
        let environment = Environment::from([("KAFKA_PROPERTIES_AUTO_OFFSET_RESET", "earliest")]);
        let start = |config: &KafkaSourceConfig, environment| resolved(config, environment).unwrap();
        let nothing = Environment::default();
        assert_eq!(start(&KafkaSourceConfig::default(), &environment), StartPosition::Earliest);
        assert_eq!(start(&with_offset_reset("latest"), &environment), StartPosition::Latest);
        assert_eq!(start(&with_offset_reset("smallest"), &nothing), StartPosition::Earliest);
        let two_hours = StartPosition::Lookback(Duration::from_secs(7200));
        assert_eq!(start(&looking_back(2.0 / 24.0), &environment), two_hours);
        assert_eq!(start(&starting_at("latest"), &environment), StartPosition::Latest);
        let both = KafkaSourceConfig { lookback_days: Some(1.0), ..starting_at("latest") };
        assert_eq!(start(&both, &environment), StartPosition::Latest);
        assert_eq!(
            start(&starting_at("1700000000000"), &nothing),
            StartPosition::Timestamp(1_700_000_000_000)
        );
        assert_eq!(
            start(&starting_at("2023-11-14T23:13:20+01:00"), &nothing),
            StartPosition::Timestamp(1_700_000_000_000)
        );
    }

    #[test]
    fn a_start_that_is_no_time_is_refused() {
        for wrong in ["yesterday", "2023-11-14", "-1", ""] {
            assert!(resolved(&starting_at(wrong), &Environment::default()).is_err(), "{wrong}");
        }
        let error = resolved(&with_offset_reset("error"), &Environment::default());
        assert!(error.err().unwrap().contains("expected earliest or latest"));
    }

    #[test]
    fn a_look_back_is_a_number_of_days() {
        let wrong = |days| resolved(&looking_back(days), &Environment::default()).is_err();
        assert!([-1.0, f64::NAN, f64::INFINITY, f64::MAX].into_iter().all(wrong));
        let none = resolved(&looking_back(0.0), &Environment::default());
        assert_eq!(none, Ok(StartPosition::Lookback(Duration::ZERO)));
    }

    #[test]
    fn a_look_back_without_an_effect_is_warned_about() {
        let both = KafkaSourceConfig { lookback_days: Some(1.0), ..starting_at("latest") };
        let mut findings = Findings::default();
        assert!(both.resolve("p", &Environment::default(), &KeyPath::root(), &mut findings).is_some());
        assert_eq!(findings.into_iter().next().unwrap().at.to_string(), "lookback_days");
    }
}
