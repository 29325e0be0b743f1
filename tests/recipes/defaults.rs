//! What a recipe means where it is silent: every key that has a default, and no key without a row here.
//!
//! The keys come from the JSON schema, so that a key which is added without a row fails the test.

use std::collections::BTreeSet;
use std::time::Duration;

use datahub_relay::action::ActionConfig;
use datahub_relay::avro::{RegistryAuth, RegistrySettings};
use datahub_relay::delivery::{CommitMode, FailureLimits, FailureMode, OnGap, Ordering, RetrySettings};
use datahub_relay::environment::Environment;
use datahub_relay::event::{MetaDetail, Route};
use datahub_relay::kafka::StartPosition;
use datahub_relay::recipe::{self, Recipe};

use crate::directory::{minimal, recipe};

/// Whether a recipe has the default of a key.
type Has = fn(&Recipe) -> bool;

const SECOND: Duration = Duration::from_secs(1);

const OPTIONS: &[(&str, Has)] = &[
    ("retry_count", |recipe| recipe.delivery.retry == RetrySettings { count: 0, backoff: SECOND }),
    ("retry_backoff_seconds", |recipe| recipe.delivery.retry.backoff == SECOND),
    ("failure_mode", |recipe| recipe.delivery.failure_mode == FailureMode::Continue),
    ("failed_events_dir", |recipe| recipe.delivery.failed_events_dir.ends_with("/tmp/logs/datahub/actions")),
    ("ordering", |recipe| recipe.delivery.ordering == Ordering::Partition),
    ("concurrency", |recipe| recipe.delivery.concurrency.is_none()),
    ("commit", |recipe| recipe.delivery.commit == CommitMode::Group),
    ("max_uncommitted", |recipe| recipe.delivery.max_uncommitted == 10_000),
    ("max_in_flight_bytes", |recipe| recipe.delivery.max_in_flight_bytes == 32 * 1024 * 1024),
    ("on_gap", |recipe| recipe.delivery.on_gap == OnGap::Continue),
    ("max_consecutive_failures", |recipe| recipe.delivery.failure_limits == FailureLimits::default()),
    ("max_failure_ratio", |recipe| recipe.delivery.failure_limits == FailureLimits::default()),
    ("max_replay_rounds", |recipe| recipe.delivery.max_replay_rounds == 3),
    ("meta", |recipe| recipe.meta == MetaDetail::Standard),
    ("drain_timeout_seconds", |recipe| recipe.delivery.drain_timeout == 25 * SECOND),
];

const SOURCE: &[(&str, Has)] = &[
    ("connection", |recipe| recipe.consumer.properties["bootstrap.servers"] == "localhost:9092"),
    ("topic_routes", |recipe| {
        recipe.consumer.topics
            == [
                ("MetadataChangeLog_Versioned_v1".to_owned(), Route::ChangeLog),
                ("MetadataChangeLog_Timeseries_v1".to_owned(), Route::ChangeLog),
                ("PlatformEvent_v1".to_owned(), Route::PlatformEvent),
            ]
    }),
    ("async_commit_enabled", |recipe| recipe.delivery.commit == CommitMode::Group),
    // Of a recipe that turns it on: see the test.
    ("async_commit_interval", |_| true),
    ("commit_retry_count", |recipe| recipe.consumer.commit_attempts == 5),
    ("commit_retry_backoff", |recipe| recipe.consumer.commit_backoff_cap == 10 * SECOND),
    ("enable_mcl_pre_deserialization_filter", |recipe| recipe.scan),
    ("enable_pre_deserialization_filter", |recipe| recipe.scan),
    ("platform_events", |recipe| recipe.consumer.topics[2].1 == Route::PlatformEvent),
    ("dead_letter_topic", |recipe| recipe.consumer.dead_letter_topic.is_none()),
    ("start_position", |recipe| recipe.consumer.start == StartPosition::Latest),
    ("topic", |recipe| recipe.consumer.topics.len() == 3),
    ("topics", |recipe| recipe.consumer.topics.len() == 3),
    ("lookback_days", |recipe| recipe.consumer.start == StartPosition::Latest),
    ("reset_offsets", |recipe| !recipe.consumer.reset_offsets),
    ("kill_after_idle_timeout", |recipe| recipe.consumer.idle_timeout.is_none()),
    // Of a recipe that turns it on: see the test.
    ("idle_timeout_duration_seconds", |_| true),
    ("event_processing_time_max_duration_seconds", |recipe| recipe.delivery.attempt_deadline.is_none()),
    ("infinite_retry", |recipe| recipe.consumer.start_patience == Some(60 * SECOND)),
    ("consumer_id", |recipe| recipe.consumer.group_id == "p"),
];

