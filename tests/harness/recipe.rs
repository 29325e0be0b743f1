//! Recipes as the tests write them: JSON, which every recipe may be.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A recipe under construction.
#[derive(Debug, Clone)]
pub(crate) struct Recipe(Value);

impl Recipe {
    /// A recipe that reads from `bootstrap` and does nothing with what it reads.
    pub(crate) fn new(name: &str, bootstrap: &str, registry_url: &str) -> Self {
        Self(json!({
            "name": name,
            "source": {
                "type": "kafka",
                "config": {
                    "connection": {
                        "bootstrap": bootstrap,
                        "schema_registry_url": registry_url,
                        "consumer_config": {},
                    },
                    "topic_routes": {},
                    "start_position": "earliest",
                },
            },
            "action": { "type": "noop", "config": {} },
            "options": {},
        }))
    }

    /// Reads change logs from `topic`.
    pub(crate) fn change_logs(self, topic: &str) -> Self {
        self.set("/source/config/topic_routes", "mcl", topic)
    }

    /// Reads timeseries change logs from `topic`.
    pub(crate) fn timeseries(self, topic: &str) -> Self {
        self.set("/source/config/topic_routes", "mcl_timeseries", topic)
    }

    /// Reads platform events from `topic`.
    pub(crate) fn platform_events(self, topic: &str) -> Self {
        self.set("/source/config/topic_routes", "pe", topic)
    }

    /// Makes it a recipe of the Cloud source, which reads from the same Kafka.
    pub(crate) fn of_cloud_source(self) -> Self {
        self.set("/source", "type", "datahub-cloud")
    }

    /// Sets a key of `source.config`; null takes it away.
    pub(crate) fn source(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("/source/config", key, value)
    }

    /// Sets a property of the consumer; null takes it away.
    pub(crate) fn consumer(self, property: &str, value: impl Into<Value>) -> Self {
        self.set("/source/config/connection/consumer_config", property, value)
    }

    /// Lets the brokers assign, with the group protocol of Kafka 4: session and heartbeat are theirs then.
    pub(crate) fn assigned_by_the_brokers(self) -> Self {
        self.consumer("group.protocol", "consumer")
            .consumer("session.timeout.ms", Value::Null)
            .consumer("heartbeat.interval.ms", Value::Null)
    }

    /// Sets a key of `options`.
    pub(crate) fn option(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("/options", key, value)
    }

    /// Sets a key at the top of the recipe.
    pub(crate) fn top(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("", key, value)
    }

    /// Drops change logs of all other aspects than this one.
    pub(crate) fn only_aspect(self, aspect: &str) -> Self {
        let wanted = json!({ "MetadataChangeLogEvent_v1": { "event": [{ "aspectName": aspect }] } });
        self.top("filters", json!([{ "type": "event_type", "config": { "filter": wanted } }]))
    }

    /// Posts each event to `url`.
    pub(crate) fn post_to(self, url: &str) -> Self {
        self.top("action", json!({ "type": "webhook", "config": { "url": url } }))
    }

    /// Sets a key of the action's `config`.
    pub(crate) fn action(self, key: &str, value: impl Into<Value>) -> Self {
        self.set("/action/config", key, value)
    }

    /// Appends each event to the file at `path`.
    pub(crate) fn write_to(self, path: &Path) -> Self {
        self.top("action", json!({ "type": "file", "config": { "path": path } }))
    }

    /// Prints each event.
    pub(crate) fn print(self) -> Self {
        self.top("action", json!({ "type": "hello_world", "config": {} }))
    }

    /// The recipe's name.
    pub(crate) fn name(&self) -> &str {
        self.0["name"].as_str().expect("every recipe has a name")
    }

    /// Writes the recipe to a file of its name in `directory`.
    pub(crate) fn write(&self, directory: &Path) -> PathBuf {
        let path = directory.join(format!("{}.yml", self.name()));
        let text = serde_json::to_string_pretty(&self.0).expect("JSON can be written");
        fs::write(&path, text).expect("the test's directory can be written");
        path
    }

    fn set(mut self, parent: &str, key: &str, value: impl Into<Value>) -> Self {
        let map = self.0.pointer_mut(parent).and_then(Value::as_object_mut).expect("a map of the recipe");
        match value.into() {
            Value::Null => drop(map.remove(key)),
            value => drop(map.insert(key.to_owned(), value)),
        }
        self
    }
}
