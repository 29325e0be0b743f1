//! What the process writes where.

use std::io::Read;
use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use serde_json::Value;

use crate::harness::{Scene, Surroundings, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
fn standard_output_is_what_the_action_prints_and_the_log_goes_to_standard_error_as_the_settings_say() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let mut scene = Scene::on(&broker, "embedded-output");
    scene.set_environment("DATAHUB_RELAY_LOG__FORMAT", "json");
    scene.set_environment("DATAHUB_DEBUG", "true");
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 20);
    let mut relay = scene.run_in(Surroundings::PipedOutput, &scene.recipe().change_logs(&topic).print());
    let mut stdout = relay.take_stdout();
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(20));
    let log = relay.stop_and_tell();

    let mut printed = String::new();
    stdout.read_to_string(&mut printed).expect("what was printed is text");
    let mut events = printed.split("Hello world! Received event:\n");
    assert_eq!(events.next(), Some(""), "nothing stands before the first event");
    let offsets: Vec<Value> = events
        .map(|event| {
            assert!(event.starts_with("{\n    \"event_type\": \"MetadataChangeLogEvent_v1\",\n"), "{event}");
            let event: Value = serde_json::from_str(event).expect("an event is JSON, and nothing follows it");
            event["meta"]["kafka"]["offset"].clone()
        })
        .collect();
    assert_eq!(offsets, (0..20).map(Value::from).collect::<Vec<_>>());

    let levels: Vec<Value> = log
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            line["level"].clone()
        })
        .collect();
    assert!(
        levels.iter().any(|level| level == "INFO") && levels.iter().any(|level| level == "DEBUG"),
        "{log}"
    );
}
