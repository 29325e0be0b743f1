//! What a user reads when a recipe is wrong: file, line, column, key, what is wrong, what is right.

use datahub_relay::environment::Environment;

use crate::directory::{Directory, errors, errors_with, minimal, warnings, with_source};

#[test]
fn an_unknown_key_suggests_the_nearest_one() {
    assert_eq!(
        errors(&minimal("filtres: []\n")),
        ["recipe.yml:6:1: filtres: unknown key; did you mean \"filters\"?"]
    );
    assert_eq!(
        errors(&with_source("    conection: {}\n    connection:\n      bootstap: a:1\n")),
        [
            "recipe.yml:6:5: source.config.conection: unknown key; did you mean \"connection\"?",
            "recipe.yml:8:7: source.config.connection.bootstap: unknown key; did you mean \"bootstrap\"?",
        ]
    );
}

#[test]
fn an_unknown_key_that_resembles_none_lists_those_there_are() {
    assert_eq!(
        errors("name: p\nsource: {type: kafka}\naction: {type: hello_world, config: {volume: 11}}\n"),
        ["recipe.yml:3:38: action.config.volume: unknown key; known here: to_upper"]
    );
}

#[test]
fn a_missing_key_says_what_it_is_for() {
    assert_eq!(
        errors("source:\n  type: kafka\naction:\n  config: {}\n"),
        [
            "recipe.yml:1:1: name: is missing; add it: the pipeline's name, and its consumer group's",
            "recipe.yml:3:1: action.type: is missing; add it: one of hello_world, noop, file, webhook",
        ]
    );
    assert_eq!(
        errors("name: p\n"),
        [
            "recipe.yml:1:1: source: is missing; add it: where events come from",
            "recipe.yml:1:1: action: is missing; add it: what is done with an event",
        ]
    );
    assert_eq!(errors("# nothing\n"), ["recipe.yml:1:1: is empty; a recipe needs name, source and action"]);
}

#[test]
fn a_wrong_type_says_what_was_expected_and_what_was_found() {
    assert_eq!(
        errors(&minimal(
            "options:\n  retry_count: many\n  concurrency: 0\n  ordering: keys\n  retry_backoff_seconds: -1\n  commit: often\n  failure_mode: explode\n"
        )),
        [
            "recipe.yml:7:3: options.retry_count: expected a whole number, found text \"many\"",
            "recipe.yml:8:3: options.concurrency: expected 1 or more, found 0",
            "recipe.yml:9:3: options.ordering: expected one of partition, key, unordered, found text \"keys\"",
            "recipe.yml:10:3: options.retry_backoff_seconds: expected 0 or more, found -1",
            "recipe.yml:11:3: options.commit: expected group, per_event, or an interval such as 10s (ms, s, m or h; at most 24h), found \"often\"",
            "recipe.yml:12:3: options.failure_mode: expected CONTINUE or THROW, found \"explode\"",
        ]
    );
    assert_eq!(
        errors("name: 2024\nsource: {type: kafka}\naction: {type: noop}\n"),
        ["recipe.yml:1:1: name: expected text, found 2024; put it in quotes"]
    );
    assert_eq!(errors("- a\n- b\n"), ["recipe.yml:1:1: expected a map, found a list"]);
    assert_eq!(
        errors(&minimal("filters: {type: event_type}\nfilter: {event_type: {a: b}}\n")),
        [
            "recipe.yml:6:1: filters: expected a list, found a map",
            "recipe.yml:7:10: filter.event_type: expected text or a list, found a map",
        ]
    );
}

