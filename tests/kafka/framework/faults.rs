//! What the framework does not get through: each row of docs/differences.md that says so, shown by the
//! framework itself on the same bytes that this program reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apache_avro::Schema;
use datahub_relay::avro::{SchemaId, encode_json, platform_event_json, schemas};
use serde_json::{Value, json};

use super::process::Framework;
use crate::harness::{CommittedOffsets, Feeder, Relay, Scene, wait_until};
use crate::scene;

/// The framework starts within some seconds, on a machine that has other things to do.
const DONE: Duration = Duration::from_secs(90);
const CHANGE_LOGS: SchemaId = SchemaId(200);
const PLATFORM_EVENTS: SchemaId = SchemaId(201);

/// A topic with three records, the second of which is the one in question, and what becomes of them.
struct Fault {
    name: &'static str,
    /// The row of docs/differences.md that says so: the beginning of its first cell.
    row: &'static str,
    /// The route of the topic: `mcl` or `pe`.
    route: &'static str,
    /// The record's value; `None` is a tombstone.
    record: Option<Vec<u8>>,
    /// What else stands in the recipe.
    recipe: &'static str,
    theirs: Theirs,
    /// Events that our action gets, and dead letters.
    ours: (usize, usize),
}

/// What the framework makes of the three records.
#[derive(Clone, Copy)]
enum Theirs {
    /// The pipeline ends at the second one.
    Ends,
    /// So many reach the action.
    Acts(usize),
}

#[test]
#[ignore = "needs Java, Maven and Python with the DataHub framework: run ./test.sh"]
fn what_ends_the_frameworks_pipeline_or_is_lost_in_it_is_acted_on_here_or_a_dead_letter() {
    let scene = scene("framework-faults");
    scene.registry.put(CHANGE_LOGS.0, newer_change_log());
    scene.registry.put(PLATFORM_EVENTS.0, schemas::PLATFORM_EVENT_JSON);
    let faults = faults();
    let mut feeder = scene.feeder();
    let mut files = Vec::new();
    for fault in &faults {
        let topic = scene.topic(fault.name, 1);
        feed(&mut feeder, &topic, fault);
        files.push(write_recipe(&scene, &topic, fault));
    }
    feeder.flush();

    let directory = |of: &str| scene.directory().join(of);
    let (theirs, ours) = (directory("framework"), directory("relay"));
    let variables = |action: &str, directory: &Path| {
        fs::create_dir_all(directory).expect("the test's directory can be written");
        let run = directory.file_name().expect("a name").to_string_lossy().into_owned();
        let out = directory.to_string_lossy().into_owned();
        [("ACTION", action.to_owned()), ("RUN", run), ("OUT", out)]
    };
    let mut framework = Framework::run(&theirs, &files, &variables("append_events:AppendEvents", &theirs));
    let relay = Relay::run_files(&ours, &files, &variables("file", &ours));
    for fault in &faults {
        let topic = format!("{}-{}", scene.group(), fault.name);
        let finished = |run: &str| {
            let group = format!("{}-{run}-{}", scene.group(), fault.name);
            CommittedOffsets::of(scene.broker, &group, &[(&topic, 1)])
        };
        let committed = finished("relay");
        wait_until(&format!("us to be done with {}", fault.name), DONE, || committed.sum() == Some(3));
        let committed = finished("framework");
        let ended = format!("running pipeline with name {}-framework-{}", scene.group(), fault.name);
        wait_until(&format!("the framework to be done with {}", fault.name), DONE, || match fault.theirs {
            Theirs::Ends => framework.log().contains(&ended),
            Theirs::Acts(_) => committed.sum() == Some(3),
        });
    }
    framework.assert_runs();
    drop(framework);
    relay.stop();

    let mut wrong = BTreeMap::new();
    for fault in &faults {
        let lines = |directory: &Path, file: &str| {
            fs::read_to_string(directory.join(file)).map_or(0, |text| text.lines().count())
        };
        let events = format!("{}.jsonl", fault.name);
        let letters = format!("failed/{}-relay-{}/failed_events.log", scene.group(), fault.name);
        let found = (lines(&theirs, &events), lines(&ours, &events), lines(&ours, &letters));
        let their_events = match fault.theirs {
            Theirs::Ends => 1,
            Theirs::Acts(events) => events,
        };
        let expected = (their_events, fault.ours.0, fault.ours.1);
        if found != expected {
            wrong.insert(fault.name, (found, expected));
        }
    }
    assert!(
        wrong.is_empty(),
        "(the framework's events, ours, our dead letters), expected behind: {wrong:#?}"
    );
    // Of these not only how many there are.
    let second = |directory: &Path, name: &str| {
        let text = fs::read_to_string(directory.join(format!("{name}.jsonl"))).expect("it was counted above");
        let line = text.lines().nth(1).expect("it was counted above");
        serde_json::from_str::<Value>(line).expect("a line is JSON")["event"].take()
    };
    let mut with_a_key_more = second(&theirs, "another-key");
    with_a_key_more["anotherKey"] = json!(1);
    assert_eq!(second(&ours, "another-key"), with_a_key_more);
    assert_eq!(second(&ours, "unknown-change-type")["changeType"], "MERGE");
    assert_eq!(second(&ours, "no-utf-8")["aspect"]["value"], "\u{ff}\"removed\": false}");
    assert_eq!(second(&ours, "audit-header")["auditHeader"]["messageId"], "0123456789abcdef");
    assert_eq!(second(&ours, "no-version").get("version"), None);
}

