//! Commits that the broker refuses: each error code is handled as what it means.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::harness::{Observer, Scene, Tally, wait_until};

/// librdkafka itself waits up to ten seconds before it connects again.
const ALL_FINISHED: Duration = Duration::from_secs(90);

#[test]
fn a_commit_that_timed_out_or_came_too_early_is_tried_again() {
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    ] {
        assert!(commits_refused(&[error; 3]) >= 1.0, "{error:?} came to the program");
    }
}

#[test]
fn a_commit_refused_for_a_rebalance_is_made_later_since_the_partition_stayed() {
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
    ] {
        assert!(commits_refused(&[error; 3]) >= 1.0, "{error:?} came to the program");
    }
}

/// librdkafka looks for the coordinator again by itself: the program sees no failed commit.
#[test]
fn a_coordinator_that_moved_or_hung_up_is_looked_for_again() {
    commits_refused(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR; 3]);
    commits_refused(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE; 3]);
    commits_refused(&[RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT]);
}

/// Refuses the next commits with `errors` and checks that nothing is lost by it, that nothing comes
/// twice, and that in the end everything is committed. Returns how many failed commits the program
/// itself saw.
fn commits_refused(errors: &[RDKafkaRespErr]) -> f64 {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, &format!("embedded-commits-{}", errors[0] as i32));
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    let observer = Observer::watch(&scene, &[(&topic, 2)]);
    let mut relay = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
    broker.cluster().request_errors(RDKafkaApiKey::OffsetCommit, errors);
    feeder.change_logs(&topic, 2, 500);

    let committed = scene.committed(&[(&topic, 2)]);
    wait_until(&format!("the commits to go on after {errors:?}"), ALL_FINISHED, || {
        committed.sum() == Some(500)
    });
    assert_eq!(relay.ended(), None, "{errors:?}: {}", relay.log());
    let seen = relay.metric("datahub_relay_commits_total", &["result=\"failed\""]);
    relay.stop();
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::of(&mut actions, &mut letters);
    tally.assert_nothing_lost(&feeder.fed());
    tally.assert_nothing_repeated();
    observer.finish();
    seen.expect("the metric is there from the start")
}
