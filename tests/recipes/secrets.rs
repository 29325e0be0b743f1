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
    "    connection: {consumer_config: {isolation.level: \"VALUE\"}}",
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

/// Every key whose value is a secret, as (the map above it, the key).
const SECRET_KEYS: [(&str, &str); 16] = [
    (CONSUMER, "sasl.username"),
    (CONSUMER, "sasl.password"),
    (CONSUMER, "sasl.oauthbearer.config"),
    (CONSUMER, "sasl.oauthbearer.client.secret"),
    (CONSUMER, "sasl.oauthbearer.assertion.private.key.passphrase"),
    (CONSUMER, "sasl.oauthbearer.assertion.private.key.pem"),
    (CONSUMER, "ssl.ca.pem"),
    (CONSUMER, "ssl.key.password"),
    (CONSUMER, "ssl.key.pem"),
    (CONSUMER, "ssl.keystore.password"),
    (REGISTRY, "basic.auth.user.info"),
    (REGISTRY, "bearer.auth.token"),
    (REGISTRY, "ssl.key.password"),
    (DATAHUB, "token"),
    (DATAHUB, "auth"),
    (DATAHUB, "extra_headers"),
];
const CONSUMER: &str = "consumer_config";
const REGISTRY: &str = "schema_registry_config";
const DATAHUB: &str = "datahub";

/// A recipe with `entry` in one of those maps, and `more` errors so that there is a lot to read.
fn with_entry(map: &str, entry: &str) -> String {
    let (connection, datahub) = match map {
        DATAHUB => (String::new(), format!("server: \"CANARY\", timeout_sec: CANARY, {entry}")),
        map => (format!("{map}: {{{entry}}}"), "server: CANARY, timeout_sec: CANARY".to_owned()),
    };
    let source = format!("    connection: {{{connection}}}\n    start_position: CANARY\n");
    with_source(&source) + &format!("datahub: {{{datahub}}}\noptions: {{commit: CANARY}}\n")
}

#[test]
fn a_secret_is_in_no_text_however_its_key_is_given() {
    let file = Directory::with(&[("secret", &format!("{CANARY}\n"))]);
    let path = file.file("secret").display().to_string();
    for (map, key) in SECRET_KEYS {
        for value in [
            format!("{key}: CANARY"),
            format!("{key}: [CANARY]"),
            format!("{key}: {{x: CANARY}}"),
            format!("{key}_file: {path}"),
            format!("{key}: \"${{CANARY}}\""),
        ] {
            // A map is not taken from a file.
            if value.contains("_file") && ["auth", "extra_headers"].contains(&key) {
                continue;
            }
            let recipe = with_entry(map, &value)
                .replace("CANARY", CANARY)
                .replace(&format!("${{{CANARY}}}"), "${CANARY}");
            for text in texts(&recipe) {
                assert!(!text.contains(CANARY), "{map} {value}: {text}");
            }
        }
    }
}

