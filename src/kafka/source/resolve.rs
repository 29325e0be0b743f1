//! From what a recipe and the environment say about Kafka to [`ConsumerSettings`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::{ConnectionConfig, KafkaSourceConfig, SourceKind};
use super::consumer_properties::is_secret_property;
use super::environment_properties::{self, Inherited};
use super::settings::ConsumerSettings;
use super::topics::is_topic_name;
use super::{client_config, consumer_properties};
use crate::environment::Environment;
use crate::event::Route;
use crate::findings::{Finding, Findings, KeyPath};
use crate::kafka::oauth;

/// How long Kafka and the registry are tried at the start, unless `infinite_retry` says otherwise.
const START_PATIENCE: Duration = Duration::from_secs(60);

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
        let consumer_config = connection.key("consumer_config");
        let (mut properties, inherited) = self.connection.properties(environment, &connection, findings);
        let judged = findings.len();
        let oauth = oauth::settings_of(&mut properties, environment, &connection, findings);
        let start = self.start(properties.remove("auto.offset.reset"), at, findings);
        inherited.name_variables(&consumer_config, findings.since(judged));
        let topics = self.topics_to_read(environment, at, findings);
        self.review_dead_letter_topic(&topics, &at.key("dead_letter_topic"), findings);
        let group_id = properties.entry("group.id".to_owned()).or_insert_with(|| name.to_owned()).clone();
        let reset_offsets = self.reset_offsets.unwrap_or(false);
        if reset_offsets && properties.get("group.protocol").is_some_and(|protocol| protocol == "consumer") {
            let text = "does not go together with group.protocol: consumer: whether such a group has other members, whose progress it would take back, cannot be seen; remove one of the two, and reset the offsets with `datahub-relay offsets reset` while nobody is in the group";
            findings.error(&at.key("reset_offsets"), text);
        }
        self.review_without_effect(at, findings);
        let settings = ConsumerSettings {
            kind: self.kind,
            group_id,
            properties,
            oauth,
            topics,
            dead_letter_topic: self.dead_letter_topic.clone(),
            start,
            reset_offsets,
            idle_timeout: self.idle_timeout(at, findings),
            start_patience: (!self.infinite_retry.unwrap_or(false)).then_some(START_PATIENCE),
            request_timeout: seconds(self.connection.client_timeout_seconds, 60),
            commit_attempts: self.commit_retry_count.unwrap_or(5),
            commit_backoff_cap: seconds(self.commit_retry_backoff, 10),
        };
        // Each property was judged by itself before; where one has an error it may be that which lacks now.
        if findings.errors() == errors
            && !findings.has_error_at(&consumer_config)
            && let Some(words) = client_config::contradiction(&settings)
        {
            let origin = inherited.origin_of(&words);
            let text = format!("librdkafka does not take these properties together: {words}{origin}");
            findings.error(&consumer_config, text);
        }
        (findings.errors() == errors).then_some(settings)
    }

    /// The longest that one attempt at an event may take, if there is a limit.
    pub fn attempt_deadline(&self) -> Option<Duration> {
        let default = match self.kind {
            SourceKind::Kafka => None,
            // What that source does; its documentation says 30.
            SourceKind::DatahubCloud => Some(60.0),
        };
        self.event_processing_time_max_duration_seconds.or(default).map(Duration::from_secs_f64)
    }

    fn review_dead_letter_topic(&self, read: &[(String, Route)], at: &KeyPath, findings: &mut Findings) {
        let Some(topic) = &self.dead_letter_topic else { return };
        if !is_topic_name(topic) {
            let text = format!("expected a topic's name (letters, digits, `.`, `_`, `-`), found \"{topic}\"");
            findings.error(at, text);
        } else if read.iter().any(|(known, _)| known == topic) {
            findings.error(
                at,
                "is a topic that this recipe reads: each dead letter would come again and fail again; name another",
            );
        }
    }

    /// A word on each key that another one, or its absence, makes idle.
    fn review_without_effect(&self, at: &KeyPath, findings: &mut Findings) {
        if self.consumer_id.is_some() {
            findings.warning(
                &at.key("consumer_id"),
                "has no effect: the consumer group is the pipeline's name, or group.id of consumer_config",
            );
        }
        if self.async_commit_interval.is_some() && !self.async_commit_enabled {
            let text = "has no effect without async_commit_enabled: true";
            findings.warning(&at.key("async_commit_interval"), text);
        }
        if let (Some(counts), Some(other)) =
            (self.enable_mcl_pre_deserialization_filter, self.enable_pre_deserialization_filter)
            && counts != other
        {
            let text = format!("has no effect: enable_mcl_pre_deserialization_filter: {counts} counts");
            findings.warning(&at.key("enable_pre_deserialization_filter"), text);
        }
    }

    /// The interval between commits, if `async_commit_enabled` asks for one.
    pub fn async_commit(&self) -> Option<Duration> {
        self.async_commit_enabled.then(|| Duration::from_millis(self.async_commit_interval.unwrap_or(10_000)))
    }

    /// Whether records are scanned before they are decoded (default true).
    pub fn scans(&self) -> bool {
        self.enable_mcl_pre_deserialization_filter.or(self.enable_pre_deserialization_filter).unwrap_or(true)
    }

    fn idle_timeout(&self, at: &KeyPath, findings: &mut Findings) -> Option<Duration> {
        if self.kill_after_idle_timeout.unwrap_or(false) {
            return Some(seconds(self.idle_timeout_duration_seconds, 30));
        }
        if self.idle_timeout_duration_seconds.is_some() {
            let text = "has no effect without kill_after_idle_timeout: true";
            findings.warning(&at.key("idle_timeout_duration_seconds"), text);
        }
        None
    }
}