/// Nothing is allowed to differ that users are not told of, and what they are told of is shown here.
#[test]
fn each_difference_that_is_shown_on_the_framework_has_its_row_and_each_such_row_is_shown() {
    let documentation = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/differences.md");
    let documentation = fs::read_to_string(documentation).expect("the documentation is here");
    let cells = documentation.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let starred: Vec<&str> = cells.filter_map(|cell| cell.strip_suffix(" *")).collect();
    let faults = faults();
    for fault in &faults {
        let rows = starred.iter().filter(|row| row.starts_with(fault.row)).count();
        assert_eq!(rows, 1, "{}: no row with a star begins with: {}", fault.name, fault.row);
    }
    for row in starred {
        assert!(faults.iter().any(|fault| row.starts_with(fault.row)), "nothing shows: {row}");
    }
}

fn faults() -> Vec<Fault> {
    let event =
        |name, row, record, theirs, ours| Fault { name, row, route: "pe", record, recipe: "", theirs, ours };
    let log =
        |name, row, record, theirs, ours| Fault { name, row, route: "mcl", record, recipe: "", theirs, ours };
    let good_log = || Some(change_log(json!({})));
    let mut cut = change_log(json!({}));
    cut.truncate(cut.len() - 3);
    let payload = |changes: Value| Some(platform_event(&entity_change(changes).to_string()));
    // What only Python takes for JSON, as the value of a parameter.
    let parameter = |value: &str| {
        let day = json!("2024-01-31").to_string();
        Some(platform_event(&entity_change(json!({})).to_string().replace(&day, value)))
    };
    let deep = "[".repeat(200) + &"]".repeat(200);
    let byte_order_mark = format!("\u{feff}{}", entity_change(json!({})));
    vec![
        event(
            "no-version",
            "entity change event without `version`",
            payload(json!({"version": null})),
            Theirs::Ends,
            (3, 0),
        ),
        event(
            "no-category",
            "malformed platform event",
            payload(json!({"category": null})),
            Theirs::Ends,
            (2, 1),
        ),
        event(
            "wrong-type",
            "malformed platform event",
            payload(json!({"category": 5})),
            Theirs::Ends,
            (2, 1),
        ),
        event("no-json", "malformed platform event", Some(platform_event("{")), Theirs::Ends, (2, 1)),
        // What the framework hands on here is in part no JSON at all.
        event("not-a-number", "payload with `NaN`", parameter("NaN"), Theirs::Acts(3), (2, 1)),
        event("beyond-a-float", "payload with `NaN`", parameter("1e400"), Theirs::Acts(3), (2, 1)),
        event("half-a-surrogate", "payload with `NaN`", parameter("\"\\ud800\""), Theirs::Acts(3), (2, 1)),
        event("deep", "payload with `NaN`", parameter(&deep), Theirs::Acts(3), (2, 1)),
        event(
            "byte-order-mark",
            "payload with `NaN`",
            Some(platform_event(&byte_order_mark)),
            Theirs::Acts(3),
            (2, 1),
        ),
        event(
            "content-type",
            "payload of another content type",
            Some(of_another_content_type()),
            Theirs::Acts(3),
            (2, 1),
        ),
        event(
            "another-key",
            "keys of a platform event's payload",
            payload(json!({"anotherKey": 1})),
            Theirs::Acts(3),
            (3, 0),
        ),
        log(
            "unknown-change-type",
            "unknown `changeType`",
            Some(change_log(json!({"changeType": "MERGE"}))),
            Theirs::Ends,
            (3, 0),
        ),
        log("no-utf-8", "bytes that are not UTF-8", Some(not_utf8()), Theirs::Ends, (3, 0)),
        log(
            "audit-header",
            "change log with an `auditHeader`",
            Some(change_log(json!({"auditHeader": audit_header()}))),
            Theirs::Ends,
            (3, 0),
        ),
        log("tombstone", "record without a value", None, Theirs::Ends, (2, 0)),
        log("cut", "record that cannot be decoded", Some(cut), Theirs::Acts(2), (2, 1)),
        Fault {
            recipe: "filters: [{type: event_type, config: {filter: {MetadataChangeLogEvent_v1: }}}]",
            ..log(
                "type-without-body",
                "`MetadataChangeLogEvent_v1:` with nothing below it",
                good_log(),
                Theirs::Acts(0),
                (3, 0),
            )
        },
        Fault {
            recipe: "filter: {event_type: MetadataChangeLogEvent_v1, event: {aspect: {value: {removed: no}}}}",
            ..log(
                "aspect-not-a-number",
                "predicate that looks into an aspect",
                Some(change_log(json!({"aspect": {
                    "value": "{\"removed\": false, \"ratio\": NaN}", "contentType": "application/json",
                }}))),
                Theirs::Acts(3),
                (2, 0),
            )
        },
        Fault {
            recipe: "filter: {event_type: EntityChangeEvent_v1, event: {parameters: {day: 2024-01-31}}}",
            ..event("date", "unquoted date", payload(json!({})), Theirs::Acts(0), (3, 0))
        },
        // Read by the routes `mcl` and `mcl_timeseries` both.
        Fault {
            route: "mcl, mcl_timeseries",
            ..log("one-topic-two-routes", "one topic for `mcl`", good_log(), Theirs::Acts(6), (3, 0))
        },
    ]
}

