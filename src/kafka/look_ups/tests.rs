//! Look-ups against librdkafka's mock cluster.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::{Start, Terms, look_up};
use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, RelayContext, StartError};
use crate::kafka::source::StartPosition;

const TOPIC: &str = "t";
const MANY: &str = "many";
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
    Terms { group: "g", policy: StartPosition::Latest, reset: false, had_commit: &[], at_most }
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

#[test]
fn what_was_committed_and_is_forgotten_makes_a_topic_one_that_was_created_again() {
    let (cluster, consumer) = cluster();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for partition in 0..PARTITIONS {
        producer.send(BaseRecord::<(), str>::to(TOPIC).partition(partition).payload("e")).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    // This process had these partitions with so much committed, and is assigned those.
    let offsets = |had: std::ops::Range<i32>, before: i64, assigned: std::ops::Range<i32>| {
        let had_commit: Vec<_> = sources(had).into_iter().map(|source| (source, before)).collect();
        let terms = Terms { had_commit: &had_commit, ..terms(PATIENCE) };
        let starts = look_up(&consumer, &sources(assigned), terms, &|| false).unwrap();
        starts.iter().map(|start| start.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(0..0, 0, 0..3), [1, 1, 1], "a group that has committed nothing begins at the latest");
    assert_eq!(offsets(0..1, 1, 0..3), [0, 0, 0], "the whole topic is new, also partitions it did not have");
    assert_eq!(offsets(0..1, 1, 1..3), [0, 0], "also if what it had is another member's now");

    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, Offset::Offset(1)).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
    assert_eq!(offsets(0..1, 1, 0..3), [1, 1, 1], "what is committed still is not forgotten");
    assert_eq!(offsets(0..2, 1, 0..3), [1, 0, 0], "another member may have committed since");
    assert_eq!(offsets(0..1, 50, 1..3), [0, 0], "and less than was committed before: commits do not go back");
}

/// Looks at as many partitions as a large topic has. Returns how many questions that took.
fn of_many(policy: StartPosition) -> (Vec<i64>, u32) {
    let (cluster, consumer) = cluster();
    cluster.create_topic(MANY, 250, 1).unwrap();
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    producer.send(BaseRecord::<(), str>::to(MANY).partition(242).payload("e")).unwrap();
    producer.flush(PATIENCE).unwrap();
    let sources: Vec<TopicPartition> =
        (0..250).map(|partition| TopicPartition { topic: MANY.into(), partition }).collect();
    let questions = Cell::new(0);
    let count = || {
        questions.set(questions.get() + 1);
        false
    };
    let terms = Terms { policy, ..terms(PATIENCE) };
    let starts = look_up(&consumer, &sources, terms, &count).unwrap();
    assert!(starts.iter().zip(&sources).all(|(start, source)| start.source == *source));
    (starts.iter().map(|start| start.offset).collect(), questions.get())
}

#[test]
fn the_beginnings_of_many_partitions_take_few_questions_and_a_sign_of_life_before_each() {
    let (offsets, questions) = of_many(StartPosition::Latest);
    assert_eq!(offsets, (0..250).map(|partition| i64::from(partition == 242)).collect::<Vec<_>>());
    assert!((3..=10).contains(&questions), "{questions}");
    let (offsets, questions) = of_many(StartPosition::Earliest);
    assert_eq!(offsets, [0; 250]);
    assert!((3..=10).contains(&questions), "{questions}");
}

#[test]
fn a_stop_is_noticed_while_every_question_is_answered() {
    let (_cluster, consumer) = cluster();
    let questions = Cell::new(0);
    let stopped = || questions.replace(questions.get() + 1) == 2;
    let answer = look_up(&consumer, &sources(0..2), terms(PATIENCE), &stopped);
    assert!(matches!(answer, Err(StartError::Stopped)), "{answer:?}");
    assert_eq!(questions.get(), 3, "it asks no more then");
}

#[test]
fn the_time_is_up_too_while_every_question_is_answered() {
    let (_cluster, consumer) = cluster();
    let slow = || {
        std::thread::sleep(Duration::from_millis(30));
        false
    };
    let answer = look_up(&consumer, &sources(0..2), terms(Duration::from_millis(20)), &slow);
    assert!(matches!(answer, Err(StartError::LookUp { .. })), "{answer:?}");
}
