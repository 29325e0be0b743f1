//! Look-ups against librdkafka's mock cluster.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::{Start, Terms, look_up};
use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, RelayContext, StartError};
use crate::kafka::source::StartPosition;

const TOPIC: &str = "t";
const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> (Cluster, RelayConsumer) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "g");
    let consumer = config.create_with_context(RelayContext::default()).unwrap();
    (cluster, consumer)
}

fn terms(at_most: Duration) -> Terms<'static> {
    Terms { group: "g", policy: StartPosition::Latest, reset: false, at_most }
}

fn sources(partitions: impl Iterator<Item = i32>) -> Vec<TopicPartition> {
    partitions.map(|partition| TopicPartition { topic: TOPIC.into(), partition }).collect()
}

fn metadata(starts: &[Start]) -> Vec<&str> {
    starts.iter().map(|start| &*start.metadata).collect()
}

#[test]
fn a_topic_that_has_an_error_is_asked_for_again_and_never_taken_for_one_without_partitions() {
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    ];
    for error in errors {
        let (cluster, consumer) = cluster();
        cluster.topic_error(TOPIC, error).unwrap();
        let mended = Instant::now() + Duration::from_millis(300);
        let stopped = || {
            if Instant::now() >= mended {
                cluster.topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
            }
            false
        };
        let starts = look_up(&consumer, &sources(0..2), terms(PATIENCE), &stopped).unwrap();
        assert_eq!(metadata(&starts), ["datahub-relay partitions=3"; 2], "{error:?}");
    }
}

#[test]
fn a_topic_whose_error_lasts_is_no_answer() {
    let (cluster, consumer) = cluster();
    cluster.topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE).unwrap();
    let answer = look_up(&consumer, &sources(0..2), terms(Duration::from_millis(500)), &|| false);
    assert!(matches!(answer, Err(StartError::LookUp { .. })), "{answer:?}");
}

#[test]
fn commits_that_carry_no_partitions_at_all_make_no_partition_an_added_one() {
    let (_cluster, consumer) = cluster();
    let mut list = TopicPartitionList::new();
    let mut element = list.add_partition(TOPIC, 0);
    element.set_offset(Offset::Offset(0)).unwrap();
    element.set_metadata("datahub-relay partitions=0");
    consumer.commit(&list, CommitMode::Sync).unwrap();
    let starts = look_up(&consumer, &sources(0..2), terms(PATIENCE), &|| false).unwrap();
    assert_eq!(metadata(&starts), ["datahub-relay partitions=3"; 2]);
}