#[test]
fn what_the_schema_marks_as_a_secret_is_redacted_from_what_fails_later() {
    let (own, url) = ("0wn-s3cr3t-v4lue", "http://me:0wn-s3cr3t-v4lue@host:1/x");
    let source = |map: &str, entry: &str| with_source(&format!("    connection: {{{map}: {{{entry}}}}}\n"));
    let noop = "name: p\nsource: {type: kafka}\naction: {type: noop}\n";
    let webhook = |config: &str| {
        format!("name: p\nsource: {{type: kafka}}\naction: {{type: webhook, config: {{{config}}}}}\n")
    };
    let mut recipes = vec![
        source(REGISTRY, &format!("basic.auth.user.info: \"me:{own}\"")),
        source(REGISTRY, &format!("bearer.auth.token: {own}")),
        source(REGISTRY, &format!("ssl.key.password: {own}")),
        source(REGISTRY, &format!("proxy: \"{url}\"")),
        with_source(&format!("    connection: {{schema_registry_url: \"{url}\"}}\n")),
        format!("{noop}datahub: {{server: \"http://gms\", token: {own}}}\n"),
        format!("{noop}datahub: {{server: \"http://gms\", extra_headers: {{X-Own: {own}}}}}\n"),
        format!(
            "{noop}datahub: {{server: \"http://gms\", auth: {{type: static, config: {{token: {own}}}}}}}\n"
        ),
        webhook(&format!("url: \"{url}\"")),
        webhook(&format!("url: \"http://host\", headers: {{X-Own: {own}}}")),
    ];
    // Of the others librdkafka wants more than a word.
    let properties = ["sasl.password", "sasl.username", "ssl.key.password", "ssl.keystore.password"];
    recipes.extend(properties.map(|property| source(CONSUMER, &format!("{property}: {own}"))));
    for text in recipes {
        let recipe = crate::directory::recipe(&text, &Environment::default());
        let shown = recipe.secrets.redact("something failed with 0wn-s3cr3t-v4lue in it");
        assert_eq!(shown, "something failed with … in it", "{text}");
    }
    let environment = Environment::from([
        ("KAFKA_PROPERTIES_SASL_PASSWORD", own),
        ("KAFKA_PROPERTIES_SASL_OAUTHBEARER_CLIENT_SECRET", "of-the-0auth-client"),
        (
            "KAFKA_PROPERTIES_SASL_JAAS_CONFIG",
            "PlainLoginModule required username=\"me\" password=\"0f-j4va\";",
        ),
    ]);
    let of_environment = crate::directory::recipe(&with_source("    {}\n"), &environment);
    assert_eq!(of_environment.secrets.redact("0wn-s3cr3t-v4lue of-the-0auth-client"), "… …");
}

#[test]
fn every_key_that_takes_a_file_is_among_those_tried() {
    fn secret_keys(schema: &serde_json::Value, found: &mut Vec<String>) {
        if let Some(map) = schema.as_object() {
            for (key, property) in map.get("properties").and_then(|map| map.as_object()).into_iter().flatten()
            {
                if property.get("x-secret").is_some() {
                    found.push(key.clone());
                }
            }
            let listed = map.get("x-secret-keys").and_then(|keys| keys.as_array()).into_iter().flatten();
            found.extend(listed.filter_map(|key| key.as_str().map(str::to_owned)));
            map.values().for_each(|below| secret_keys(below, found));
        }
    }
    let mut found = Vec::new();
    secret_keys(&schemars::schema_for!(datahub_relay::kafka::KafkaSourceConfig).to_value(), &mut found);
    secret_keys(&schemars::schema_for!(datahub_relay::datahub::DatahubConfig).to_value(), &mut found);
    assert!(found.len() > 10, "{found:?}");
    for key in found {
        assert!(SECRET_KEYS.iter().any(|(_, known)| *known == key), "{key} is a secret and not tried");
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
        "METADATA_CHANGE_LOG_VERSIONED_TOPIC_NAME",
    ] {
        let loaded = directory.load(&Environment::from([(variable, wrong.as_str())]));
        let shown = format!("{:?} {:?}", loaded.problems, loaded.warnings);
        assert!(shown.contains("text:"), "{variable} is meant to be wrong");
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[test]
fn where_dead_letters_are_kept_is_no_secret_and_what_else_a_variable_held_is_one() {
    let environment =
        Environment::from([("STORE", "letters-of-tags"), ("PLACE", "/var/lib/letters"), ("CANARY", CANARY)]);
    let source =
        "    dead_letter_topic: ${STORE}\n    connection: {consumer_config: {client.id: \"${CANARY}\"}}\n";
    let recipe = with_source(source) + "options: {failed_events_dir: \"${PLACE}\"}\n";
    let loaded = Directory::with(&[("recipe.yml", &recipe)]).load(&environment);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let text = format!("the topic letters-of-tags and /var/lib/letters, {CANARY}");
    let shown = loaded.recipes[0].secrets.redact(&text).into_owned();
    assert_eq!(shown, "the topic letters-of-tags and /var/lib/letters, …");
}
