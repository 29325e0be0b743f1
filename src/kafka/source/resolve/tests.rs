use super::super::config::{PropertyValue, TopicRoutes};
use super::super::settings::StartPosition;
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
fn a_password_among_the_brokers_is_not_shown() {
    for brokers in ["me:c4n4ry@broker:9092", "broker,SASL_SSL://me:c4n4,ry@broker"] {
        let connection = ConnectionConfig { bootstrap: Some(brokers.to_owned()), ..Default::default() };
        let config = KafkaSourceConfig { connection, ..Default::default() };
        let error = resolved(&config, &Environment::default()).err().unwrap();
        assert!(error.contains("sasl.password") && !error.contains("c4n4"), "{error}");
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
fn statistics_that_would_be_too_rare_for_the_watchdog_are_warned_about_and_left_at_our_interval() {
    let told = |interval| {
        let config = with_properties([("statistics.interval.ms", interval)]);
        let mut findings = Findings::default();
        let settings = config.resolve("p", &Environment::default(), &KeyPath::root(), &mut findings).unwrap();
        let texts: Vec<String> = findings.into_iter().map(|finding| finding.text).collect();
        (settings.properties.get("statistics.interval.ms").cloned(), texts.join("\n"))
    };
    assert_eq!(told("1000"), (Some("1000".to_owned()), String::new()));
    for interval in ["0", "60001"] {
        let (given, text) = told(interval);
        assert!(given.is_none() && text.contains("has no effect: the lag and /livez"), "{text}");
    }
    let environment = Environment::from([("KAFKA_PROPERTIES_STATISTICS_INTERVAL_MS", "0")]);
    let settings = resolved(&KafkaSourceConfig::default(), &environment).unwrap();
    assert!(!settings.properties.contains_key("statistics.interval.ms"));
}

#[test]
fn a_cloud_recipe_differs_by_its_defaults_alone() {
    let cloud = KafkaSourceConfig { kind: SourceKind::DatahubCloud, ..Default::default() };
    let settings = resolved(&cloud, &Environment::default()).unwrap();
    assert_eq!(settings.topics, [("PlatformEvent_v1".to_owned(), Route::PlatformEvent)]);
    assert_eq!(cloud.attempt_deadline(), Some(Duration::from_secs(60)));
    assert_eq!(KafkaSourceConfig::default().attempt_deadline(), None);
    let told = KafkaSourceConfig { event_processing_time_max_duration_seconds: Some(0.5), ..cloud.clone() };
    assert_eq!(told.attempt_deadline(), Some(Duration::from_millis(500)));
    let kafka = resolved(&KafkaSourceConfig::default(), &Environment::default()).unwrap();
    assert_eq!(settings.start, kafka.start);
    assert_eq!((settings.idle_timeout, settings.start_patience), (None, Some(START_PATIENCE)));
}

#[test]
fn what_ends_a_pipeline_and_what_does_not_is_the_recipes_choice() {
    let config = KafkaSourceConfig {
        kill_after_idle_timeout: Some(true),
        infinite_retry: Some(true),
        ..Default::default()
    };
    let settings = resolved(&config, &Environment::default()).unwrap();
    assert_eq!(settings.idle_timeout, Some(Duration::from_secs(30)));
    assert_eq!(settings.start_patience, None);
}

#[test]
fn keys_without_an_effect_are_warned_about() {
    let config = KafkaSourceConfig {
        consumer_id: Some("me".to_owned()),
        idle_timeout_duration_seconds: Some(5.0),
        async_commit_interval: Some(500),
        enable_mcl_pre_deserialization_filter: Some(false),
        enable_pre_deserialization_filter: Some(true),
        connection: ConnectionConfig {
            bootstrap: Some("a:1".to_owned()),
            ..with_properties([("bootstrap.servers", "b:2")]).connection
        },
        ..Default::default()
    };
    let mut findings = Findings::default();
    let settings = config.resolve("p", &Environment::default(), &KeyPath::root(), &mut findings).unwrap();
    assert_eq!((settings.idle_timeout, config.async_commit(), config.scans()), (None, None, false));
    assert_eq!(settings.properties["bootstrap.servers"], "b:2");
    let texts: Vec<String> =
        findings.into_iter().map(|finding| format!("{}: {}", finding.at, finding.text)).collect();
    assert_eq!(
        texts,
        [
            "connection.bootstrap: has no effect: bootstrap.servers of consumer_config counts",
            "consumer_id: has no effect: the consumer group is the pipeline's name, or group.id of consumer_config",
            "async_commit_interval: has no effect without async_commit_enabled: true",
            "enable_pre_deserialization_filter: has no effect: enable_mcl_pre_deserialization_filter: false counts",
            "idle_timeout_duration_seconds: has no effect without kill_after_idle_timeout: true",
        ]
    );
}

#[test]
fn what_is_said_twice_alike_is_not_warned_about() {
    let config = KafkaSourceConfig {
        async_commit_enabled: true,
        async_commit_interval: Some(500),
        enable_mcl_pre_deserialization_filter: Some(true),
        enable_pre_deserialization_filter: Some(true),
        connection: ConnectionConfig {
            bootstrap: Some("a:1".to_owned()),
            ..with_properties([("bootstrap.servers", "a:1")]).connection
        },
        ..Default::default()
    };
    let mut findings = Findings::default();
    assert!(config.resolve("p", &Environment::default(), &KeyPath::root(), &mut findings).is_some());
    assert_eq!(findings.into_iter().count(), 0);
}

#[test]
fn time_outs_and_the_patience_of_commits_arrive() {
    let config = KafkaSourceConfig {
        commit_retry_count: Some(7),
        commit_retry_backoff: Some(2.5),
        connection: ConnectionConfig { client_timeout_seconds: Some(12.5), ..Default::default() },
        ..Default::default()
    };
    let settings = resolved(&config, &Environment::default()).unwrap();
    assert_eq!((settings.commit_attempts, settings.commit_backoff_cap), (7, Duration::from_millis(2_500)));
    let librdkafkas = client_config::consumer_config(&settings);
    assert_eq!(librdkafkas.get("socket.timeout.ms"), Some("12500"));
}

#[test]
fn the_environment_names_the_three_topics_and_an_empty_map_of_routes_names_none() {
    let environment = Environment::from([
        ("METADATA_CHANGE_LOG_VERSIONED_TOPIC_NAME", "versioned"),
        ("METADATA_CHANGE_LOG_TIMESERIES_TOPIC_NAME", "timeseries"),
        ("PLATFORM_EVENT_TOPIC_NAME", "platform"),
    ]);
    let config: KafkaSourceConfig = serde_json::from_value(serde_json::json!({"topic_routes": {}})).unwrap();
    for config in [config, KafkaSourceConfig::default()] {
        assert_eq!(
            resolved(&config, &environment).unwrap().topics,
            [
                ("versioned".to_owned(), Route::ChangeLog),
                ("timeseries".to_owned(), Route::ChangeLog),
                ("platform".to_owned(), Route::PlatformEvent),
            ]
        );
        assert_eq!(resolved(&config, &Environment::default()).unwrap().topics.len(), 3);
    }
}

#[test]
fn what_the_environment_sets_of_ours_is_named_in_one_warning() {
    let environment = Environment::from([
        ("KAFKA_PROPERTIES_ENABLE_AUTO_COMMIT", "true"),
        ("KAFKA_PROPERTIES_ENABLE_AUTO_OFFSET_STORE", "false"),
        ("KAFKA_PROPERTIES_PLUGIN_LIBRARY_PATHS", "canary.so"),
    ]);
    let mut findings = Findings::default();
    let config = KafkaSourceConfig::default();
    let settings = config.resolve("p", &environment, &KeyPath::root(), &mut findings).unwrap();
    assert!(!settings.properties.contains_key("plugin.library.paths"));
    let texts: Vec<String> = findings.into_iter().map(|finding| finding.text).collect();
    assert_eq!(
        texts,
        [
            "KAFKA_PROPERTIES_ENABLE_AUTO_COMMIT, KAFKA_PROPERTIES_PLUGIN_LIBRARY_PATHS: this program decides it, no effect here"
        ]
    );
}

#[test]
fn a_reset_is_refused_where_other_members_could_not_be_seen() {
    let reset = |properties| KafkaSourceConfig { reset_offsets: Some(true), ..properties };
    assert!(resolved(&reset(with_properties([])), &Environment::default()).unwrap().reset_offsets);
    let broker_side = reset(with_properties([("group.protocol", "consumer")]));
    let error = resolved(&broker_side, &Environment::default()).err().unwrap();
    assert!(error.starts_with("reset_offsets: does not go together"), "{error}");
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

#[test]
fn brokers_come_from_the_recipe_then_from_the_environment_by_either_name() {
    let own = [("metadata.broker.list", "list:1")];
    let java = [("bootstrap.servers", "servers:1")];
    let bootstrap = |config: KafkaSourceConfig| KafkaSourceConfig {
        connection: ConnectionConfig { bootstrap: Some("bootstrap:1".to_owned()), ..config.connection },
        ..config
    };
    let variables = [
        ("KAFKA_PROPERTIES_BOOTSTRAP_SERVERS", "property:1"),
        ("KAFKA_PROPERTIES_METADATA_BROKER_LIST", "property:1"),
        ("KAFKA_BOOTSTRAP_SERVER", "variable:1"),
    ];
    let silent = KafkaSourceConfig::default;
    for (config, variables, expected) in [
        (bootstrap(with_properties(java)), &variables[..], "servers:1"),
        (bootstrap(with_properties(own)), &variables[..], "list:1"),
        (bootstrap(silent()), &variables[..], "bootstrap:1"),
        (silent(), &variables[..], "property:1"),
        (silent(), &variables[1..], "property:1"),
        (silent(), &variables[2..], "variable:1"),
        (silent(), &[("KAFKA_BOOTSTRAP_SERVER", "")], "localhost:9092"),
    ] {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = resolved(&config, &variables.collect()).unwrap();
        let brokers: Vec<_> = settings
            .properties
            .iter()
            .filter(|(_, value)| value.ends_with(":1") || value.ends_with("9092"))
            .collect();
        assert_eq!(brokers, [(&"bootstrap.servers".to_owned(), &expected.to_owned())]);
    }
    let error = resolved(&with_properties([own[0], java[0]]), &Environment::default()).err().unwrap();
    assert_eq!(
        error,
        "connection.consumer_config[\"metadata.broker.list\"]: bootstrap.servers means the same; remove one of the two"
    );
}

#[test]
fn the_frameworks_variable_for_the_offset_policy_is_read_only_where_a_recipe_names_it() {
    let environment = Environment::from([("KAFKA_AUTO_OFFSET_POLICY", "earliest")]);
    let settings = resolved(&KafkaSourceConfig::default(), &environment).unwrap();
    assert_eq!(settings.start, StartPosition::Latest);
}

#[test]
fn what_this_program_owns_may_be_said_with_its_own_value() {
    for (property, ours) in [
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "false"),
        ("check.crcs", "true"),
    ] {
        for value in ["true", "false"] {
            let warnings = usize::from(value != ours);
            let mut findings = Findings::default();
            let config = with_properties([(property, value)]);
            let settings =
                config.resolve("p", &Environment::default(), &KeyPath::root(), &mut findings).unwrap();
            assert!(!settings.properties.contains_key(property));
            assert_eq!(findings.into_iter().count(), warnings, "{property}: {value}");
        }
    }
}

#[test]
fn verification_that_is_switched_off_is_warned_about_wherever_that_is_said() {
    let warned = |config: &KafkaSourceConfig, environment: &Environment| {
        let mut findings = Findings::default();
        config.resolve("p", environment, &KeyPath::root(), &mut findings).unwrap();
        findings.into_iter().filter(|finding| finding.text.contains("certificate")).count()
    };
    let ssl = |name, value| with_properties([("security.protocol", "ssl"), (name, value)]);
    let nothing = Environment::default();
    assert_eq!(warned(&ssl("enable.ssl.certificate.verification", "false"), &nothing), 1);
    assert_eq!(warned(&ssl("enable.ssl.certificate.verification", "true"), &nothing), 0);
    assert_eq!(warned(&ssl("ssl.endpoint.identification.algorithm", "none"), &nothing), 1);
    let variable = Environment::from([("KAFKA_PROPERTIES_ENABLE_SSL_CERTIFICATE_VERIFICATION", "false")]);
    assert_eq!(warned(&KafkaSourceConfig::default(), &variable), 1);
}

#[test]
fn a_number_with_a_unit_is_not_taken_for_its_digits() {
    let errors = |config: &KafkaSourceConfig, environment: &Environment| {
        let mut findings = Findings::default();
        let settings = config.resolve("p", environment, &KeyPath::root(), &mut findings);
        (settings.map(|settings| settings.properties), findings.into_iter().count())
    };
    let (settings, found) =
        errors(&with_properties([("max.poll.interval.ms", "5m")]), &Environment::default());
    assert!(settings.is_none() && found == 1);
    let (settings, found) =
        errors(&with_properties([("max.poll.interval.ms", "600000")]), &Environment::default());
    assert!(settings.is_some() && found == 0);
    // The environment may be meant for another client.
    let variable = Environment::from([("KAFKA_PROPERTIES_MAX_POLL_INTERVAL_MS", "5m")]);
    let (settings, found) = errors(&KafkaSourceConfig::default(), &variable);
    assert!(!settings.unwrap().contains_key("max.poll.interval.ms") && found == 1);
}
