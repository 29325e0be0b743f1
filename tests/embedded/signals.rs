//! The second signal: the first one sent twice, or somebody who does not want to wait.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Answer, END, Ended, Relay, Scene, WebhookServer, wait_for, wait_until};

const SEEN: Duration = Duration::from_secs(60);

/// How a process ends that has heard SIGTERM, waits for an action that never ends, and then gets what
/// `second` sends. It leaves no private file.
fn ended(test: &str, drain_seconds: u64, second: impl FnOnce(&Relay)) -> (Ended, String) {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let mut scene = Scene::on(&broker, test);
    let private = scene.directory().join("private");
    fs::create_dir(&private).expect("a directory");
    scene.set_environment("TMPDIR", &private.to_string_lossy());
    let private_files = || fs::read_dir(&private).expect("a directory").count();
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 5);
    let endpoint = WebhookServer::start(|_, _| Answer::Hang);
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .post_to(&endpoint.url())
        .consumer("__DATAHUB_TO_FILE_ssl.ca.location", "kept to itself")
        .option("drain_timeout_seconds", drain_seconds);
    let mut relay = scene.run(&[&recipe]);
    wait_until("the action to be at work", SEEN, || endpoint.requests() > 0);
    relay.signal(Signal::TERM);
    wait_until("the signal to be heard", SEEN, || relay.log().contains("SIGTERM: finishing what runs"));
    assert_eq!(private_files(), 1);
    second(&relay);
    let ended = relay.wait_for_end(END);
    assert_eq!(private_files(), 0, "{ended:?}");
    (ended, relay.log())
}

#[test]
fn the_same_signal_sent_twice_stops_in_order_as_one_does() {
    let (ended, log) = ended("embedded-sent-twice", 3, |relay| relay.signal(Signal::TERM));
    assert_eq!(ended, Ended::Code(0), "{log}");
    assert!(!log.contains("a second signal, "), "{log}");
    assert!(log.contains("5 received, 0 acted on, 0 dropped, 0 dead-lettered, 5 not finished"), "{log}");
}

#[test]
fn the_same_signal_a_second_later_ends_at_once() {
    let (ended, log) = ended("embedded-pressed-again", 25, |relay| {
        // Not a wait for something to happen: the time between the two is what counts.
        sleep(Duration::from_millis(1500));
        relay.signal(Signal::TERM);
    });
    assert_eq!(ended, Ended::Code(128 + 15), "{log}");
}

#[test]
fn another_signal_ends_at_once() {
    let (ended, log) = ended("embedded-another-signal", 25, |relay| relay.signal(Signal::INT));
    assert_eq!(ended, Ended::Code(128 + 2), "{log}");
}

#[test]
fn a_look_that_is_stopped_before_kafka_answers_says_what_it_was_waiting_for() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-look-stopped");
    for arguments in [&["tail", "-c"][..], &["run", "--dry-run", "-c"]] {
        // Takes connections and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("a bound address").to_string();
        let connection =
            serde_json::json!({"bootstrap": address, "schema_registry_url": scene.registry.url()});
        let recipe = scene.recipe().change_logs("nowhere").source("connection", connection);
        let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
        let process = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
            .args(arguments)
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let _asked = wait_until_asked(&silent);
        let output = interrupt(process);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(&format!("stopped while waiting for Kafka at {address}")), "{said}");
    }
}

#[test]
fn a_replay_that_is_stopped_before_kafka_answers_says_so() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-replay-stopped");
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let connection = serde_json::json!({
        "bootstrap": silent.local_addr().expect("a bound address").to_string(),
        "schema_registry_url": scene.registry.url(),
    });
    let recipe = scene
        .recipe()
        .change_logs("nowhere")
        .source("connection", connection)
        .source("dead_letter_topic", "letters");
    let process = Command::new(env!("CARGO_BIN_EXE_datahub-relay"))
        .args(["dead-letters", "replay", "-c"])
        .arg(recipe.write(scene.directory()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let _asked = wait_until_asked(&silent);
    let output = interrupt(process);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped before the first letter; start it again to go on"), "{said}");
}

/// Waits until a process has loaded its recipe and asks the broker that it names; gives the connection, which
/// says nothing for as long as it is kept.
pub(crate) fn wait_until_asked(broker: &TcpListener) -> TcpStream {
    broker.set_nonblocking(true).expect("the listener is ours");
    let (connection, _) = wait_for("the process to ask for a broker", SEEN, || broker.accept().ok());
    connection
}

/// Sends a signal.
pub(crate) fn send(process: &Child, signal: Signal) {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("the system gave this number");
    kill_process(pid, signal).expect("the process is ours and was not waited for");
}

/// Sends SIGINT, and returns what the process has said when it has ended.
fn interrupt(process: Child) -> Output {
    send(&process, Signal::INT);
    process.wait_with_output().expect("it ends by itself, if only for want of Kafka")
}
