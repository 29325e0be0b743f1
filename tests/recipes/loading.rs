//! Which files are recipes, which of them run, and what variables and strings mean in them.

use std::time::Duration;

use datahub_relay::action::ActionConfig;
use datahub_relay::delivery::CommitMode;
use datahub_relay::environment::Environment;
use datahub_relay::kafka::StartPosition;
use datahub_relay::recipe;

use crate::directory::{Directory, errors, minimal, recipe, with_source};

fn named(name: &str) -> String {
    format!("name: {name}\nsource: {{type: kafka}}\naction: {{type: noop}}\n")
}

#[test]
fn a_directory_gives_its_recipes_by_name_without_their_tests() {
    let (a, b) = (named("a"), named("b"));
    let directory = Directory::with(&[
        ("b.yml", &b),
        ("a.yaml", &a),
        (".c.yml", "- anything"),
        ("a_test.yml", "- anything"),
        ("b_test.yaml", "- anything"),
        ("notes.txt", "text"),
    ]);
    let loaded = directory.load(&Environment::default());
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.recipes.iter().map(|recipe| &*recipe.name).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_file_that_is_named_twice_is_one_recipe() {
    let directory = Directory::with(&[("a.yml", &named("a"))]);
    std::os::unix::fs::symlink(directory.file("a.yml"), directory.file("link.yml")).unwrap();
    let paths = [directory.file("a.yml"), directory.path().to_owned(), directory.file("a.yml")];
    let loaded = recipe::load(&paths, &Environment::default());
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.recipes.len(), 1);
}

#[test]
fn a_broken_recipe_does_not_keep_the_others_from_running() {
    let directory = Directory::with(&[("a.yml", "name: [\n"), ("b.yml", &named("b"))]);
    let loaded = directory.load(&Environment::default());
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.recipes.len(), 1);
    let missing = recipe::load(&[directory.file("c.yml"), directory.file("b.yml")], &Environment::default());
    assert!(missing.problems[0].to_string().contains("c.yml: cannot be read"));
    assert_eq!(missing.recipes.len(), 1);
}

#[test]
fn a_recipe_that_is_off_needs_none_of_its_variables() {
    let written = ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "0"];
    // In capitals as YAML has no boolean of, and in quotes, they are text.
    let text = ["fAlSe", "nO", "oFF", "\"False\"", "'NO'", "\"oFf\"", "\"0\"", "' false '"];
    let expanded =
        ["${OFF}", "\"${OFF}\"", "$OFF", "${NONE:-false}", "${NONE:-${OFF}}", "${ZERO}", "${NONE:-No}"];
    for enabled in written.iter().chain(&text).chain(&expanded) {
        let text = format!("name: p\nenabled: {enabled}\nsource: {{type: \"${{NOWHERE}}\"}}\n");
        let directory = Directory::with(&[("recipe.yml", &text)]);
        let loaded = directory.load(&Environment::from([("OFF", "Off"), ("ZERO", "0")]));
        assert_eq!(loaded.problems, [], "{enabled}");
        assert_eq!(loaded.disabled[0].name.as_deref(), Some("p"), "{enabled}");
    }
    for enabled in ["true", "yes", "On", "\"on\"", "1", "\"1\"", "yEs", "${NONE:-true}", "${ON}", "null"] {
        recipe(&minimal(&format!("enabled: {enabled}\n")), &Environment::from([("ON", "YES")]));
    }
    assert_eq!(
        errors(&minimal("enabled: ${NONE}\n")),
        ["recipe.yml:6:1: enabled: the variable NONE is not set; set it, or write ${NONE:-default}"]
    );
    assert_eq!(
        errors(&minimal("enabled: perhaps\n")),
        ["recipe.yml:6:1: enabled: expected true or false, found text \"perhaps\""]
    );
}

#[test]
fn text_from_a_variable_serves_for_a_number_or_a_flag() {
    let text = "name: ${NAME}\nsource:\n  type: kafka\n  config:\n    async_commit_enabled: ${ASYNC}\n    async_commit_interval: \"500\"\n    enable_pre_deserialization_filter: ${SCAN:-off}\n    start_position: ${START}\naction:\n  type: hello_world\n  config:\n    to_upper: ${UPPER:-yes}\noptions:\n  retry_count: ${RETRIES:-3}\n  retry_backoff_seconds: ${BACKOFF:-0.5}\n";
    let environment =
        Environment::from([("NAME", "from environment"), ("ASYNC", "true"), ("START", "1700000000000")]);
    let recipe = recipe(text, &environment);
    assert_eq!(recipe.name, "from environment");
    assert_eq!(recipe.consumer.group_id, "from environment");
    assert_eq!(recipe.consumer.start, StartPosition::Timestamp(1_700_000_000_000));
    assert!(!recipe.scan);
    assert_eq!(recipe.action, ActionConfig::HelloWorld { to_upper: true });
    assert_eq!(recipe.delivery.retry.count, 3);
    assert_eq!(recipe.delivery.commit, CommitMode::Interval(Duration::from_millis(500)));
}