#[test]
fn an_unset_variable_names_itself() {
    let text = with_source(
        "    connection:\n      bootstrap: ${BROKERS}\n      schema_registry_url: ${REGISTRY:?see the runbook}\n",
    );
    assert_eq!(
        errors(&text),
        [
            "recipe.yml:7:7: source.config.connection.bootstrap: the variable BROKERS is not set; set it, or write ${BROKERS:-default}",
            "recipe.yml:8:7: source.config.connection.schema_registry_url: the variable REGISTRY is not set: see the runbook",
        ]
    );
    let set = Environment::from([("BROKERS", "a:1"), ("REGISTRY", "http://r")]);
    assert_eq!(errors_with(&text, &set), Vec::<String>::new());
}

#[test]
fn a_type_that_is_not_there_is_unknown_or_not_supported_yet() {
    let action =
        |kind: &str| errors(&format!("name: p\nsource: {{type: kafka}}\naction: {{type: \"{kind}\"}}\n"));
    assert_eq!(
        action("helloworld"),
        [
            "recipe.yml:3:10: action.type: unknown action type \"helloworld\"; did you mean \"hello_world\"? supported: hello_world, noop, file, webhook"
        ]
    );
    assert_eq!(
        action("executor"),
        [
            "recipe.yml:3:10: action.type: the action type \"executor\" is not supported yet by this version; supported: hello_world, noop, file, webhook"
        ]
    );
    assert_eq!(
        action("my_actions.mine:Mine"),
        [
            "recipe.yml:3:10: action.type: actions written in Python are not supported yet by this version; supported: hello_world, noop, file, webhook"
        ]
    );
    for kind in [
        "slack",
        "teams",
        "kafka",
        "metadata_change_sync",
        "command",
        "tag_propagation",
        "term_propagation",
        "doc_propagation",
        "snowflake_tag_propagation",
    ] {
        let text = format!(
            "the action type \"{kind}\" is not supported yet by this version; supported: hello_world"
        );
        assert!(action(kind)[0].contains(&text), "{:?}", action(kind));
    }
    assert!(action("my_actions.mine.Mine")[0].contains("actions written in Python are not supported yet"));
    let filter = errors(&minimal("filters: [{type: \"my_filters:Mine\"}]\n"));
    assert!(
        filter[0].contains("filters[0].type: filters written in Python are not supported yet"),
        "{filter:?}"
    );
    let source =
        |kind: &str| errors(&format!("name: p\nsource: {{type: \"{kind}\"}}\naction: {{type: noop}}\n"));
    assert!(source("datahub-cloud").is_empty());
    assert!(source("pg_queue")[0].contains("events come from Kafka only"));
    assert!(source("kafak")[0].contains("did you mean \"kafka\"?"));
    assert!(
        errors(&minimal("filters: [{type: other}]\n"))[0].contains("filters[0].type: unknown filter type")
    );
}

#[test]
fn a_bad_port_url_property_or_topic_is_found_without_connecting() {
    assert_eq!(
        errors(&with_source(
            "    connection:\n      bootstrap: kafka:99999\n      schema_registry_url: localhost:8081\n      client_timeout_seconds: 0\n      consumer_config:\n        security.protcol: SSL\n        isolation.level: soon\n        plugin.library.paths: x\n        ssl.key.location: /does/not/exist\n    topic_routes: {mcl: \"^Metadata.*\"}\n    start_position: yesterday\n"
        )),
        [
            "recipe.yml:7:7: source.config.connection.bootstrap: expected a port from 1 to 65535, found \"kafka:99999\"",
            "recipe.yml:8:7: source.config.connection.schema_registry_url: expected a URL that begins with http:// or https://",
            "recipe.yml:9:7: source.config.connection.client_timeout_seconds: expected more than 0, found 0",
            "recipe.yml:11:9: source.config.connection.consumer_config[\"security.protcol\"]: librdkafka does not take it: No such configuration property: \"security.protcol\"; did you mean \"security.protocol\"?",
            "recipe.yml:12:9: source.config.connection.consumer_config[\"isolation.level\"]: librdkafka does not take it: Invalid value \"soon\" for configuration property \"isolation.level\"; its CONFIGURATION.md says which values there are",
            "recipe.yml:13:9: source.config.connection.consumer_config[\"plugin.library.paths\"]: loads native code into this process, which is not allowed; remove the key",
            "recipe.yml:14:9: source.config.connection.consumer_config[\"ssl.key.location\"]: /does/not/exist cannot be read: No such file or directory (os error 2)",
            "recipe.yml:15:20: source.config.topic_routes.mcl: expected a topic's name (letters, digits, `.`, `_`, `-`), found \"^Metadata.*\"",
            "recipe.yml:16:5: source.config.start_position: expected earliest, latest, a time such as 2026-01-31T08:00:00Z, or milliseconds since 1970, found \"yesterday\"",
        ]
    );
}

