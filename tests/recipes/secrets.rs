//! What came from a variable, or is a secret by its key, is in no text that the program writes.

use datahub_relay::environment::Environment;

use crate::directory::{Directory, with_source};

const CANARY: &str = "c4n4ry-0f-s3cr3ts";

/// Every place of a recipe in which a value can be wrong.
const PLACES: [&str; 14] = [
    "    connection: {bootstrap: \"VALUE:port\"}",
    "    connection: {schema_registry_url: \"VALUE\"}",
    "    connection: {schema_registry_url: \"http://me:VALUE@host:99999/\"}",
    "    connection: {client_timeout_seconds: \"VALUE\"}",
    "    connection: {consumer_config: {security.protocol: \"VALUE\"}}",
    "    connection: {consumer_config: {session.timeout.ms: \"VALUE\"}}",
    "    connection: {consumer_config: {sasl.password: [\"VALUE\"]}}",
    "    connection: {schema_registry_config: {timeout: \"VALUE\"}}",
    "    connection: {schema_registry_config: {basic.auth.user.info: \"VALUE\"}}",
    "    connection: {schema_registry_config: {ssl.ca.location: \"VALUE\"}}",
    "    topic_routes: {mcl: \"^VALUE\"}",
    "    start_position: \"VALUE\"",
    "    async_commit_interval: \"VALUE\"",
    "    async_commit_enabled: \"VALUE\"",
];

fn texts(recipe: &str) -> Vec<String> {
    let environment = Environment::from([("CANARY", CANARY)]);
    let directory = Directory::with(&[("recipe.yml", recipe)]);
    let loaded = directory.load(&environment);
    assert!(!loaded.problems.is_empty(), "meant to be wrong: {recipe}");
    assert!(!loaded.problems[0].text.contains("YAML"), "meant to be wrong further down: {recipe}");
    let debug = format!("{:?} {:?}", loaded.problems, loaded.warnings);
    directory.lines(&loaded.problems).into_iter().chain([debug]).collect()
}

#[test]
fn a_value_from_a_variable_is_in_no_error() {
    for place in PLACES {
        let recipe = with_source(&format!("{}\n", place.replace("VALUE", "${CANARY}")));
        for text in texts(&recipe) {
            assert!(!text.contains(CANARY), "{text}");
        }
    }
    for recipe in [
        "name: ${CANARY}\nsource: {type: \"${CANARY}\"}\naction: {type: \"${CANARY}\"}\n",
        "name: p\nsource: {type: kafka}\naction: {type: webhook, config: {url: \"${CANARY}\", headers: {X: \"${CANARY}\\n\", Y: [\"${CANARY}\"]}, timeout_seconds: \"${CANARY}\", client_key_path: \"${CANARY}\"}}\n",
        "name: p\nsource: {type: kafka}\naction: {type: noop}\noptions: {commit: \"${CANARY}\", failure_mode: \"${CANARY}\"}\n",
    ] {
        for text in texts(recipe) {
            assert!(!text.to_lowercase().contains(CANARY), "{text}");
        }
    }
}

#[test]
fn a_secret_that_is_written_into_the_recipe_is_in_no_error() {
    for place in [
        "    connection: {consumer_config: {sasl.password: [CANARY]}}",
        "    connection: {consumer_config: {ssl.key.password.x: CANARY}}",
        "    connection: {schema_registry_config: {basic.auth.user.info: CANARY}}",
        "    connection: {schema_registry_config: {bearer.auth.token: [CANARY]}}",
        "    connection: {schema_registry_url: \"http://me:CANARY@host:99999/\"}",
    ] {
        for text in texts(&with_source(&format!("{}\n", place.replace("CANARY", CANARY)))) {
            assert!(!text.contains(CANARY), "{text}");
        }
    }
}

#[test]
fn a_recipe_that_is_right_shows_no_secret_either() {
    let text = with_source(
        "    connection:\n      schema_registry_url: \"http://me:${CANARY}@host/\"\n      consumer_config: {sasl.password: \"${CANARY}\"}\n",
    ) + "filter: {event_type: EntityChangeEvent_v1, event: {entityUrn: \"${CANARY}\"}}\n";
    let recipe = crate::directory::recipe(&text, &Environment::from([("CANARY", CANARY)]));
    let shown =
        format!("{:?} {:?} {:?} {:?}", recipe.registry, recipe.filters, recipe.action, recipe.delivery);
    assert!(!shown.contains(CANARY), "{shown}");
    assert_eq!(recipe.consumer.properties["sasl.password"], CANARY);
}

#[test]
fn a_variable_that_is_read_without_being_named_is_in_no_error() {
    let directory = Directory::with(&[("recipe.yml", &with_source("    {}\n"))]);
    let wrong = format!("{CANARY}:port");
    for variable in [
        "KAFKA_BOOTSTRAP_SERVER",
        "KAFKA_PROPERTIES_BOOTSTRAP_SERVERS",
        "KAFKA_PROPERTIES_SECURITY_PROTOCOL",
        "KAFKA_PROPERTIES_AUTO_OFFSET_RESET",
        "KAFKA_PROPERTIES_SASL_JAAS_CONFIG",
        "KAFKA_PROPERTIES_OAUTH_CB",
        "SCHEMA_REGISTRY_URL",
        "KAFKA_SCHEMAREGISTRY_URL",
        "DATAHUB_GMS_BASE_PATH",
        "METADATA_CHANGE_LOG_VERSIONED_TOPIC_NAME",
    ] {
        let loaded = directory.load(&Environment::from([(variable, wrong.as_str())]));
        let shown = format!("{:?} {:?}", loaded.problems, loaded.warnings);
        assert!(shown.contains("text:"), "{variable} is meant to be wrong");
        assert!(!shown.contains(CANARY), "{shown}");
    }
}