const CONNECTION: &[(&str, Has)] = &[
    ("bootstrap", |recipe| recipe.consumer.properties["bootstrap.servers"] == "localhost:9092"),
    ("schema_registry_url", |recipe| {
        recipe.registry.urls.iter().map(|url| url.as_str()).eq(["http://localhost:8080/schema-registry/api/"])
    }),
    ("schema_registry_config", |recipe| matches!(recipe.registry.auth, RegistryAuth::None)),
    ("client_timeout_seconds", |recipe| recipe.consumer.request_timeout == 60 * SECOND),
    ("consumer_config", |recipe| {
        recipe.consumer.properties.keys().eq(["bootstrap.servers", "group.id"])
            && recipe.consumer.oauth.is_none()
    }),
];

/// The same of what is said about the registry.
type RegistryHas = fn(&RegistrySettings) -> bool;

const REGISTRY: &[(&str, RegistryHas)] = &[
    ("basic.auth.user.info", |registry| matches!(registry.auth, RegistryAuth::None)),
    ("basic.auth.credentials.source", |registry| matches!(registry.auth, RegistryAuth::None)),
    ("ssl.ca.location", |registry| registry.ca_file.is_none()),
    ("ssl.certificate.location", |registry| registry.certificate_file.is_none()),
    ("ssl.key.location", |registry| registry.key_file.is_none()),
    ("ssl.key.password", |registry| registry.key_password.is_none()),
    ("proxy", |registry| registry.proxy.is_none()),
    ("bearer.auth.token", |registry| matches!(registry.auth, RegistryAuth::None)),
    ("timeout", |registry| registry.timeout == 5 * SECOND),
    // For how long an unknown id is asked for is no key.
    ("max.retries", |registry| registry.patience.unknown_id == 30 * SECOND),
    ("retries.wait.ms", |registry| registry.patience.first_wait == SECOND),
    ("retries.max.wait.ms", |registry| registry.patience.longest_wait == 60 * SECOND),
    ("cache.capacity", |_| true),
    ("cache.latest.ttl.sec", |_| true),
];

/// The keys of one of the schema's structs.
fn keys_of(definition: &str) -> BTreeSet<String> {
    let schema = recipe::schema();
    let definition = schema["$defs"][definition].as_object().expect("a struct of this name");
    let none = serde_json::Map::new();
    let properties = definition.get("properties").and_then(|keys| keys.as_object()).unwrap_or(&none);
    // `KEY_file` stands for KEY.
    let is_file = |key: &str| key.strip_suffix("_file").is_some_and(|key| properties.contains_key(key));
    properties.keys().filter(|key| !is_file(key)).cloned().collect()
}

fn assert_each_key_has_a_row<T>(definition: &str, rows: &[(&str, T)]) {
    let named: BTreeSet<String> = rows.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(named, keys_of(definition), "each key of {definition} has a row in this file");
}

#[test]
fn every_key_of_a_recipe_that_is_silent_has_its_default() {
    let silent = recipe(&minimal(""), &Environment::default());
    for (definition, rows) in
        [("OptionsConfig", OPTIONS), ("KafkaSourceConfig", SOURCE), ("ConnectionConfig", CONNECTION)]
    {
        assert_each_key_has_a_row(definition, rows);
        for (key, has_default) in rows {
            assert!(has_default(&silent), "{definition}: {key}");
        }
    }
    assert_each_key_has_a_row("RegistryConfig", REGISTRY);
    for (key, has_default) in REGISTRY {
        assert!(has_default(&silent.registry), "schema_registry_config: {key}");
    }
}

