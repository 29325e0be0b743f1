//! Commits that the broker refuses: each error code is handled as what it means.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::harness::{Observer, Scene, Tally, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// Errors after which the same commit is tried again, or is left to the next one.
const PASSING: [RDKafkaRespErr; 7] = [
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
];

#[test]
fn a_refused_commit_loses_nothing_repeats_nothing_and_is_made_up_for() {
    for error in PASSING {
        let broker = EmbeddedBroker::start(&[]).expect("a broker");
        let scene = Scene::on(&broker, "embedded-commit-faults");
        let topic = scene.topic("versioned", 2);
        let mut feeder = scene.feeder();
        let observer = Observer::watch(&scene, &[(&topic, 2)]);
        let mut relay = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
        broker.cluster().request_errors(RDKafkaApiKey::OffsetCommit, &[error; 3]);
        feeder.change_logs(&topic, 2, 500);

        let committed = scene.committed(&[(&topic, 2)]);
        wait_until(&format!("the commits to go on after {error:?}"), ALL_FINISHED, || {
            committed.sum() == Some(500)
        });
        assert_eq!(relay.ended(), None, "{error:?}: {}", relay.log());
        relay.stop();
        let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
        let tally = Tally::of(&mut actions, &mut letters);
        tally.assert_nothing_lost(&feeder.fed());
        tally.assert_nothing_repeated();
        observer.finish();
    }
}
