//! From what a recipe and the environment say about Kafka to [`ConsumerSettings`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::{ConnectionConfig, KafkaSourceConfig, StartPositionConfig};
use super::settings::{ConsumerSettings, StartPosition};
use super::{consumer_properties, environment_properties, oauth};
use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};

impl KafkaSourceConfig {
    /// Fills in every default. `name` is the pipeline's, and its group's unless `group.id` says
    /// otherwise; `at` is the path of `source.config`.
    pub fn resolve(
        &self,
        name: &str,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Option<ConsumerSettings> {
        let errors = findings.errors();
        let connection = at.key("connection");
        let mut properties = self.connection.properties(environment, &connection, findings);
        let oauth = oauth::settings_of(&mut properties, environment, &connection, findings);
        let start = self.start(properties.remove("auto.offset.reset"), at, findings);
        let topics = self.topic_routes.topics(self.platform_events, environment, at, findings);
        let group_id = properties.entry("group.id".to_owned()).or_insert_with(|| name.to_owned()).clone();
        let seconds = |seconds: Option<f64>, default: u64| {
            seconds.map_or(Duration::from_secs(default), Duration::from_secs_f64)
        };
        let settings = ConsumerSettings {
            group_id,
            properties,
            oauth,
            topics,
            start,
            request_timeout: seconds(self.connection.client_timeout_seconds, 60),
            commit_attempts: self.commit_retry_count.unwrap_or(5),
            commit_backoff_cap: seconds(self.commit_retry_backoff, 10),
        };
        (findings.errors() == errors).then_some(settings)
    }

    /// The interval between commits, if `async_commit_enabled` asks for one.
    pub fn async_commit(&self) -> Option<Duration> {
        self.async_commit_enabled.then(|| Duration::from_millis(self.async_commit_interval.unwrap_or(10_000)))
    }

    /// Whether records are scanned before they are decoded (default true).
    pub fn scans(&self) -> bool {
        self.enable_mcl_pre_deserialization_filter.or(self.enable_pre_deserialization_filter).unwrap_or(true)
    }

    /// `offset_reset` is what the recipe's `consumer_config` or the environment says, in this order.
    fn start(&self, offset_reset: Option<String>, at: &KeyPath, findings: &mut Findings) -> StartPosition {
        let position_key = at.key("start_position");
        match (&self.start_position, offset_reset) {
            (Some(StartPositionConfig::Milliseconds(ms)), _) => at_milliseconds(*ms, &position_key, findings),
            (Some(StartPositionConfig::Text(text)), _) => at_text(text, &position_key, findings),
            (None, None) => StartPosition::Latest,
            (None, Some(policy)) => match policy.as_str() {
                "earliest" | "smallest" | "beginning" => StartPosition::Earliest,
                "latest" | "largest" | "end" => StartPosition::Latest,
                // librdkafka has checked it already: what remains is `error`.
                _ => {
                    let at = at.key("connection").key("consumer_config").key("auto.offset.reset");
                    let text =
                        "expected earliest or latest: a group without an offset has to begin somewhere";
                    findings.error(&at, text);
                    StartPosition::Latest
                }
            },
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

impl ConnectionConfig {
    /// Built-in, environment, recipe: the later one wins.
    fn properties(
        &self,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> BTreeMap<String, String> {
        let consumer_config = at.key("consumer_config");
        let mut properties =
            consumer_properties::of_recipe(&self.consumer_config, &consumer_config, findings);
        let inherited = environment_properties::properties(environment, &properties, at, findings);
        let inherited = consumer_properties::of_environment(inherited, at, findings);

        let (servers, origin) = match (properties.get("bootstrap.servers"), &self.bootstrap) {
            (Some(servers), _) => {
                (servers.as_str(), Origin::Recipe(consumer_config.key("bootstrap.servers")))
            }
            (None, Some(servers)) if !servers.is_empty() => {
                (servers.as_str(), Origin::Recipe(at.key("bootstrap")))
            }
            _ => match (inherited.get("bootstrap.servers"), environment.get("KAFKA_BOOTSTRAP_SERVER")) {
                (Some(servers), _) => {
                    (servers.as_str(), Origin::Variable("KAFKA_PROPERTIES_BOOTSTRAP_SERVERS"))
                }
                (None, Some(servers)) => (servers, Origin::Variable("KAFKA_BOOTSTRAP_SERVER")),
                (None, None) => ("localhost:9092", Origin::Recipe(at.key("bootstrap"))),
            },
        };
        let servers = servers.to_owned();
        match (wrong_broker(&servers), origin) {
            (None, _) => {}
            (Some((server, expected)), Origin::Recipe(at)) => {
                findings.error(&at, format!("expected {expected}, found \"{server}\""));
            }
            (Some((_, expected)), Origin::Variable(name)) => {
                findings.error(&at.key("bootstrap"), format!("expected {expected} in the variable {name}"));
            }
        }
        for (name, value) in inherited {
            properties.entry(name).or_insert(value);
        }
        properties.insert("bootstrap.servers".to_owned(), servers);
        properties
    }
}

/// Where a value came from.
enum Origin {
    Recipe(KeyPath),
    /// What came from a variable is not shown.
    Variable(&'static str),
}

/// The first broker that is none, and what was expected of it.
fn wrong_broker(servers: &str) -> Option<(&str, &'static str)> {
    servers.split(',').map(str::trim).find_map(|server| {
        // A security protocol in front is librdkafka's way to give each broker its own.
        let (protocol, address) = server.rsplit_once("://").unwrap_or(("PLAINTEXT", server));
        let protocols = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
        if !protocols.iter().any(|known| known.eq_ignore_ascii_case(protocol)) {
            return Some((server, "brokers as host:port, separated by commas"));
        }
        let (host, port) = match address.strip_prefix('[') {
            Some(address) => match address.split_once(']') {
                Some((host, "")) => (host, None),
                Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or_default())),
                None => ("", None),
            },
            None => match address.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        let host_is_sound = !host.is_empty()
            && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
        let port_is_sound = port.is_none_or(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if !host_is_sound {
            return Some((server, "brokers as host:port, separated by commas"));
        }
        (!port_is_sound).then_some((server, "a port from 1 to 65535"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::config::{PropertyValue, TopicRoutes};
    use super::*;
    use crate::event::Route;

    fn resolved(config: &KafkaSourceConfig, environment: &Environment) -> Result<ConsumerSettings, String> {
        let mut findings = Findings::default();
        config.resolve("my pipeline", environment, &KeyPath::root(), &mut findings).ok_or_else(|| {
            findings
                .into_iter()
                .map(|finding| format!("{}: {}", finding.at, finding.text))
                .collect::<Vec<_>>()
                .join("\n")
        })
    }

    fn with_properties<const N: usize>(properties: [(&str, &str); N]) -> KafkaSourceConfig {
        let consumer_config = properties
            .map(|(name, value)| (name.to_owned(), PropertyValue::Text(value.to_owned())))
            .into_iter()
            .collect();
        KafkaSourceConfig {
            connection: ConnectionConfig { consumer_config, ..Default::default() },
            ..Default::default()
        }
    }

    fn starting_at(text: &str) -> KafkaSourceConfig {
        KafkaSourceConfig {
            start_position: Some(StartPositionConfig::Text(text.to_owned())),
            ..with_properties([("auto.offset.reset", "earliest")])
        }
    }

    #[test]
    fn a_silent_recipe_reads_the_three_topics_from_localhost_at_the_latest() {
        let settings = resolved(&KafkaSourceConfig::default(), &Environment::default()).unwrap();
        assert_eq!(settings.group_id, "my pipeline");
        assert_eq!(settings.properties["bootstrap.servers"], "localhost:9092");
        assert_eq!(settings.start, StartPosition::Latest);
        let topics: Vec<_> =
            settings.topics.iter().map(|(topic, route)| (topic.as_str(), route.clone())).collect();
        assert_eq!(
            topics,
            [
                ("MetadataChangeLog_Versioned_v1", Route::ChangeLog),
                ("MetadataChangeLog_Timeseries_v1", Route::ChangeLog),
                ("PlatformEvent_v1", Route::PlatformEvent),
            ]
        );
    }

    #[test]
    fn a_route_that_is_given_replaces_all_three_and_the_environment_only_fills_silence() {
        let environment = Environment::from([
            ("PLATFORM_EVENT_TOPIC_NAME", "pe_of_environment"),
            ("KAFKA_BOOTSTRAP_SERVER", "kafka:29092"),
        ]);
        let settings = resolved(&KafkaSourceConfig::default(), &environment).unwrap();
        assert_eq!(settings.topics[2].0, "pe_of_environment");
        assert_eq!(settings.properties["bootstrap.servers"], "kafka:29092");
        let routes = TopicRoutes { mcl: Some("mine".to_owned()), ..Default::default() };
        let config = KafkaSourceConfig { topic_routes: routes, ..Default::default() };
        assert_eq!(resolved(&config, &environment).unwrap().topics, [("mine".to_owned(), Route::ChangeLog)]);
    }

    #[test]
    fn the_group_of_the_recipe_wins_over_the_name() {
        let settings = resolved(&with_properties([("group.id", "older")]), &Environment::default()).unwrap();
        assert_eq!(settings.group_id, "older");
        assert_eq!(settings.properties["group.id"], "older");
        let empty = resolved(&with_properties([("group.id", "")]), &Environment::default()).unwrap();
        assert_eq!(empty.group_id, "my pipeline");
    }

    #[test]
    fn where_a_new_group_begins_has_one_order_of_precedence() {
        let environment = Environment::from([("KAFKA_PROPERTIES_AUTO_OFFSET_RESET", "earliest")]);
        let start = |config: &KafkaSourceConfig, environment| resolved(config, environment).unwrap().start;
        let nothing = Environment::default();
        assert_eq!(start(&KafkaSourceConfig::default(), &environment), StartPosition::Earliest);
        assert_eq!(
            start(&with_properties([("auto.offset.reset", "latest")]), &environment),
            StartPosition::Latest
        );
        assert_eq!(
            start(&with_properties([("auto.offset.reset", "smallest")]), &nothing),
            StartPosition::Earliest
        );
        assert_eq!(start(&starting_at("latest"), &environment), StartPosition::Latest);
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
        let error = resolved(&with_properties([("auto.offset.reset", "error")]), &Environment::default());
        assert!(error.err().unwrap().contains("expected earliest or latest"));
    }

    #[test]
    fn brokers_are_checked_one_by_one() {
        let with_brokers = |brokers: &str| {
            let connection = ConnectionConfig { bootstrap: Some(brokers.to_owned()), ..Default::default() };
            resolved(&KafkaSourceConfig { connection, ..Default::default() }, &Environment::default()).err()
        };
        for right in ["a:1", "a", "a:1,b:65535", "a:1, b:2", "[::1]:9092", "10.0.0.1:9092", "SSL://a:1"] {
            assert_eq!(with_brokers(right), None, "{right}");
        }
        for wrong in [
            "a:0",
            "a:65536",
            "a:x",
            "a:",
            ":9092",
            "a:1,",
            "a b:1",
            "a/b:1",
            "[::1:9092",
            "[::1]9092",
            "http://a:1",
        ] {
            assert!(
                with_brokers(wrong).is_some_and(|error| error.starts_with("connection.bootstrap: ")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_this_program_owns_cannot_be_changed() {
        let config = with_properties([("enable.auto.commit", "true"), ("fetch.min.bytes", "1")]);
        let mut findings = Findings::default();
        let settings = config.resolve("p", &Environment::default(), &KeyPath::root(), &mut findings).unwrap();
        assert!(!settings.properties.contains_key("enable.auto.commit"));
        assert_eq!(settings.properties["fetch.min.bytes"], "1");
        assert!(findings.into_iter().next().unwrap().text.contains("has no effect"));
    }

    #[test]
    fn librdkafka_judges_properties_in_its_own_words() {
        let error = |properties| resolved(&properties, &Environment::default()).err().unwrap();
        assert!(error(with_properties([("no.such", "x")])).contains("No such configuration property"));
        assert!(error(with_properties([("security.protocol", "x")])).contains("Invalid value"));
        assert!(error(with_properties([("plugin.library.paths", "x.so")])).contains("not allowed"));
    }

    #[test]
    fn a_property_of_the_environment_that_librdkafka_does_not_know_only_warns() {
        let environment = Environment::from([("KAFKA_PROPERTIES_NO_SUCH", "x")]);
        assert!(resolved(&KafkaSourceConfig::default(), &environment).is_ok());
    }
}
