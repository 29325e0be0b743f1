//! Secrets that stand in files of their own, and content that recipes want to have in a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use datahub_relay::action::ActionConfig;
use datahub_relay::avro::RegistryAuth;
use datahub_relay::datahub::DatahubAuth;
use datahub_relay::environment::Environment;
use secrecy::ExposeSecret;

use crate::directory::{Directory, with_source};

/// A recipe that gives its secrets by files, beside the files.
fn with_secret_files(recipe: &str) -> Directory {
    Directory::with(&[
        ("recipe.yml", recipe),
        ("password", "p4ssw0rd\n"),
        ("user", "me:s3cr3t\r\n"),
        ("token", "t0k3n"),
        ("empty", "\n"),
    ])
}

#[test]
fn a_secret_key_takes_its_value_from_a_file() {
    let recipe = with_source(
        "    connection:\n      consumer_config: {sasl.password_file: \"${DIR}/password\"}\n      schema_registry_config: {basic.auth.user.info_file: \"${DIR}/user\"}\n",
    ) + "datahub: {server: \"http://gms:8080\", token_file: \"${DIR}/token\"}\n";
    let directory = with_secret_files(&recipe);
    let path = directory.path().display().to_string();
    let mut loaded = directory.load(&Environment::from([("DIR", path.as_str())]));
    assert_eq!(directory.lines(&loaded.problems), Vec::<String>::new());
    let recipe = loaded.recipes.pop().unwrap();
    assert_eq!(recipe.consumer.properties["sasl.password"], "p4ssw0rd");
    let RegistryAuth::Basic { user, password } = recipe.registry.auth else { panic!("basic") };
    assert_eq!((user.as_str(), password.expose_secret()), ("me", "s3cr3t"));
    let DatahubAuth::Token(token) = recipe.datahub.unwrap().auth else { panic!("a token") };
    assert_eq!(token.expose_secret(), "t0k3n");
}

/// Every key of these structs whose value is a secret and text, as (the struct, the key).
fn secret_keys() -> Vec<(&'static str, String)> {
    let structs = [
        ("source", schemars::schema_for!(datahub_relay::kafka::KafkaSourceConfig).to_value()),
        ("datahub", schemars::schema_for!(datahub_relay::datahub::DatahubConfig).to_value()),
        ("webhook", schemars::schema_for!(datahub_relay::action::WebhookConfig).to_value()),
    ];
    let mut found = Vec::new();
    for (name, schema) in structs {
        let mut waiting = vec![&schema];
        while let Some(schema) = waiting.pop() {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let takes_text = property["type"].to_string().contains("string");
                if takes_text && property["x-secret"] == true {
                    found.push((name, key.clone()));
                }
                for listed in property["x-secret-keys"].as_array().into_iter().flatten() {
                    found.push((name, listed.as_str().unwrap().to_owned()));
                }
            }
            waiting.extend(schema["$defs"].as_object().into_iter().flat_map(|structs| structs.values()));
        }
    }
    found
}

#[test]
fn every_secret_key_takes_its_value_from_a_file() {
    let keys = secret_keys();
    let names: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
    for known in
        ["sasl.password", "ssl.key.password", "basic.auth.user.info", "bearer.auth.token", "token", "url"]
    {
        assert!(names.contains(&known), "{known} in {names:?}");
    }
    let secrets = Directory::with(&[("secret", "https://me:p4ssw0rd@host/\n")]);
    for (name, key) in keys {
        let entry = format!("{key}_file: {}", secrets.file("secret").display());
        let registry = ["basic.auth.user.info", "bearer.auth.token"].contains(&&*key);
        let recipe = match name {
            "source" if registry => {
                with_source(&format!("    connection: {{schema_registry_config: {{{entry}}}}}\n"))
            }
            "source" => with_source(&format!("    connection: {{consumer_config: {{{entry}}}}}\n")),
            "datahub" => {
                with_source("    {}\n") + &format!("datahub: {{server: \"http://gms:8080\", {entry}}}\n")
            }
            _ => {
                format!("name: p\nsource: {{type: kafka}}\naction: {{type: webhook, config: {{{entry}}}}}\n")
            }
        };
        let directory = Directory::with(&[("recipe.yml", &recipe)]);
        let problems = directory.lines(&directory.load(&Environment::default()).problems);
        // A key in PEM, say, is something else than this file holds; that is not what is asked here.
        for problem in problems {
            let is_unknown = ["unknown key", "No such configuration property", "is missing"];
            assert!(is_unknown.iter().all(|text| !problem.contains(text)), "{key}_file: {problem}");
            assert!(!problem.contains("p4ssw0rd"), "{problem}");
        }
    }
}

