//! What `/livez` says of a partition that stands still, and that it takes it back.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::harness::{Scene, Tally, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// A partition may stand for 30 s. Whether it does is looked at every 5 s, and where its log ends is looked up
/// as often; the rest is for a machine that has other things to do.
const TOLD: Duration = Duration::from_secs(90);

/// The number of the only one.
const BROKER: i32 = 1;

/// How many records of each partition are read before nothing can be read any more.
const READ: i64 = 10;

#[test]
fn a_partition_whose_fetches_all_fail_is_named_by_livez_until_one_succeeds() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let cluster = broker.cluster();
    // So that a replica may be read from without its being looked up.
    cluster.apiversion(RDKafkaApiKey::Fetch, Some(0), Some(10)).expect("a version that it speaks");
    let scene = Scene::on(&broker, "embedded-liveness");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    for partition in [0, 1] {
        feeder.change_logs_to(&topic, partition, READ as usize);
    }
    let recipe = scene.recipe().change_logs(&topic).consumer("isolation.level", "read_uncommitted");
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("it to catch up", ALL_FINISHED, || committed.sum() == Some(2 * READ));

    // Kafka does not say with an error where a log ends. This broker does, unless it is a replica that has not
    // heard of what comes. librdkafka then looks for another leader, and tells nobody.
    cluster.partition_follower(&topic, 1, BROKER).expect("a topic");
    cluster.follower_watermarks(&topic, 1, None, Some(READ)).expect("a topic");
    let not_there = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE;
    // More than are asked for meanwhile, a few a second.
    cluster.request_errors(RDKafkaApiKey::Fetch, &[not_there; 100_000]);
    feeder.change_logs_to(&topic, 1, 5);
    let livez = || relay.get("/livez").expect("an answer");
    let says = format!("{topic}[1] stands at offset {READ} for ");
    wait_until("livez to say which partition stands", TOLD, || {
        let (status, body) = livez();
        assert_eq!(status == 200, !body.contains("stands at"), "{body}");
        status == 503 && body.contains(&says)
    });
    let (_, body) = livez();
    assert!(!body.contains(&format!("{topic}[0]")), "the other one has nothing to read: {body}");
    assert!(relay.says_no(&["stuck", &says]), "{:?}", relay.get("/readyz"));

    cluster.follower_watermarks(&topic, 1, None, None).expect("a topic");
    cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    wait_until("livez to say yes again", ALL_FINISHED, || livez().0 == 200);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(2 * READ + 5));
    wait_until("readiness to say yes again", ALL_FINISHED, || relay.ready() == Some(true));
    relay.stop();
    let tally = Tally::of(&mut scene.action_log(), &mut scene.dead_letters());
    tally.assert_nothing_lost(&feeder.fed());
    tally.assert_nothing_repeated();
}
