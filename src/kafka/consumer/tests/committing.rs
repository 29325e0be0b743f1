//! The committer without its thread, so that each of its turns can be looked at.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::super::commit_loop::CommitLoop;
use super::super::committer::{Command, CommitSettings, Committable};
use super::super::refusals::Refusals;
use super::scene::{Counts, PATIENCE, wait_until};
use crate::delivery::{Budget, CommitMode, PartitionEpoch};
use crate::event::TopicPartition;
use crate::kafka::Reports;
use crate::kafka::client::RelayContext;

const TOPIC: &str = "t";
/// librdkafka does not try again by itself after this one.
const REFUSAL: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;

/// A committer without its thread, that tells after two failures in a row, and who is told.
fn committer(cluster: &MockCluster<'_, DefaultProducerContext>) -> (CommitLoop, Arc<Counts>) {
    cluster.create_topic(TOPIC, 2, 1).unwrap();
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "g");
    let consumer = config.create_with_context(RelayContext::default()).unwrap();
    let counts = Arc::new(Counts::default());
    let settings =
        CommitSettings { mode: CommitMode::Group, attempts: 2, backoff_cap: Duration::from_secs(10) };
    let committer = CommitLoop {
        consumer: Arc::new(consumer),
        settings,
        budget: Arc::new(Budget::new(1)),
        reports: Arc::clone(&counts) as Arc<dyn Reports>,
        inbox: crossbeam_channel::never(),
        rung: Arc::default(),
        hurried: Arc::default(),
        live: Arc::default(),
        failures: 0,
        refusals: Refusals::default(),
        told: false,
    };
    (committer, counts)
}

/// Nor after this one.
const DENIAL: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;

/// Owes the group a commit of its start.
fn assignment(partition: i32) -> Committable {
    let source = TopicPartition { topic: TOPIC.into(), partition };
    Committable { epoch: Arc::new(PartitionEpoch::new(source, 0, None)), metadata: "".into() }
}

fn told(counts: &Counts) -> u64 {
    counts.commits_fail.load(Ordering::Relaxed)
}

/// What the thread does in one turn: a wait, if something failed.
fn turn(committer: &mut CommitLoop, live: &[Committable]) -> Option<Duration> {
    *committer.live.lock().unwrap() = live.to_vec();
    committer.look().unwrap()
}

#[test]
fn commits_that_fail_again_and_again_are_told_until_one_is_confirmed() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    let live = [assignment(0)];
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[REFUSAL; 3]);
    assert!(turn(&mut committer, &live).is_some());
    assert_eq!(told(&counts), 0, "one may fail");
    assert!(turn(&mut committer, &live).is_some());
    assert_eq!(told(&counts), 2);
    assert!(turn(&mut committer, &live).is_some());
    assert_eq!(told(&counts), 2, "told again after two more");
    assert_eq!(turn(&mut committer, &live), None);
    assert_eq!((told(&counts), live[0].epoch.committed_offset()), (0, Some(0)));
}

#[test]
fn an_interval_that_is_over_counts_although_events_never_cease_to_finish() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, _) = committer(&cluster);
    committer.settings.mode = CommitMode::Interval(Duration::from_millis(1));
    let (bells, inbox) = crossbeam_channel::unbounded();
    committer.inbox = inbox;
    let source = TopicPartition { topic: TOPIC.into(), partition: 0 };
    let epoch = Arc::new(PartitionEpoch::new(source, 0, Some(0)));
    *committer.live.lock().unwrap() = vec![Committable { epoch: Arc::clone(&epoch), metadata: "".into() }];
    epoch.received(4);
    // To take so many takes longer than the interval, and there is always one until the last.
    for _ in 0..200_000 {
        bells.send(Command::Look).unwrap();
    }
    bells.send(Command::Stop).unwrap();
    committer.run().unwrap();
    assert_eq!(epoch.committed_offset(), Some(5));
}

#[test]
fn commits_that_failed_are_forgotten_once_nothing_is_left_to_commit() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    let live = [assignment(0)];
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[REFUSAL; 2]);
    turn(&mut committer, &live);
    turn(&mut committer, &live);
    assert_eq!(told(&counts), 2);
    live[0].epoch.close();
    assert_eq!(turn(&mut committer, &live), None);
    assert_eq!(told(&counts), 0, "another member commits it now");
}