#[test]
fn a_null_is_silence_too_for_every_key() {
    let nulls = |rows: Vec<&str>, indent: &str| -> String {
        rows.iter().map(|key| format!("{indent}{key}:\n")).collect()
    };
    let names = |rows: &[(&'static str, Has)]| rows.iter().map(|(key, _)| *key).collect::<Vec<_>>();
    let mut source = names(SOURCE);
    source.retain(|key| *key != "connection");
    let mut connection = names(CONNECTION);
    connection.retain(|key| *key != "schema_registry_config");
    let registry = REGISTRY.iter().map(|(key, _)| *key).collect();
    let text = format!(
        "name: p\naction: {{type: noop}}\noptions:\n{}source:\n  type: kafka\n  config:\n{}    connection:\n{}      schema_registry_config:\n{}",
        nulls(names(OPTIONS), "  "),
        nulls(source, "    "),
        nulls(connection, "      "),
        nulls(registry, "        "),
    );
    let recipe = recipe(&text, &Environment::default());
    for (key, has_default) in OPTIONS.iter().chain(SOURCE).chain(CONNECTION) {
        assert!(has_default(&recipe), "{key}");
    }
    assert!(REGISTRY.iter().all(|(_, has_default)| has_default(&recipe.registry)));
}

#[test]
fn what_is_only_used_when_something_is_on_has_its_default_then() {
    let on = |source: &str, options: &str| {
        let text = format!(
            "name: p\naction: {{type: noop}}\nsource: {{type: kafka, config: {{{source}}}}}\noptions: {{{options}}}\n"
        );
        recipe(&text, &Environment::default())
    };
    assert_eq!(on("async_commit_enabled: true", "").delivery.commit, CommitMode::Interval(10 * SECOND));
    assert_eq!(on("kill_after_idle_timeout: true", "").consumer.idle_timeout, Some(30 * SECOND));
    for ordering in ["key", "unordered"] {
        assert_eq!(on("", &format!("ordering: {ordering}")).delivery.concurrency, Some(16), "{ordering}");
    }
}

#[test]
fn every_key_of_an_action_that_is_silent_has_its_default() {
    let keys = |definition| keys_of(definition).into_iter().collect::<Vec<_>>();
    assert_eq!(keys("HelloWorldConfig"), ["to_upper"]);
    assert_eq!(keys("NoopConfig"), [""; 0]);
    assert_eq!(keys("FileConfig"), ["path", "rotate_bytes", "rotate_keep"]);
    let action = |action: &str| {
        let text = format!("name: p\nsource: {{type: kafka}}\naction: {{type: {action}}}\n");
        recipe(&text, &Environment::default()).action
    };
    assert_eq!(action("hello_world"), ActionConfig::HelloWorld { to_upper: false });
    assert_eq!(action("hello_world, config: {to_upper: on}"), ActionConfig::HelloWorld { to_upper: true });
    assert_eq!(action("noop"), ActionConfig::Noop);
    let file = |rotate_bytes, rotate_keep| ActionConfig::File { path: "f".into(), rotate_bytes, rotate_keep };
    assert_eq!(action("file, config: {path: f}"), file(None, None));
    assert_eq!(
        action("file, config: {path: f, rotate_bytes: \"7\", rotate_keep: 2}"),
        file(Some(7), Some(2))
    );
}

#[test]
fn everything_that_is_said_of_the_registry_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, key) = (folder.path().join("pem"), folder.path().join("key"));
    let identity = rcgen::generate_simple_self_signed(["relay".to_owned()]).unwrap();
    std::fs::write(&pem, identity.cert.pem()).unwrap();
    std::fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
    let (pem, key) = (pem.display(), key.display());
    let with = |config: &str| {
        let text = format!(
            "name: p\naction: {{type: noop}}\nsource: {{type: kafka, config: {{connection: {{schema_registry_config: {{{config}}}}}}}}}\n"
        );
        recipe(&text, &Environment::default()).registry
    };
    assert_eq!(with("timeout: 2.5").timeout, Duration::from_millis(2_500));
    assert_eq!(with("timeout: \"3\"").timeout, 3 * SECOND);
    assert!(matches!(with("bearer.auth.token: t").auth, RegistryAuth::Bearer(_)));
    assert!(matches!(with("basic.auth.user.info: 'a:b'").auth, RegistryAuth::Basic { .. }));
    let files = with(&format!(
        "ssl.ca.location: {pem}, ssl.certificate.location: {pem}, ssl.key.location: {key}, ssl.key.password: p"
    ));
    assert!(files.ca_file.is_some() && files.certificate_file.is_some() && files.key_file.is_some());
    assert!(files.key_password.is_some());
    // Upstream recipes have `${…:-}` here.
    let empty = with(
        "basic.auth.user.info: '', bearer.auth.token: '', ssl.ca.location: '', ssl.certificate.location: '', ssl.key.location: '', ssl.key.password: '', proxy: ''",
    );
    assert!(REGISTRY.iter().all(|(_, has_default)| has_default(&empty)));
}

#[test]
fn the_documentation_names_every_key() {
    let documentation = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    let documentation = std::fs::read_to_string(documentation).unwrap();
    for definition in [
        "OptionsConfig",
        "KafkaSourceConfig",
        "ConnectionConfig",
        "RegistryConfig",
        "TopicRoutes",
        "DatahubConfig",
        "HelloWorldConfig",
        "FileConfig",
        "WebhookConfig",
        "ProjectConfig",
        "EnrichConfig",
        "FilterTransformConfig",
    ] {
        for key in keys_of(definition) {
            let is_named = [format!("`{key}`"), format!(".{key}`"), format!("{key}:")];
            assert!(is_named.iter().any(|text| documentation.contains(text)), "{definition}: {key}");
        }
    }
}
