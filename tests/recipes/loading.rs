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
    let off = ["false", "\"False\"", "no", "'NO'", "off", "0", "\"0\"", "${OFF}", "${NONE:-false}"];
    for enabled in off {
        let text = format!("name: p\nenabled: {enabled}\nsource: {{type: \"${{NOWHERE}}\"}}\n");
        let directory = Directory::with(&[("recipe.yml", &text)]);
        let loaded = directory.load(&Environment::from([("OFF", "Off")]));
        assert_eq!(loaded.problems, [], "{enabled}");
        assert_eq!(loaded.disabled[0].name.as_deref(), Some("p"), "{enabled}");
    }
    for enabled in ["true", "yes", "\"on\"", "1", "${NONE:-true}", "null"] {
        recipe(&minimal(&format!("enabled: {enabled}\n")), &Environment::default());
    }
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
fn an_empty_property_counts_as_not_given() {
    let text = with_source(
        "    connection:\n      consumer_config:\n        ssl.ca.location: ${NONE:-}\n        fetch.min.bytes: 7\n        check.crcs: true\n",
    );
    let recipe = recipe(&text, &Environment::default());
    assert!(!recipe.consumer.properties.contains_key("ssl.ca.location"));
    assert_eq!(recipe.consumer.properties["fetch.min.bytes"], "7");
    assert_eq!(recipe.consumer.properties["check.crcs"], "true");
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
