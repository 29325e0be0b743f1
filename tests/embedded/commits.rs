//! Commits that the broker does not take.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::harness::{Scene, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// librdkafka itself tries twice more before it hands this one on.
const TIMED_OUT: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;

#[test]
fn a_commit_that_fails_is_tried_until_it_succeeds_and_told_after_as_many_failures_as_the_recipe_says() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    for (name, retry_count, every) in [("by-default", None, 5), ("told", Some(2), 2)] {
        let scene = Scene::on(&broker, &format!("embedded-commits-{name}"));
        let topic = scene.topic("versioned", 1);
        let recipe = scene.recipe().change_logs(&topic).source("commit_retry_backoff", 0.05);
        let recipe = match retry_count {
            Some(count) => recipe.source("commit_retry_count", count),
            None => recipe,
        };
        let relay = scene.run_until_ready(&[&recipe]);
        broker.cluster().request_errors(RDKafkaApiKey::OffsetCommit, &[TIMED_OUT; 21]);
        scene.feeder().change_logs(&topic, 1, 10);
        let committed = scene.committed(&[(&topic, 1)]);
        wait_until("the commit to succeed at last", ALL_FINISHED, || committed.sum() == Some(10));
        let failed = || relay.metric("datahub_relay_commits_total", &["result=\"failed\""]);
        let failed = failed().expect("it is counted");
        assert!(failed >= 5.0, "librdkafka hid the errors: {failed} came to the program");
        let log = relay.stop_and_tell();
        let told = log.lines().filter(|line| line.contains("cannot commit, trying again")).count();
        assert_eq!(told, failed as usize / every, "{name}: {failed} failures\n{log}");
    }
}