#[test]
fn each_typed_key_takes_text_that_stands_for_its_value() {
    for (text, flag) in [
        ("true", true),
        ("TRUE", true),
        ("yes", true),
        ("on", true),
        ("On", true),
        ("1", true),
        ("false", false),
        ("no", false),
        ("OFF", false),
        ("0", false),
    ] {
        let typed = format!("    reset_offsets: \"{text}\"\n    kill_after_idle_timeout: ${{FLAG}}\n");
        let recipe = recipe(&with_source(&typed), &Environment::from([("FLAG", text)]));
        assert_eq!(
            (recipe.consumer.reset_offsets, recipe.consumer.idle_timeout.is_some()),
            (flag, flag),
            "{text}"
        );
    }
    let numbers = "options:\n  retry_count: \"3\"\n  retry_backoff_seconds: \"0.5\"\n  max_in_flight_bytes: \" 7 \"\n  max_failure_ratio: \"1\"\n";
    let delivery = recipe(&minimal(numbers), &Environment::default()).delivery;
    assert_eq!((delivery.retry.count, delivery.max_in_flight_bytes), (3, 7));
    assert_eq!(delivery.retry.backoff, Duration::from_millis(500));
    assert_eq!(delivery.failure_limits.max_ratio, Some(1.0));
    assert_eq!(
        errors(&minimal("options: {retry_count: \"3 times\", max_replay_rounds: \"2.5\"}\n")),
        [
            "recipe.yml:6:11: options.retry_count: expected a whole number, found text \"3 times\"",
            "recipe.yml:6:35: options.max_replay_rounds: expected a whole number, found text \"2.5\"",
        ]
    );
}

