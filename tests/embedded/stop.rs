//! Signals, and what a process leaves behind.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Answer, END, Ended, Scene, Tally, WebhookServer, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

#[test]
fn after_a_signal_the_next_run_goes_on_without_loss_or_repetition() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-resume");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    let recipe = scene.recipe().change_logs(&topic);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    for signal in [Signal::TERM, Signal::INT] {
        let before = actions.read().len();
        let mut relay = scene.run(&[&recipe]);
        feeder.change_logs_during(&topic, 2, || {
            wait_until("the work to be in full swing", ALL_FINISHED, || actions.read().len() >= before + 200);
            relay.signal(signal);
            assert_eq!(relay.wait_for_end(END), Ended::Code(0), "{}", relay.log());
        });
    }
    feeder.change_logs(&topic, 2, 200);
    let relay = scene.run(&[&recipe]);
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
}

#[test]
fn a_signal_ends_a_process_that_never_reached_its_broker() {
    // A broker that is gone: nobody listens on its port any more.
    let bootstrap = EmbeddedBroker::start(&[]).expect("a broker").bootstrap().to_owned();
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-no-broker");
    let connection = json!({ "bootstrap": bootstrap, "schema_registry_url": scene.registry.url() });
    let recipe = scene.recipe().change_logs("nowhere").source("connection", connection);
    let mut relay = scene.run(&[&recipe]);
    wait_until("the probes to answer", ALL_FINISHED, || relay.ready() == Some(false));
    assert_eq!(relay.ended(), None);
    relay.signal(Signal::TERM);
    assert_eq!(relay.wait_for_end(END), Ended::Code(0), "{}", relay.log());
}

#[test]
fn one_pipeline_that_stops_leaves_the_others_at_work_and_shows_in_the_exit_code() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-throw");
    let (bad_topic, good_topic) = (scene.topic("bad", 1), scene.topic("good", 1));
    let mut feeder = scene.feeder();
    feeder.change_logs(&bad_topic, 1, 5);
    let bad = feeder.raw(&bad_topic, 0, b"bad");
    feeder.change_logs(&bad_topic, 1, 5);
    let throwing = scene.recipe().change_logs(&bad_topic).option("failure_mode", "THROW");
    let other = scene.second_recipe().change_logs(&good_topic);
    let mut relay = scene.run(&[&throwing, &other]);

    let committed = scene.committed(&[(&bad_topic, 1)]);
    wait_until("everything before the bad record to be committed", ALL_FINISHED, || {
        committed.sum() == Some(bad.offset)
    });
    feeder.change_logs(&good_topic, 1, 50);
    let mut actions = scene.second_action_log();
    wait_until("the other pipeline to work on", ALL_FINISHED, || actions.read().len() == 50);
    wait_until("readiness to show the failed one", ALL_FINISHED, || relay.ready() == Some(false));
    relay.signal(Signal::TERM);
    assert_eq!(relay.wait_for_end(END), Ended::Code(1), "{}", relay.log());
    assert_eq!(committed.known_sum(), bad.offset, "the bad one stays uncommitted");
}

#[test]
fn a_stop_says_how_many_finished_events_come_again_because_one_below_them_is_not() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-come-again");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs_to(&topic, 0, 20);
    // The sixth waits for its next attempt until the stop.
    let endpoint =
        WebhookServer::start(|place, _| if place.offset == 5 { Answer::Fail(503) } else { Answer::Confirm });
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .post_to(&endpoint.url())
        .option("ordering", "unordered")
        .option("retry_count", 3)
        .option("retry_backoff_seconds", 60);
    let relay = scene.run(&[&recipe]);
    let mut confirmed = endpoint.deliveries();
    let mut above = 0;
    let mut confirmed_above = || {
        above += confirmed.take_new().iter().filter(|event| event.place.offset > 5).count();
        above
    };
    wait_until("events above it to be finished", ALL_FINISHED, || confirmed_above() >= 10);
    let log = relay.stop_and_tell();
    let line = log.lines().find(|line| line.contains("finished events come again")).unwrap_or_default();
    let (partition, events) = (format!("partition={topic}[0]"), format!("events={}", confirmed_above()));
    assert!(line.contains("WARN") && line.contains(&partition) && line.ends_with(&events), "{log}");
    assert_eq!(scene.committed(&[(&topic, 1)]).known_sum(), 5, "what is below it is committed");
}

#[test]
fn a_stop_that_waits_names_the_event_that_it_waits_for_and_that_it_leaves_behind() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-slow-stop");
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs_to(&topic, 0, 3);
    let endpoint =
        WebhookServer::start(|place, _| if place.offset == 1 { Answer::Hang } else { Answer::Confirm });
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .post_to(&endpoint.url())
        .action("timeout_seconds", 60)
        .option("drain_timeout_seconds", 4);
    let relay = scene.run(&[&recipe]);
    let longest = || relay.metric("datahub_relay_longest_in_action_seconds", &[]);
    wait_until("an event to be seen in its action", ALL_FINISHED, || {
        longest().is_some_and(|seconds| seconds >= 1.0)
    });
    let log = relay.stop_and_tell();
    let line = |words: &str| log.lines().find(|line| line.contains(words)).unwrap_or_default();
    let event = format!("{topic}[0]@1 has been in its action for ");
    let waits = line("waiting for 1 event to finish");
    assert!(waits.contains("INFO") && waits.contains(&event), "{log}");
    let left = line("did not finish within the drain time");
    assert!(left.contains("WARN") && left.contains(&event), "{log}");
    assert_eq!(scene.committed(&[(&topic, 1)]).known_sum(), 1, "it comes again");
}