fn feed(feeder: &mut Feeder, topic: &str, fault: &Fault) {
    let good = if fault.route == "pe" {
        platform_event(&entity_change(json!({})).to_string())
    } else {
        change_log(json!({}))
    };
    feeder.keyed(topic, 0, "key", Some(&good));
    feeder.keyed(topic, 0, "key", fault.record.as_deref());
    feeder.keyed(topic, 0, "key", Some(&good));
}

fn write_recipe(scene: &Scene<'_>, topic: &str, fault: &Fault) -> PathBuf {
    let routes: Vec<String> = fault.route.split(", ").map(|route| format!("{route}: {topic}")).collect();
    let text = format!(
        "# Both programs run this file.
name: \"{group}-${{RUN}}-{name}\"
source:
  type: kafka
  config:
    connection:
      bootstrap: {bootstrap}
      schema_registry_url: {registry}/
      consumer_config: {{auto.offset.reset: earliest}}
    topic_routes: {{{routes}}}
    async_commit_interval: 500
{recipe}
action:
  type: ${{ACTION}}
  config: {{path: \"${{OUT}}/{name}.jsonl\"}}
options:
  failed_events_dir: ${{OUT}}/failed
",
        group = scene.group(),
        name = fault.name,
        bootstrap = scene.broker.bootstrap(),
        registry = scene.registry.url(),
        routes = routes.join(", "),
        recipe = fault.recipe,
    );
    let path = scene.directory().join(format!("{}.yml", fault.name));
    fs::write(&path, text).expect("the test's directory can be written");
    path
}

/// An entity change event; a change to null takes a key away.
fn entity_change(changes: Value) -> Value {
    let mut event = json!({
        "entityType": "dataset", "entityUrn": "urn:li:dataset:1", "category": "TAG", "operation": "ADD",
        "parameters": {"day": "2024-01-31"},
        "auditStamp": {"actor": "urn:li:corpuser:a", "time": 1}, "version": 0,
    });
    changed(&mut event, changes);
    event
}

fn changed(event: &mut Value, changes: Value) {
    let event = event.as_object_mut().expect("an object");
    for (key, value) in changes.as_object().expect("an object").clone() {
        match value {
            Value::Null => drop(event.remove(&key)),
            value => drop(event.insert(key, value)),
        }
    }
}

fn of_another_content_type() -> Vec<u8> {
    let mut record = platform_event_json("entityChangeEvent", 1, &entity_change(json!({})));
    record["payload"]["contentType"] = "text/plain".into();
    encode(PLATFORM_EVENTS, schemas::PLATFORM_EVENT_JSON, &record)
}

fn platform_event(payload: &str) -> Vec<u8> {
    let mut record = platform_event_json("entityChangeEvent", 1, &Value::Null);
    record["payload"]["value"] = payload.into();
    encode(PLATFORM_EVENTS, schemas::PLATFORM_EVENT_JSON, &record)
}

fn change_log(changes: Value) -> Vec<u8> {
    let aspect = json!({"value": "{\"removed\": false}", "contentType": "application/json"});
    let mut record = json!({
        "entityType": "dataset", "entityUrn": "urn:li:dataset:1", "changeType": "UPSERT",
        "aspectName": "status", "aspect": aspect,
    });
    changed(&mut record, changes);
    encode(CHANGE_LOGS, &newer_change_log(), &record)
}

fn audit_header() -> Value {
    json!({
        "time": 1, "server": "s", "instance": null, "appName": "a", "messageId": "0123456789abcdef",
        "auditVersion": null, "fabricUrn": null, "clusterConnectionString": null,
    })
}

/// The aspect's first byte is one that no UTF-8 has.
fn not_utf8() -> Vec<u8> {
    let mut record = change_log(json!({}));
    let text = b"{\"removed\"";
    let at = record.windows(text.len()).position(|bytes| bytes == text).expect("the aspect is in it");
    record[at] = 0xff;
    record
}

/// With a change type that is not known yet.
fn newer_change_log() -> String {
    let mut schema: Value = serde_json::from_str(schemas::METADATA_CHANGE_LOG_JSON).expect("our own schema");
    for field in schema["fields"].as_array_mut().expect("a record's fields") {
        if field["name"] == "changeType" {
            field["type"]["symbols"].as_array_mut().expect("an enum's symbols").push("MERGE".into());
        }
    }
    schema.to_string()
}

fn encode(id: SchemaId, schema: &str, record: &Value) -> Vec<u8> {
    let schema = Schema::parse_str(schema).expect("a valid schema");
    encode_json(id, &schema, record).expect("the record fits its schema")
}