#[test]
fn an_action_needs_what_it_cannot_do_without() {
    assert_eq!(
        errors("name: p\nsource: {type: kafka}\naction:\n  type: file\n"),
        [
            "recipe.yml:3:1: action.config.path: is missing; add it: the file that events are appended to, one line of JSON each"
        ]
    );
    assert_eq!(
        errors(&minimal("datahub: {token: x}\n")),
        [
            "recipe.yml:6:1: datahub.server: is missing; add it: the URL of DataHub's metadata service, such as `http://localhost:8080`"
        ]
    );
}

#[test]
fn a_file_that_does_not_parse_says_where() {
    let errors = errors("name: p\nsource: {type: kafka\naction: x\n");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("recipe.yml:3:7: is not valid YAML: "), "{errors:?}");
}

#[test]
fn two_recipes_cannot_have_one_name_or_one_dead_letter_file() {
    let named = |name: &str| format!("name: {name}\nsource: {{type: kafka}}\naction: {{type: noop}}\n");
    let (twin, spaced, dotted, sound) = (named("twin"), named("a b"), named("A.b"), named("sound"));
    let directory = Directory::with(&[
        ("1.yml", &twin),
        ("2.yml", &twin),
        ("3.yml", &spaced),
        ("4.yml", &dotted),
        ("5.yml", &sound),
    ]);
    let loaded = directory.load(&Environment::default());
    assert_eq!(
        directory.lines(&loaded.problems),
        [
            "1.yml:1:1: name: 2.yml:1 has the same name; give each recipe its own",
            "2.yml:1:1: name: 1.yml:1 has the same name; give each recipe its own",
            "3.yml:1:1: name: leads to the same dead-letter file as the name in 4.yml:1; rename one, or give it its own options.failed_events_dir",
            "4.yml:1:1: name: leads to the same dead-letter file as the name in 3.yml:1; rename one, or give it its own options.failed_events_dir",
        ]
    );
    assert_eq!(loaded.recipes.iter().map(|recipe| &*recipe.name).collect::<Vec<_>>(), ["sound"]);
}

#[test]
fn two_recipes_cannot_share_a_consumer_group() {
    let grouped = |name: &str| {
        let config = "{connection: {consumer_config: {group.id: shared}}}";
        format!("name: {name}\nsource: {{type: kafka, config: {config}}}\naction: {{type: noop}}\n")
    };
    let directory = Directory::with(&[("1.yml", &grouped("one")), ("2.yml", &grouped("two"))]);
    let loaded = directory.load(&Environment::default());
    assert_eq!(
        directory.lines(&loaded.problems)[0],
        "1.yml:2:63: source.config.connection.consumer_config[\"group.id\"]: reads as the same consumer group as 2.yml:2, so each would see only a part of the events; give each its own group.id"
    );
    assert!(loaded.recipes.is_empty());
}