#[test]
fn a_partition_that_cannot_be_committed_is_told_although_others_are_and_does_not_slow_them_down() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    // The broker does not know the last: it refuses that one alone.
    let live = [assignment(0), assignment(1), assignment(7)];
    for pass in 1..=6 {
        live[..2].iter().for_each(|one| one.epoch.received(pass));
        let before = counts.commits.load(Ordering::Relaxed);
        assert_eq!(turn(&mut committer, &live), None, "the next turn has to wait for nothing");
        assert!(live[..2].iter().all(|one| one.epoch.committed_offset() == Some(pass + 1)));
        let requests = counts.commits.load(Ordering::Relaxed) - before;
        assert!(pass == 1 || requests == 1, "{requests} requests for those that can be committed");
    }
    let deadline = Instant::now() + PATIENCE;
    while told(&counts) == 0 {
        assert!(Instant::now() < deadline, "it was never told");
        assert_eq!(turn(&mut committer, &live), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(turn(&mut committer, &live), None);
    assert!(told(&counts) > 0, "although there is nothing else to commit");
    live[2].epoch.close();
    assert_eq!(turn(&mut committer, &live), None);
    assert_eq!(told(&counts), 0, "it has gone");
}

#[test]
fn a_refused_commit_is_tried_again_by_itself_whatever_the_interval_until_it_is_taken() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    committer.settings.mode = CommitMode::Interval(Duration::from_secs(3600));
    let (bells, inbox) = crossbeam_channel::unbounded();
    committer.inbox = inbox;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[DENIAL; 1000]);
    let denied = assignment(0);
    *committer.live.lock().unwrap() = vec![denied.clone()];
    bells.send(Command::Look).unwrap();
    let thread = std::thread::spawn(move || committer.run());
    wait_until("it is told", || told(&counts) > 0);
    cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    wait_until("it is committed", || denied.epoch.committed_offset() == Some(0));
    wait_until("that is told", || told(&counts) == 0);
    bells.send(Command::Stop).unwrap();
    thread.join().unwrap().unwrap();
}

#[test]
fn a_last_commit_is_given_up_at_once_where_this_client_has_no_right_to_it() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[DENIAL; 100]);
    assert!(!committer.commit_until(&[assignment(0)], Instant::now() + PATIENCE).unwrap());
    assert_eq!(counts.commits_refused.load(Ordering::Relaxed), 1);
}

#[test]
fn a_last_commit_is_tried_again_for_a_topic_that_a_coordinator_does_not_know_yet() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    // librdkafka itself tries again twice.
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[unknown; 3]);
    assert!(committer.commit_until(&[assignment(0)], Instant::now() + PATIENCE).unwrap());
    assert_eq!(counts.commits_refused.load(Ordering::Relaxed), 1);
}

#[test]
fn a_last_commit_does_not_wait_for_a_topic_that_takes_none() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, _counts) = committer(&cluster);
    let gone = assignment(7);
    let began = Instant::now();
    let last = [gone.clone(), assignment(0)];
    assert!(!committer.commit_until(&last, began + PATIENCE).unwrap(), "not all of it is committed");
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    assert_eq!((gone.epoch.committed_offset(), last[1].epoch.committed_offset()), (None, Some(0)));
    assert!(committer.commit_until(&last[1..], began + PATIENCE).unwrap());
}

#[test]
fn a_last_commit_that_fails_again_and_again_counts_as_one_failure() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[REFUSAL; 4]);
    let last = [assignment(0)];
    assert!(committer.commit_until(&last, Instant::now() + PATIENCE).unwrap());
    assert_eq!((counts.commits_refused.load(Ordering::Relaxed), committer.failures), (4, 1));
}

#[test]
fn with_the_coordinator_away_no_other_partition_is_tried() {
    let cluster = MockCluster::new(1).unwrap();
    let (mut committer, counts) = committer(&cluster);
    let live = [assignment(0), assignment(1)];
    // librdkafka itself tries again twice.
    let away = RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[away; 100]);
    for turns in 1..=3 {
        assert!(turn(&mut committer, &live).is_some());
        assert_eq!(counts.commits_refused.load(Ordering::Relaxed), turns);
    }
    cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    assert_eq!(turn(&mut committer, &live), None);
    assert!(live.iter().all(|one| one.epoch.committed_offset() == Some(0)));
}
