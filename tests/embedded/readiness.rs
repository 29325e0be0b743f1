//! What `/readyz` says of trouble with Kafka, and that it takes it back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use datahub_relay::embedded::EmbeddedBroker;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::harness::{LetterTopic, Letters as _, Scene, Writer, wait_until};

const SEEN: Duration = Duration::from_secs(60);

#[test]
fn commits_that_fail_again_and_again_are_said_until_one_is_confirmed() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-commits-fail");
    let topic = scene.topic("versioned", 1);
    let recipe =
        scene.recipe().change_logs(&topic).source("commit_retry_count", 2).source("commit_retry_backoff", 1);
    let relay = scene.run_until_ready(&[&recipe]);
    // librdkafka does not try again by itself after this one.
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;
    broker.cluster().request_errors(RDKafkaApiKey::OffsetCommit, &[refusal; 1000]);
    scene.feeder().change_logs(&topic, 1, 50);
    wait_until("readiness to say that commits fail", SEEN, || {
        relay.says_no(&[r#""commits":""#, "commits in a row failed", "InvalidCommitOffsetSize"])
    });
    let mut actions = scene.action_log();
    wait_until("everything to be acted on all the same", SEEN, || actions.read().len() == 50);
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "a restart would not help");

    broker.cluster().clear_request_errors(RDKafkaApiKey::OffsetCommit);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", SEEN, || committed.sum() == Some(50));
    wait_until("readiness to say yes", SEEN, || relay.ready() == Some(true));
    relay.stop();
}

#[test]
fn a_dead_letter_topic_that_may_not_be_written_to_is_said_until_it_may() {
    // What Kafka refuses is the letter, or the id that a producer asks for before its first one, where this user
    // may write to no topic at all.
    for (request, error) in [
        (RDKafkaApiKey::Produce, RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
        (RDKafkaApiKey::InitProducerId, RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED),
    ] {
        let broker = EmbeddedBroker::start(&[]).expect("a broker");
        let scene = Scene::on(&broker, "embedded-letters-refused");
        let (topic, letters) = (scene.topic("versioned", 2), scene.topic("letters", 1));
        let mut feeder = scene.feeder();
        let bad = feeder.raw(&topic, 0, b"bad");
        for partition in [0, 1] {
            feeder.change_log(&topic, partition, Writer::EarlyChangeLog);
        }
        feeder.flush();
        broker.cluster().request_errors(request, &[error; 1000]);
        let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
        let mut relay = scene.run(&[&recipe]);
        wait_until("readiness to say what to grant", SEEN, || {
            let says = format!("allow this client's user WRITE on the topic {letters}");
            relay.says_no(&[r#""dead_letters":""#, "authorization failed", &says])
        });
        let committed = scene.committed(&[(&topic, 2)]);
        wait_until("the other partition to be committed", SEEN, || committed.sum() == Some(1));
        assert_eq!(relay.ended(), None);

        broker.cluster().clear_request_errors(request);
        wait_until("the rest to be committed", SEEN, || committed.sum() == Some(3));
        wait_until("readiness to say yes", SEEN, || relay.ready() == Some(true));
        relay.stop();
        assert_eq!(LetterTopic::new(&broker, &letters).take_new(), Some(vec![bad]), "{request:?}");
        assert!(scene.dead_letters().read().is_empty());
    }
}

#[test]
fn a_dead_letter_directory_that_is_removed_is_made_again_and_said_while_it_cannot_be() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-letters-removed");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    let relay = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
    let committed = scene.committed(&[(&topic, 1)]);
    let directory = scene.dead_letter_directory();
    let rights = || fs::metadata(&directory).map(|found| found.permissions().mode() & 0o777).ok();
    let at_start = rights();
    assert_eq!(at_start, Some(0o700));

    fs::remove_dir_all(&directory).expect("the directory is the test's");
    feeder.raw(&topic, 0, b"bad");
    feeder.flush();
    wait_until("the letter to be stored and committed", SEEN, || committed.sum() == Some(1));
    assert_eq!((rights(), scene.dead_letters().read().len()), (at_start, 1));
    assert!(relay.log().contains("is made again"), "{}", relay.log());

    fs::remove_dir_all(&directory).expect("the directory is the test's");
    fs::write(&directory, "in the way").expect("nothing else stands there");
    feeder.raw(&topic, 0, b"bad");
    feeder.flush();
    wait_until("readiness to say why", SEEN, || {
        relay.says_no(&[r#""dead_letters":""#, "embedded-letters-removed"])
    });
    assert_eq!(committed.sum(), Some(1), "it waits");
    fs::remove_file(&directory).expect("it was put there");
    wait_until("the letter to be stored and committed", SEEN, || committed.sum() == Some(2));
    wait_until("readiness to say yes", SEEN, || relay.ready() == Some(true));
    assert_eq!((rights(), scene.dead_letters().read().len()), (at_start, 1));
    let log = relay.stop_and_tell();
    assert_eq!(log.matches("dead letters can be stored again").count(), 1, "{log}");
}

#[test]
fn while_letters_may_not_be_written_the_log_says_each_reason_once_in_a_while() {
    for (request, error) in [
        (RDKafkaApiKey::Produce, RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
        (RDKafkaApiKey::InitProducerId, RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED),
    ] {
        let broker = EmbeddedBroker::start(&[]).expect("a broker");
        let scene = Scene::on(&broker, "embedded-letters-denied");
        let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
        let mut feeder = scene.feeder();
        feeder.raw(&topic, 0, b"bad");
        feeder.flush();
        broker.cluster().request_errors(request, &[error; 1000]);
        let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
        let relay = scene.run(&[&recipe]);
        let lines = |log: &str| -> Vec<String> {
            // Without the time, and without numbers: what tells one second's line from the next one's.
            let trouble = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
            let text = trouble.filter_map(|line| line.split_once(' ').map(|(_, text)| text));
            text.map(|text| text.chars().filter(|c| !c.is_ascii_digit()).collect()).collect()
        };
        wait_until("readiness to say what to grant", SEEN, || relay.says_no(&["WRITE on the topic"]));
        let (denied, before) = (Instant::now(), lines(&relay.log()).len());
        // Each second or so the letter is tried again.
        wait_until("some seconds to pass", SEEN, || denied.elapsed() > Duration::from_secs(6));
        let mut told = lines(&relay.log());
        assert!(told.len() <= before + 1, "{request:?}: {told:#?}");
        told.sort();
        let all = told.len();
        told.dedup();
        assert_eq!(told.len(), all, "each once: {told:#?}");
        broker.cluster().clear_request_errors(request);
        wait_until("readiness to say yes", SEEN, || relay.ready() == Some(true));
        relay.stop();
    }
}
