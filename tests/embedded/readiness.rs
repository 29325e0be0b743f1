//! What `/readyz` says of trouble with Kafka, and that it takes it back.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::harness::{Scene, wait_until};

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