#[test]
fn each_header_takes_its_value_from_a_file() {
    let secrets = Directory::with(&[("secret", "Basic s3cr3t\n")]);
    let headers = format!("{{Authorization_file: {}, X-Team: data}}", secrets.file("secret").display());
    let recipe = format!(
        "name: p\nsource: {{type: kafka}}\naction: {{type: webhook, config: {{url: 'http://h/', headers: {headers}}}}}\ndatahub: {{server: 'http://gms:8080', extra_headers: {headers}}}\n"
    );
    let recipe = crate::directory::recipe(&recipe, &Environment::default());
    let ActionConfig::Webhook(webhook) = recipe.action else { panic!("a webhook") };
    assert_eq!(webhook.headers["authorization"], "Basic s3cr3t");
    let datahub = recipe.datahub.unwrap();
    let headers: Vec<_> =
        datahub.extra_headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(headers, [("Authorization", "Basic s3cr3t"), ("X-Team", "data")]);
}

#[test]
fn a_file_that_cannot_serve_as_a_secret_is_named_with_its_key_and_line() {
    let directory = with_secret_files(&with_source(
        "    connection:\n      consumer_config:\n        sasl.password_file: /does/not/exist\n        ssl.key.password_file: empty\n        sasl.username: me\n        sasl.username_file: /x\n        ssl.keystore.password_file: [x]\n        client.id_file: /x\n      schema_registry_config:\n        bearer.auth.token_file: ${NOTHING:-}\n",
    ));
    let text = fs::read_to_string(directory.file("recipe.yml")).unwrap();
    let text = text.replace("file: empty", &format!("file: {}", directory.file("empty").display()));
    fs::write(directory.file("recipe.yml"), text).unwrap();
    let loaded = directory.load(&Environment::default());
    let at = "source.config.connection";
    assert_eq!(
        directory.lines(&loaded.problems),
        [
            format!(
                "recipe.yml:8:9: {at}.consumer_config[\"sasl.password_file\"]: /does/not/exist cannot be read: No such file or directory (os error 2); check the path and its permissions"
            ),
            format!(
                "recipe.yml:9:9: {at}.consumer_config[\"ssl.key.password_file\"]: empty is empty; write the secret into it, or remove the key"
            ),
            format!(
                "recipe.yml:11:9: {at}.consumer_config[\"sasl.username_file\"]: sasl.username is given too; remove one of the two"
            ),
            format!(
                "recipe.yml:12:9: {at}.consumer_config[\"ssl.keystore.password_file\"]: expected the path of a file, found a list"
            ),
            format!(
                "recipe.yml:13:9: {at}.consumer_config[\"client.id_file\"]: librdkafka does not take it: No such configuration property: \"client.id_file\"; remove it, or see its CONFIGURATION.md for what there is"
            ),
        ]
    );
}

#[test]
fn an_error_about_a_secret_from_a_file_stands_where_the_file_is_named() {
    let directory = with_secret_files("");
    let config = format!(
        "    connection:\n      schema_registry_config:\n        basic.auth.user.info_file: {}\n",
        directory.file("token").display()
    );
    fs::write(directory.file("recipe.yml"), with_source(&config)).unwrap();
    assert_eq!(
        directory.lines(&directory.load(&Environment::default()).problems),
        [
            "recipe.yml:8:9: source.config.connection.schema_registry_config[\"basic.auth.user.info\"]: expected user:password"
        ]
    );
}

