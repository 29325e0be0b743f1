//! librdkafka's configuration: our defaults, what the user set, and what this program owns.

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;

use super::aliases;
use super::consumer_properties::SECRET_PROPERTIES;
use super::settings::ConsumerSettings;
use crate::redaction::hide;

/// Our defaults where they differ from librdkafka's; the user's own settings win over them.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "datahub-relay"),
    // A consumer that is slower than the broker falls to a tenth of its speed with the default of
    // 1000 ms: a queue that is full once is not asked again for a second.
    ("fetch.queue.backoff.ms", "5"),
    // As fast as the default of 64 MiB at half the resident memory.
    ("queued.max.messages.kbytes", "16384"),
    // A failed connection is reported by the error callback; librdkafka's own line adds nothing.
    ("log.connection.close", "false"),
    // Partitions that were added to a topic are found within this time.
    ("topic.metadata.refresh.interval.ms", "60000"),
    // Lag, broker states and the watchdog's figures.
    ("statistics.interval.ms", "5000"),
];

/// The assignor: members keep what they keep through a rebalance. With `group.protocol=consumer`
/// assignment is the broker's and librdkafka refuses the property.
const ASSIGNOR: (&str, &str) = ("partition.assignment.strategy", "cooperative-sticky");

/// What this program owns; nothing in a recipe changes it.
const OWNED: &[(&str, &str)] = &[
    // Only the committer commits, and only what is finished. With these two off librdkafka stores
    // and commits nothing by itself, also not while it closes.
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // The start policy is ours, so that a position outside the log is noticed, reported, and only
    // then moved: with any other value librdkafka would move it silently.
    ("auto.offset.reset", "error"),
    // A flipped bit must be an error, not a different event.
    ("check.crcs", "true"),
    ("enable.partition.eof", "false"),
];

/// Properties that mean nothing to a producer, or that are this program's own there.
const NOT_A_PRODUCERS: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
    "statistics.interval.ms",
    // A transaction, or fewer guarantees than a dead letter needs.
    "acks",
    "enable.idempotence",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "transactional.id",
];

/// Defaults of a producer; the user's own settings win over them.
const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "datahub-relay"),
    ("log.connection.close", "false"),
    // Somebody waits for each record: nothing is gained by gathering.
    ("linger.ms", "0"),
    // So late is readiness to say that the brokers are gone; whoever sends tries again.
    ("message.timeout.ms", "10000"),
    // The topic's own limit is to decide, not the client's megabyte.
    ("message.max.bytes", "1000000000"),
];

/// The configuration of a producer that reaches Kafka as the pipeline's consumer does. Idempotent,
/// acknowledged by all in-sync replicas.
pub(in crate::kafka) fn producer_config(settings: &ConsumerSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in PRODUCER_DEFAULTS.iter().filter(|(key, _)| !aliases::has(&settings.properties, key)) {
        config.set(*key, *value);
    }
    let shared = settings.properties.iter().filter(|(key, _)| !NOT_A_PRODUCERS.contains(&key.as_str()));
    for (key, value) in shared {
        config.set(key, value);
    }
    config.set("enable.idempotence", "true").set("acks", "all");
    config
}

/// The configuration of a pipeline's consumer.
pub(in crate::kafka) fn consumer_config(settings: &ConsumerSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in DEFAULTS {
        config.set(*key, *value);
    }
    let broker_side =
        settings.properties.get("group.protocol").is_some_and(|protocol| protocol == "consumer");
    if !broker_side {
        config.set(ASSIGNOR.0, ASSIGNOR.1);
    }
    config.set("socket.timeout.ms", settings.request_timeout.as_millis().to_string());
    for (key, value) in &settings.properties {
        config.set(key, value);
    }
    if !broker_side && let Some(timeout) = session_timeout_below_poll_interval(settings) {
        config.set("session.timeout.ms", timeout.to_string());
    }
    config.set("group.id", &settings.group_id);
    for (key, value) in OWNED {
        config.set(*key, *value);
    }
    config
}