/// What DataHub's charts set for every service, Java's among them.
#[test]
fn the_environment_of_datahubs_charts_keeps_no_recipe_from_starting() {
    let login =
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"me\" password=\"pw\";";
    let environment = Environment::from([
        ("KAFKA_BOOTSTRAP_SERVER", "kafka:9093"),
        ("KAFKA_SCHEMAREGISTRY_URL", "http://gms:8080/schema-registry/api/"),
        ("KAFKA_PROPERTIES_SECURITY_PROTOCOL", "SASL_SSL"),
        ("KAFKA_PROPERTIES_SASL_MECHANISM", "SCRAM-SHA-512"),
        ("KAFKA_PROPERTIES_SASL_JAAS_CONFIG", login),
        ("KAFKA_PROPERTIES_SSL_TRUSTSTORE_LOCATION", "/mnt/certs/truststore.jks"),
        ("KAFKA_PROPERTIES_SSL_TRUSTSTORE_PASSWORD", "canary"),
        ("KAFKA_PROPERTIES_SSL_KEYSTORE_TYPE", "JKS"),
        ("KAFKA_PROPERTIES_SSL_PROTOCOL", "TLS"),
        ("KAFKA_PROPERTIES_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", ""),
        ("KAFKA_PROPERTIES_KAFKASTORE_SECURITY_PROTOCOL", "SSL"),
        ("KAFKA_PROPERTIES_BASIC_AUTH_CREDENTIALS_SOURCE", "USER_INFO"),
        (
            "KAFKA_PROPERTIES_SASL_CLIENT_CALLBACK_HANDLER_CLASS",
            "software.amazon.msk.auth.iam.IAMClientCallbackHandler",
        ),
        ("KAFKA_PROPERTIES_GROUP_ID", "of another service"),
        ("KAFKA_PROPERTIES_MAX_REQUEST_SIZE", "5242880"),
    ]);
    let directory = Directory::with(&[("recipe.yml", &minimal(""))]);
    let loaded = directory.load(&environment);
    assert_eq!(loaded.problems, []);
    let consumer = &loaded.recipes[0].consumer;
    assert_eq!(consumer.group_id, "p");
    for (name, value) in [
        ("bootstrap.servers", "kafka:9093"),
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "me"),
        ("sasl.password", "pw"),
    ] {
        assert_eq!(consumer.properties.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(consumer.properties.len(), 6, "and the group, and nothing else");
    assert_eq!(loaded.recipes[0].registry.urls[0].as_str(), "http://gms:8080/schema-registry/api/");
    let warnings = directory.lines(&loaded.warnings);
    assert_eq!(
        warnings.len(),
        4,
        "trust stores, key stores, the rest, what librdkafka does not know: {warnings:?}"
    );
    assert!(warnings.iter().all(|warning| !warning.contains("canary")), "{warnings:?}");
    let off = environment.with_prefix("").chain([("DATAHUB_ACTIONS_KAFKA_ENV_PROPERTIES_ENABLED", "false")]);
    let off = off.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let loaded = directory.load(&off);
    assert_eq!(loaded.recipes[0].consumer.properties.len(), 2, "brokers and group");
    assert_eq!(loaded.warnings, []);
}

#[test]
fn an_empty_property_counts_as_not_given() {
    let text = with_source(
        "    connection:\n      consumer_config:\n        ssl.ca.location: ${NONE:-}\n        client.rack: ~\n        client.id:\n        fetch.min.bytes: 7\n        socket.keepalive.enable: true\n",
    );
    let recipe = recipe(&text, &Environment::default());
    for name in ["ssl.ca.location", "client.rack", "client.id"] {
        assert!(!recipe.consumer.properties.contains_key(name), "{name}");
    }
    assert_eq!(recipe.consumer.properties["fetch.min.bytes"], "7");
    assert_eq!(recipe.consumer.properties["socket.keepalive.enable"], "true");
}

#[test]
fn a_null_counts_as_not_given() {
    let text = "name: p\nsource: {type: kafka, config: null}\naction: {type: noop, config: }\noptions:\nfilters:\nfilter:\ndatahub:\n";
    recipe(text, &Environment::default());
}

#[test]
fn the_dead_letter_file_is_where_the_framework_puts_it() {
    let recipe = recipe(
        &minimal("options: {failed_events_dir: /var/failed}\n")
            .replace("name: p", "name: My Über.Pipeline-1_x"),
        &Environment::default(),
    );
    let file = recipe.delivery.failed_events_file(&recipe.name);
    assert_eq!(file.to_str(), Some("/var/failed/my_über_pipeline-1_x/failed_events.log"));
}

/// The shape of the recipe that DataHub's own image runs, with another action.
#[test]
fn a_recipe_brought_along_from_the_framework_runs_as_it_is() {
    let text = r#"
name: "ingestion_executor"
enabled: ${DATAHUB_EXECUTOR_ENABLED:-true}
source:
  type: "kafka"
  config:
    connection:
      bootstrap: ${KAFKA_BOOTSTRAP_SERVER:-localhost:9092}
      schema_registry_url: ${SCHEMA_REGISTRY_URL:-http://localhost:8081}
      consumer_config:
        auto.offset.reset: ${KAFKA_AUTO_OFFSET_POLICY:-latest}
        max.poll.interval.ms: ${MAX_POLL_INTERVAL_MS:-10000}
        security.protocol: ${KAFKA_PROPERTIES_SECURITY_PROTOCOL:-PLAINTEXT}
        ssl.ca.location: ${KAFKA_PROPERTIES_SSL_CA_LOCATION:-}
        ssl.key.password: ${KAFKA_PROPERTIES_SSL_KEY_PASSWORD:-}
    topic_routes:
      mcl: ${METADATA_CHANGE_LOG_VERSIONED_TOPIC_NAME:-MetadataChangeLog_Versioned_v1}
      pe: ${PLATFORM_EVENT_TOPIC_NAME:-PlatformEvent_v1}
filter:
  event_type: "MetadataChangeLogEvent_v1"
  event:
    entityType: "dataHubExecutionRequest"
    changeType: "UPSERT"
    aspectName: ["dataHubExecutionRequestInput", "dataHubExecutionRequestSignal"]
    aspect: {value: {executorId: "${EXECUTOR_ID:-default}"}}
action:
  type: "hello_world"
datahub:
  server: "${DATAHUB_GMS_PROTOCOL:-http}://${DATAHUB_GMS_HOST:-localhost}:${DATAHUB_GMS_PORT:-8080}"
  extra_headers:
    Authorization: Basic ${DATAHUB_SYSTEM_CLIENT_ID:-__datahub_system}:${DATAHUB_SYSTEM_CLIENT_SECRET:-x}
  timeout_sec: 10
"#;
    let recipe = recipe(text, &Environment::default());
    assert_eq!(recipe.consumer.start, StartPosition::Latest);
    assert_eq!(recipe.consumer.topics.len(), 2);
    assert_eq!(recipe.consumer.properties["max.poll.interval.ms"], "10000");
}
