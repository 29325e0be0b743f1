//! What dashboards of the Python framework show of this program.

use std::time::Duration;

use datahub_relay::avro::{SchemaId, encode_json, platform_event_json, schemas};
use datahub_relay::embedded::EmbeddedBroker;
use serde_json::json;

use crate::harness::{Scene, WANTED_ASPECT, Writer, wait_until};

const SEEN: Duration = Duration::from_secs(60);

#[test]
fn the_metrics_of_the_python_framework_tell_of_a_run_under_their_own_names_and_labels() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-metrics");
    let (topic, platform) = (scene.topic("versioned", 1), scene.topic("platform", 1));
    let mut feeder = scene.feeder();
    let recipe = scene.recipe().change_logs(&topic).platform_events(&platform).only_aspect(WANTED_ASPECT);
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1), (&platform, 1)]);
    // The scan knows a schema only once a lane has asked for it.
    feeder.change_logs(&topic, 1, 50);
    wait_until("the first to be committed", SEEN, || committed.sum() == Some(50));
    feeder.change_logs(&topic, 1, 200);
    feeder.platform_events(&platform, 1, 10);
    wait_until("all to be committed", SEEN, || committed.sum() == Some(260));

    let name = format!("pipeline_name=\"{}\"", scene.group());
    let of = |metric: &str, label: &str| relay.metric(metric, &[&name, label]);
    wait_until("messages to be counted", SEEN, || {
        of("kafka_messages_total", "error=\"False\"") == Some(260.0)
    });
    assert_eq!(of("kafka_messages_total", "error=\"True\""), Some(0.0));
    let decided = |result: &str| of("kafka_mcl_early_filter_total", &format!("result=\"{result}\""));
    wait_until("change logs to be counted as they were decided", SEEN, || {
        let [passed, rejected] = [decided("passed"), decided("rejected")].map(Option::unwrap_or_default);
        passed > 0.0 && rejected > 0.0 && passed + rejected == 250.0
    });
    assert_eq!(decided("entirely_rejected"), Some(0.0), "platform events are not change logs");
    let label = format!("topic=\"{topic}\"");
    wait_until("the committed offset to be told", SEEN, || of("kafka_offset", &label) == Some(250.0));
    wait_until("no lag to be left", SEEN, || of("kafka_consumer_lag", &label) == Some(0.0));
    relay.stop();
}

#[test]
fn platform_events_of_unknown_names_are_counted_by_their_names_whether_they_were_decoded_or_not() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-unknown-names");
    let topic = scene.topic("platform", 1);
    let mut feeder = scene.feeder();
    let id = SchemaId(Writer::PlatformEvent.id());
    let mut feed = |name: &str| {
        let record = platform_event_json(name, 1, &json!({}));
        let value = encode_json(id, schemas::platform_event(), &record).expect("it fits its schema");
        feeder.keyed(&topic, 0, "key", Some(&value));
        feeder.flush();
    };
    let relay = scene.run(&[&scene.recipe().platform_events(&topic)]);
    let committed = scene.committed(&[(&topic, 1)]);
    let counted = |name: &str| {
        relay.metric("datahub_relay_unknown_platform_events_total", &[&format!("name=\"{name}\"")])
    };
    // The first goes to its lane, since its schema is not known yet; the others are dropped on the scan.
    feed("strangeEvent");
    wait_until("the first to be committed", SEEN, || committed.sum() == Some(1));
    feed("strangeEvent");
    feed("anotherEvent");
    wait_until("all to be committed", SEEN, || committed.sum() == Some(3));
    wait_until("each name to be counted", SEEN, || {
        (counted("strangeEvent"), counted("anotherEvent")) == (Some(2.0), Some(1.0))
    });
    assert!(scene.action_log().read().is_empty() && scene.dead_letters().read().is_empty());
    relay.stop();
}

#[test]
fn a_process_whose_monitoring_is_off_listens_nowhere() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let mut scene = Scene::on(&broker, "embedded-no-monitoring");
    scene.set_environment("DATAHUB_ACTIONS_MONITORING_ENABLED", "False");
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 5);
    let relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the events to be committed", SEEN, || committed.sum() == Some(5));
    assert_eq!(relay.get("/livez"), None);
    relay.stop();
}