#[test]
fn a_name_that_another_recipe_with_an_error_has_is_taken() {
    let twin = "name: twin\nsource: {type: kafka}\naction: {type: noop}\n";
    let directory = Directory::with(&[("1.yml", twin), ("2.yml", &format!("{twin}nam: x\n"))]);
    let loaded = directory.load(&Environment::default());
    assert_eq!(
        directory.lines(&loaded.problems),
        [
            "2.yml:4:1: nam: unknown key; did you mean \"name\"?",
            "1.yml:1:1: name: 2.yml:1 has the same name; give each recipe its own",
            "2.yml:1:1: name: 1.yml:1 has the same name; give each recipe its own",
        ]
    );
    assert!(loaded.recipes.is_empty());
}

#[test]
fn a_name_is_text_that_can_name_a_group_and_a_directory() {
    let of =
        |name: &str| errors(&format!("name: \"{name}\"\nsource: {{type: kafka}}\naction: {{type: noop}}\n"));
    for (name, text) in [
        ("  ", "is blank; give the pipeline a name"),
        ("a\\0b", "holds a control character"),
        ("a\\nb", "holds a control character"),
        (&"n".repeat(256), "may have 255 bytes and has 256; shorten it"),
        (&"\u{e4}".repeat(128), "may have 255 bytes and has 256; shorten it"),
    ] {
        let found = of(name);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("recipe.yml:1:1: name: ") && found[0].contains(text), "{found:?}");
    }
    assert_eq!(of(&"n".repeat(255)), [""; 0]);
    assert_eq!(of("Ein Name, mit \u{dc}"), [""; 0]);
}

#[test]
fn an_unknown_key_of_datahub_is_ignored() {
    assert_eq!(warnings(&minimal("datahub: {server: \"http://localhost:8080\", max_threads: 1}\n")), [""; 0]);
}

#[test]
fn what_has_no_effect_is_said_as_a_warning() {
    assert_eq!(
        warnings(
            "name: p\nsource: {type: kafka}\naction:\n  type: file\n  config: {path: x, rotate_keep: 3}\n"
        ),
        ["recipe.yml:5:21: action.config.rotate_keep: has no effect without rotate_bytes"]
    );
    assert_eq!(
        warnings(&minimal("options: {retry_cuont: 3}\n")),
        ["recipe.yml:6:11: options.retry_cuont: has no effect: unknown key; did you mean \"retry_count\"?"]
    );
    assert_eq!(
        warnings(&with_source(
            "    topic_routes: {mcl: a, other: b}\n    connection: {consumer_config: {enable.auto.commit: true}}\n"
        )),
        [
            "recipe.yml:6:28: source.config.topic_routes.other: has no effect: unknown key; known here: mcl, mcl_timeseries, pe, mcp, fmcp, avro",
            "recipe.yml:7:36: source.config.connection.consumer_config[\"enable.auto.commit\"]: has no effect: it is always false here, because offsets are committed once an event is finished",
        ]
    );
    assert_eq!(
        warnings(&minimal("name: q\n")),
        ["recipe.yml:6:1: name: is given twice; the last one counts"]
    );
    assert_eq!(
        warnings(&minimal("filter: {event_type: EntityChangeEvent}\n")),
        [
            "recipe.yml:6:10: filter.event_type: no event has the type \"EntityChangeEvent\", so this matches nothing; types are MetadataChangeLogEvent_v1, EntityChangeEvent_v1, RelationshipChangeEvent_v1"
        ]
    );
}

#[test]
fn a_type_of_event_that_no_topic_carries_warns_with_the_key_that_would_read_it() {
    let filter = |event_type: &str| minimal(&format!("filter: {{event_type: {event_type}}}\n"));
    for (event_type, remedy) in [
        ("PlatformEvent_v1", "set source.config.platform_events to all"),
        ("MetadataChangeProposalEvent_v1", "name its topic under source.config.topic_routes.mcp"),
        ("FailedMetadataChangeProposalEvent_v1", "name its topic under source.config.topic_routes.fmcp"),
    ] {
        let text = format!("no event of this type is read, so this matches nothing; {remedy}");
        assert_eq!(warnings(&filter(event_type)), [format!("recipe.yml:6:10: filter.event_type: {text}")]);
    }
    let routed = with_source("    topic_routes: {avro: {a: Mine}}\n") + "filter: {event_type: Mine}\n";
    assert_eq!(warnings(&routed), Vec::<String>::new());
}

