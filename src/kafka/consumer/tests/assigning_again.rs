//! The polling thread turn by turn: when it assigns a partition again.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer, ConsumerContext};
use rdkafka::types::RDKafkaRespErr;

use super::super::poll_loop::PollLoop;
use super::scene::{Broker, Letters, Made, PATIENCE, Recorder, TOPIC};
use crate::event::TopicPartition;
use crate::kafka::client::RebalanceRequest;

type Loop = PollLoop<Letters, Recorder>;

fn source(partition: i32) -> TopicPartition {
    TopicPartition { topic: TOPIC.into(), partition }
}

/// The number of a partition's assignment, and whether it is to be assigned again.
fn assignment(poll_loop: &Loop, partition: i32) -> Option<(u64, bool)> {
    let slot = poll_loop.slots.iter().find(|slot| *slot.source() == source(partition))?;
    Some((slot.epoch.number(), slot.move_to.is_some()))
}

/// As librdkafka does inside a poll.
fn ask_back(poll_loop: &Loop, partition: i32) {
    let mut list = TopicPartitionList::new();
    list.add_partition(TOPIC, partition);
    let revoke = RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
    poll_loop.consumer.context().rebalance(&poll_loop.consumer, revoke, &mut list);
}

#[test]
fn a_partition_is_assigned_again_only_behind_a_poll_that_found_no_request_of_the_group() {
    let broker = Broker::new();
    let made = Made::at_rest(&broker, "g");
    let lanes = made.lanes();
    let mut poll_loop = PollLoop::new(made.parts, lanes).unwrap();
    let consumer = Arc::clone(&poll_loop.consumer);
    poll_loop.rebalance(RebalanceRequest::Assign(vec![source(0), source(1)])).unwrap();
    let (first, _) = assignment(&poll_loop, 0).unwrap();

    poll_loop.doubts.raise(std::iter::once(source(0)));
    poll_loop.waiting = true;
    let deadline = Instant::now() + PATIENCE;
    while assignment(&poll_loop, 0) == Some((first, false)) {
        assert!(Instant::now() < deadline, "it was never looked at");
        poll_loop.turn(&consumer).unwrap();
    }
    assert_eq!(assignment(&poll_loop, 0), Some((first, true)), "not behind a look, which may take long");

    ask_back(&poll_loop, 1);
    poll_loop.turn(&consumer).unwrap();
    assert_eq!(assignment(&poll_loop, 1), None, "the request was answered");
    assert_eq!(assignment(&poll_loop, 0), Some((first, true)), "not where it could be taken for an answer");

    poll_loop.turn(&consumer).unwrap();
    let (second, waits) = assignment(&poll_loop, 0).unwrap();
    assert!(second != first && !waits);
    ask_back(&poll_loop, 0);
    poll_loop.turn(&consumer).unwrap();
    drop(consumer);
    poll_loop.shut_down(Ok(())).unwrap();
}
