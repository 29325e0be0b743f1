//! Recipes of the `datahub-cloud` source, as its documentation has them.

use std::time::Duration;

use datahub_relay::environment::Environment;
use datahub_relay::kafka::StartPosition;

use crate::directory::{Directory, errors, recipe, warnings};

/// A recipe with this below `source.config`, which begins in line 5.
fn cloud(config: &str) -> String {
    format!("name: p\naction: {{type: noop}}\nsource:\n  type: datahub-cloud\n  config:\n{config}")
}

#[test]
fn a_recipe_with_every_key_of_the_cloud_source_runs_with_its_meaning() {
    let text = cloud(
        "    topics: [PlatformEvent_v1, MetadataChangeLog_Versioned_v1]\n    consumer_id: mine\n    lookback_days: ${DAYS}\n    reset_offsets: \"true\"\n    infinite_retry: yes\n    kill_after_idle_timeout: true\n    idle_timeout_duration_seconds: 60\n    event_processing_time_max_duration_seconds: 45\n",
    ) + "datahub: {server: 'https://acme.acryl.io', token: secret}\n";
    let directory = Directory::with(&[("recipe.yml", &text)]);
    let mut loaded = directory.load(&Environment::from([("DAYS", "7")]));
    assert_eq!(loaded.problems, []);
    let recipe = loaded.recipes.remove(0);
    let consumer = &recipe.consumer;
    let topics: Vec<&str> = consumer.topics.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["MetadataChangeLog_Versioned_v1", "PlatformEvent_v1"]);
    assert_eq!(consumer.group_id, "p");
    assert_eq!(consumer.start, StartPosition::Lookback(Duration::from_secs(7 * 86_400)));
    assert!(consumer.reset_offsets);
    assert_eq!(consumer.start_patience, None);
    assert_eq!(consumer.idle_timeout, Some(Duration::from_secs(60)));
    assert_eq!(recipe.delivery.attempt_deadline, Some(Duration::from_secs(45)));
    assert_eq!(
        warnings(&text.replace("${DAYS}", "7")),
        [
            "recipe.yml:7:5: source.config.consumer_id: has no effect: the consumer group is the pipeline's name, or group.id of consumer_config"
        ]
    );
}

#[test]
fn a_recipe_that_says_nothing_or_null_has_the_cloud_sources_defaults() {
    let nulls = "    lookback_days: null\n    reset_offsets:\n    infinite_retry: ~\n    kill_after_idle_timeout: null\n    topics: null\n";
    for text in [cloud("    {}\n"), cloud(nulls)] {
        let recipe = recipe(&text, &Environment::default());
        assert_eq!(recipe.consumer.topics.len(), 1);
        assert_eq!(recipe.consumer.topics[0].0, "PlatformEvent_v1");
        assert_eq!(recipe.consumer.start, StartPosition::Latest);
        assert_eq!((recipe.consumer.reset_offsets, recipe.consumer.idle_timeout), (false, None));
        assert_eq!(recipe.delivery.attempt_deadline, Some(Duration::from_secs(60)));
    }
}

#[test]
fn a_value_that_cannot_be_meant_is_an_error_with_its_place() {
    assert_eq!(
        errors(&cloud(
            "    lookback_days: -1\n    idle_timeout_duration_seconds: 0\n    event_processing_time_max_duration_seconds: soon\n    reset_offsets: 2\n    topics: {a: b}\n"
        )),
        [
            "recipe.yml:6:5: source.config.lookback_days: expected 0 or more, found -1",
            "recipe.yml:7:5: source.config.idle_timeout_duration_seconds: expected more than 0, found 0",
            "recipe.yml:8:5: source.config.event_processing_time_max_duration_seconds: expected a number, found text \"soon\"",
            "recipe.yml:9:5: source.config.reset_offsets: expected true or false, found 2",
            "recipe.yml:10:5: source.config.topics: expected text or a list, found a map",
        ]
    );
    assert_eq!(
        errors(&cloud("    lookback_days: a week\n    topic: PlatformEvents\n")),
        [
            "recipe.yml:6:5: source.config.lookback_days: expected a number, found text \"a week\"",
            "recipe.yml:7:5: source.config.topic: expected one of DataHub's topics (MetadataChangeLog_Versioned_v1, MetadataChangeLog_Timeseries_v1, PlatformEvent_v1), by this name or the one that topic_routes or the environment gives it, found \"PlatformEvents\"",
        ]
    );
}