#[test]
fn routes_that_clash_are_errors() {
    let topic_routes = "    topic_routes:\n      mcp: a\n      fmcp: a\n      avro:\n        b: EntityChangeEvent_v1\n        pe v1: Mine\n    platform_events: some\n";
    assert_eq!(
        errors(&with_source(topic_routes)),
        [
            "recipe.yml:8:7: source.config.topic_routes.fmcp: is the topic of proposals too; a topic carries one or the other",
            "recipe.yml:10:9: source.config.topic_routes.avro.b: EntityChangeEvent_v1 is the name of another kind of event; give these events a name of their own",
            "recipe.yml:11:9: source.config.topic_routes.avro.pe v1: expected a topic's name (letters, digits, `.`, `_`, `-`), found \"pe v1\"",
            "recipe.yml:12:5: source.config.platform_events: expected one of known, all, found text \"some\"",
        ]
    );
    assert_eq!(
        warnings(&with_source("    topic_routes: {mcpp: a, mcl: b}\n")),
        [
            "recipe.yml:6:20: source.config.topic_routes.mcpp: has no effect: unknown key; did you mean \"mcp\"?"
        ]
    );
}

#[test]
fn a_transform_that_is_wrong_says_where_and_what_is_right() {
    let transform = "transform:\n  - type: enrihc\n  - type: my.module:Mine\n  - {type: project, config: {keep: [a..b], kepe: [a]}}\n  - {type: enrich, config: {add: {a: null}}}\n  - {type: enrich}\n  - {type: filter, config: {event: {a: 1}, matching: none}}\n  - {type: project, config: {keep: [a], drop: [b]}}\n";
    assert_eq!(
        errors(&minimal(transform)),
        [
            "recipe.yml:7:5: transform[0].type: unknown transform type \"enrihc\"; did you mean \"enrich\"? supported: filter, project, enrich",
            "recipe.yml:7:5: transform[0].config: needs `add` or `set`, a map from paths below `event` to values",
            "recipe.yml:8:5: transform[1].type: transforms written in Python are not supported yet by this version; supported: filter, project, enrich",
            "recipe.yml:9:37: transform[2].config.keep[0]: expected a path below `event`, such as aspect.value.owners; \\. is a dot within a key",
            "recipe.yml:9:44: transform[2].config.kepe: unknown key; did you mean \"keep\"?",
            "recipe.yml:10:35: transform[3].config.add.a: expected a value; a transform of type project takes fields away",
            "recipe.yml:11:5: transform[4].config: needs `add` or `set`, a map from paths below `event` to values",
            "recipe.yml:12:20: transform[5].config.event_type: is missing; add it: the type of event that matches, or a list of types",
            "recipe.yml:12:44: transform[5].config.matching: expected one of keep, drop, found text \"none\"",
            "recipe.yml:13:21: transform[6].config: `keep` and `drop` exclude each other; use two transforms",
        ]
    );
    let other = "transform: [{type: filter, config: {event_type: Mine}}]\n";
    assert!(
        warnings(&minimal(other))[0]
            .contains("transform[0].config.event_type: no event has the type \"Mine\"")
    );
}

#[test]
fn a_constant_of_a_transform_may_come_from_a_variable_and_is_not_shown() {
    let transform = "transform: [{type: enrich, config: {add: {a: \"${CANARY}\"}}}]\n";
    let environment = Environment::from([("CANARY", "canary")]);
    assert_eq!(errors_with(&minimal(transform), &environment), Vec::<String>::new());
    let recipe = crate::directory::recipe(&minimal(transform), &environment);
    assert!(!format!("{:?}", recipe.transforms).contains("canary"));
}