#[test]
fn content_becomes_a_private_file_that_is_there_for_as_long_as_the_recipes_are() {
    let recipe = with_source(
        "    connection:\n      consumer_config: {__DATAHUB_TO_FILE_ssl.ca.location: \"${CA}\"}\n",
    ) + "filters: [{type: event_type, config: {filter: {EntityChangeEvent_v1: {event: [{a: {__DATAHUB_TO_FILE_b: deep}}]}}}}]\n";
    let directory = Directory::with(&[("recipe.yml", &recipe)]);
    let temporary = Directory::with(&[]);
    let content = "-----BEGIN CERTIFICATE-----\n…\n";
    let tmpdir = temporary.path().display().to_string();
    let loaded = directory.load(&Environment::from([("CA", content), ("TMPDIR", tmpdir.as_str())]));
    assert_eq!(directory.lines(&loaded.problems), Vec::<String>::new());
    let file = PathBuf::from(&loaded.recipes[0].consumer.properties["ssl.ca.location"]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(file.starts_with(temporary.path()), "{}", file.display());
    assert_eq!(fs::read_to_string(&file).unwrap(), content);
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 2, "one file for each directive");
    drop(loaded);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn private_files_go_where_a_panic_ends_what_needed_them() {
    let config = "    connection: {consumer_config: {__DATAHUB_TO_FILE_ssl.ca.location: a}}\n";
    let directory = Directory::with(&[("recipe.yml", &with_source(config))]);
    let temporary = Directory::with(&[]);
    let tmpdir = temporary.path().display().to_string();
    let there = || fs::read_dir(temporary.path()).unwrap().count();
    let panicked = std::panic::catch_unwind(|| {
        let _loaded = directory.load(&Environment::from([("TMPDIR", tmpdir.as_str())]));
        assert_eq!(there(), 0, "fails, since the file is there");
    });
    assert!(panicked.is_err());
    assert_eq!(there(), 0);
}

#[test]
fn a_directive_that_cannot_be_carried_out_says_why() {
    let recipe = with_source(
        "    connection:\n      consumer_config:\n        ssl.ca.location: /x\n        __DATAHUB_TO_FILE_ssl.ca.location: a\n        __DATAHUB_TO_FILE_ssl.key.location: [a]\n        __DATAHUB_TO_FILE_ssl.certificate.location: ${NOTHING}\n",
    );
    let directory = Directory::with(&[("recipe.yml", &recipe)]);
    let at = "source.config.connection.consumer_config";
    assert_eq!(
        directory.lines(&directory.load(&Environment::default()).problems),
        [
            format!(
                "recipe.yml:8:9: {at}[\"__DATAHUB_TO_FILE_ssl.ca.location\"]: ssl.ca.location is given too; remove one of the two"
            ),
            format!(
                "recipe.yml:10:9: {at}[\"__DATAHUB_TO_FILE_ssl.key.location\"]: expected text, which is written into a file"
            ),
            format!(
                "recipe.yml:11:9: {at}[\"__DATAHUB_TO_FILE_ssl.certificate.location\"]: the variable NOTHING is not set; set it, or write ${{NOTHING:-default}}"
            ),
        ]
    );
    let nowhere = Environment::from([("TMPDIR", "/does/not/exist")]);
    let directory = Directory::with(&[(
        "recipe.yml",
        &with_source("    connection: {consumer_config: {__DATAHUB_TO_FILE_ssl.ca.location: a}}\n"),
    )]);
    let errors = directory.lines(&directory.load(&nowhere).problems);
    assert!(errors[0].contains("no private file can be written: No such file"), "{errors:?}");
    assert!(errors[0].ends_with("TMPDIR names the directory for it"), "{errors:?}");
}