/// A recipe that shortens `max.poll.interval.ms` alone: librdkafka demands a session that is no longer. The
/// Python framework's own session is 10 s, so there such recipes run.
fn session_timeout_below_poll_interval(settings: &ConsumerSettings) -> Option<u32> {
    /// librdkafka's default.
    const SESSION_MS: u32 = 45_000;
    let interval: u32 = settings.properties.get("max.poll.interval.ms")?.trim().parse().ok()?;
    let is_given = settings.properties.contains_key("session.timeout.ms");
    (!is_given && interval < SESSION_MS).then_some(interval)
}

/// librdkafka's own words about properties that it takes one by one and not together, and about files
/// that it cannot use. Shows only when a client is made, so one is: it knows no broker, and the network is
/// not touched.
pub(super) fn contradiction(settings: &ConsumerSettings) -> Option<String> {
    if settings.group_id.is_empty() {
        // The pipeline has no name, which is another error.
        return None;
    }
    let mut config = consumer_config(settings);
    config.remove("bootstrap.servers");
    let words = match config.create::<BaseConsumer>() {
        Ok(_) => return None,
        Err(KafkaError::ClientCreation(words)) => words,
        Err(error) => error.to_string(),
    };
    let secrets = SECRET_PROPERTIES.iter().filter_map(|name| settings.properties.get(*name));
    Some(secrets.fold(words.trim().to_owned(), |words, secret| hide(&words, secret)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::config::{ConnectionConfig, KafkaSourceConfig, PropertyValue, SourceKind};
    use super::super::settings::StartPosition;
    use super::*;
    use crate::environment::Environment;
    use crate::findings::{Findings, KeyPath};

    fn settings(properties: &[(&str, &str)]) -> ConsumerSettings {
        ConsumerSettings {
            oauth: None,
            kind: SourceKind::Kafka,
            group_id: "g".to_owned(),
            properties: properties
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            topics: Vec::new(),
            dead_letter_topic: None,
            start: StartPosition::Latest,
            reset_offsets: false,
            idle_timeout: None,
            start_patience: None,
            request_timeout: Duration::from_secs(60),
            commit_attempts: 5,
            commit_backoff_cap: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_queue_that_was_full_is_asked_again_soon_and_holds_no_more_than_it_needs() {
        let config = consumer_config(&settings(&[]));
        assert_eq!(config.get("fetch.queue.backoff.ms"), Some("5"));
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("16384"));
    }

    #[test]
    fn a_user_cannot_turn_checksums_off() {
        let config = consumer_config(&settings(&[("check.crcs", "false")]));
        assert_eq!(config.get("check.crcs"), Some("true"));
    }

    #[test]
    fn a_user_cannot_turn_automatic_commits_on() {
        let config = consumer_config(&settings(&[
            ("enable.auto.commit", "true"),
            ("enable.auto.offset.store", "true"),
            ("auto.offset.reset", "latest"),
        ]));
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("enable.auto.offset.store"), Some("false"));
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
    }

    #[test]
    fn properties_that_contradict_each_other_are_found_without_a_broker() {
        assert_eq!(contradiction(&settings(&[("bootstrap.servers", "127.0.0.1:1")])), None);
        let intervals = settings(&[("session.timeout.ms", "60000"), ("max.poll.interval.ms", "10000")]);
        let words = contradiction(&intervals).unwrap();
        assert!(words.contains("max.poll.interval.ms"), "{words}");
        let broker_side = settings(&[("group.protocol", "consumer"), ("session.timeout.ms", "6000")]);
        assert!(contradiction(&broker_side).unwrap().contains("session.timeout.ms"));
        let key = settings(&[("security.protocol", "ssl"), ("ssl.key.pem", "canary")]);
        let words = contradiction(&key).unwrap();
        assert!(!words.contains("canary"), "{words}");
    }

    #[test]
    fn a_recipe_that_shortens_the_poll_interval_alone_runs_as_it_does_in_the_framework() {
        let short = settings(&[("max.poll.interval.ms", "10000")]);
        assert_eq!(consumer_config(&short).get("session.timeout.ms"), Some("10000"));
        assert_eq!(contradiction(&short), None);
        let long = settings(&[("max.poll.interval.ms", "600000")]);
        assert_eq!(consumer_config(&long).get("session.timeout.ms"), None);
    }

    #[test]
    fn a_producer_reaches_kafka_as_the_consumer_does_and_takes_nothing_else_from_it() {
        let given = [
            ("bootstrap.servers", "b:9092"),
            ("sasl.password", "p"),
            ("group.id", "g"),
            ("fetch.min.bytes", "7"),
            ("acks", "0"),
            ("compression.type", "zstd"),
        ];
        let config = producer_config(&settings(&given));
        for (key, value) in [("bootstrap.servers", "b:9092"), ("sasl.password", "p"), ("acks", "all")] {
            assert_eq!(config.get(key), Some(value));
        }
        assert_eq!((config.get("compression.type"), config.get("linger.ms")), (Some("zstd"), Some("0")));
        let patient = producer_config(&settings(&[("delivery.timeout.ms", "5000")]));
        assert_eq!(patient.get("message.timeout.ms"), None, "two names of one property");
        assert_eq!((config.get("group.id"), config.get("fetch.min.bytes")), (None, None));
        assert!(config.create_native_config().is_ok());
    }

    #[test]
    fn a_users_setting_wins_over_our_default() {
        let config = consumer_config(&settings(&[("fetch.queue.backoff.ms", "20")]));
        assert_eq!(config.get("fetch.queue.backoff.ms"), Some("20"));
    }

    #[test]
    fn the_recipe_wins_over_the_environment_and_that_over_what_is_built_in() {
        let of = |recipe: Option<&str>, environment: &Environment| {
            let given = recipe
                .map(|value| ("fetch.queue.backoff.ms".to_owned(), PropertyValue::Text(value.to_owned())));
            let connection =
                ConnectionConfig { consumer_config: given.into_iter().collect(), ..Default::default() };
            let source = KafkaSourceConfig { connection, ..Default::default() };
            let settings =
                source.resolve("p", environment, &KeyPath::root(), &mut Findings::default()).unwrap();
            consumer_config(&settings).get("fetch.queue.backoff.ms").map(str::to_owned)
        };
        let environment = Environment::from([("KAFKA_PROPERTIES_FETCH_QUEUE_BACKOFF_MS", "7")]);
        assert_eq!(of(None, &Environment::default()).as_deref(), Some("5"));
        assert_eq!(of(None, &environment).as_deref(), Some("7"));
        assert_eq!(of(Some("9"), &environment).as_deref(), Some("9"));
        assert_eq!(of(Some(""), &environment).as_deref(), Some("7"), "an empty value counts as not given");
    }

    #[test]
    fn the_broker_side_protocol_gets_no_assignor() {
        let classic = consumer_config(&settings(&[]));
        assert_eq!(classic.get("partition.assignment.strategy"), Some("cooperative-sticky"));
        let broker_side = consumer_config(&settings(&[("group.protocol", "consumer")]));
        assert_eq!(broker_side.get("partition.assignment.strategy"), None);
        assert!(broker_side.create_native_config().is_ok());
    }

    #[test]
    fn every_way_to_log_in_is_built_in() {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
            let login = [
                ("security.protocol", "SASL_SSL"),
                ("sasl.mechanisms", mechanism),
                ("sasl.username", "user"),
                ("sasl.password", "password"),
            ];
            let consumer = consumer_config(&settings(&login)).create::<rdkafka::consumer::BaseConsumer>();
            assert!(consumer.is_ok(), "{mechanism}: {:?}", consumer.err());
        }
    }
}