fn seconds(seconds: Option<f64>, default: u64) -> Duration {
    seconds.map_or(Duration::from_secs(default), Duration::from_secs_f64)
}

impl ConnectionConfig {
    /// Built-in, environment, recipe: the later one wins.
    fn properties(
        &self,
        environment: &Environment,
        at: &KeyPath,
        findings: &mut Findings,
    ) -> (BTreeMap<String, String>, OfEnvironment) {
        let consumer_config = at.key("consumer_config");
        let mut properties =
            consumer_properties::of_recipe(&self.consumer_config, &consumer_config, findings);
        let inherited = environment_properties::properties(environment, &properties, at, findings);
        let inherited = consumer_properties::of_environment(inherited, at, findings);
        let secrets = inherited.iter().filter(|(name, _)| is_secret_property(name));
        secrets.for_each(|(_, inherited)| findings.secret(&inherited.value));

        let (servers, origin) = match (brokers_of(&properties), &self.bootstrap) {
            (Some((name, servers)), _) => (servers.as_str(), Origin::Recipe(consumer_config.key(name))),
            (None, Some(servers)) => (servers.as_str(), Origin::Recipe(at.key("bootstrap"))),
            _ => match (brokers_of(&inherited), environment.get("KAFKA_BOOTSTRAP_SERVER")) {
                (Some((_, servers)), _) => {
                    (servers.value.as_str(), Origin::Variable(servers.variable.clone()))
                }
                (None, Some(servers)) => (servers, Origin::Variable("KAFKA_BOOTSTRAP_SERVER".to_owned())),
                (None, None) => ("localhost:9092", Origin::Recipe(at.key("bootstrap"))),
            },
        };
        let servers = servers.to_owned();
        if self.bootstrap.as_ref().is_some_and(|bootstrap| *bootstrap != servers) {
            let text = "has no effect: bootstrap.servers of consumer_config counts";
            findings.warning(&at.key("bootstrap"), text);
        }
        match (wrong_broker(&servers), origin) {
            (None, _) => {}
            (Some(_), Origin::Recipe(at)) if servers.trim().is_empty() => findings.error(
                &at,
                "is empty; give brokers as host:port, or remove the key for KAFKA_BOOTSTRAP_SERVER to count",
            ),
            (Some(_), Origin::Recipe(at)) if servers.contains('@') => findings.error(
                &at,
                "expected brokers as host:port, found one with a user; give user and password as sasl.username and sasl.password in consumer_config",
            ),
            (Some((server, expected)), Origin::Recipe(at)) => {
                findings.error(&at, format!("expected {expected}, found \"{server}\""));
            }
            (Some((_, expected)), Origin::Variable(name)) => {
                findings.error(&at.key("bootstrap"), format!("expected {expected} in the variable {name}"));
            }
        }
        for (name, inherited) in &inherited {
            properties.entry(name.clone()).or_insert_with(|| inherited.value.clone());
        }
        BROKERS.iter().for_each(|name| drop(properties.remove(*name)));
        properties.insert(BROKERS[0].to_owned(), servers);
        (properties, OfEnvironment(inherited))
    }
}

/// The properties that come from the environment.
struct OfEnvironment(BTreeMap<String, Inherited>);

impl OfEnvironment {
    /// Lets what was found about such a property say which variable sets it: the recipe has no such key. What
    /// came from a variable is not shown. `at` is the path of `consumer_config`.
    fn name_variables(&self, at: &KeyPath, found: &mut [Finding]) {
        for finding in found {
            let concerned = self.0.iter().find(|(name, _)| finding.at == at.key(name));
            if let Some((_, Inherited { variable, value })) = concerned {
                let text = finding.text.replace(&format!("\"{value}\""), "\"…\"");
                finding.text = format!("set by the variable {variable}: {text}");
            }
        }
    }

    /// Which variables may be behind librdkafka's words about several properties: those of the properties
    /// that it names, or else all.
    fn origin_of(&self, words: &str) -> String {
        let (named, others): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|(name, _)| words.contains(name.as_str()));
        let concerned = if named.is_empty() { others } else { named };
        let variables: Vec<&str> =
            concerned.iter().map(|(_, inherited)| inherited.variable.as_str()).collect();
        match variables.as_slice() {
            [] => String::new(),
            [one] => format!("; the variable {one} sets one of them"),
            several => format!("; the variables {} set some of them", several.join(", ")),
        }
    }
}

/// The two names of the property that names the brokers.
const BROKERS: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];

/// The brokers among `properties`, and by which name.
fn brokers_of<T>(properties: &BTreeMap<String, T>) -> Option<(&'static str, &T)> {
    BROKERS.iter().find_map(|name| Some((*name, properties.get(*name)?)))
}

/// Where a value came from.
enum Origin {
    Recipe(KeyPath),
    /// What came from a variable is not shown.
    Variable(String),
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
mod tests;
