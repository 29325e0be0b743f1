//! What `/readyz` and `/livez` say while something is wrong, and that they take it back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::super::registry_watch::RegistryWatch;
use super::super::reports::PipelineReports;
use super::super::tally::Tally;
use super::log_lines;
use crate::avro::{RegistryError, RegistryReports as _, SchemaId};
use crate::event::{Position, TopicPartition};
use crate::kafka::{
    CommitsFail, DrainWaits, Gap, GapCause, RebalanceKind, Reports as _, Unreadable, UnreadableTopic,
};
use crate::redaction::Secrets;
use crate::telemetry::{Condition, HealthBoard, Metrics, PipelineHealth, PipelineState};

/// All that tells about one pipeline, and where it is shown.
struct Told {
    board: HealthBoard,
    health: Arc<PipelineHealth>,
    kafka: PipelineReports,
    registry: RegistryWatch,
}

/// A pipeline that runs and lacks nothing.
fn ready_pipeline() -> Told {
    let board = HealthBoard::new(Duration::from_secs(3600));
    let health = board.pipeline("tags");
    let metrics = Metrics::new().pipeline("tags");
    let kafka = PipelineReports {
        metrics: Arc::clone(&metrics),
        health: Arc::clone(&health),
        tally: Arc::new(Tally::new()),
        brokers: "b:9092".to_owned(),
        slow_told: AtomicBool::default(),
    };
    let registry = RegistryWatch {
        pipeline: "tags".into(),
        metrics,
        health: Arc::clone(&health),
        secrets: Secrets::default(),
    };
    health.holds(Condition::DeadLetters);
    kafka.connected();
    kafka.rebalanced(RebalanceKind::Assigned, 3);
    registry.answers(false);
    Told { board, health, kafka, registry }
}

fn gap() -> Gap {
    let source = TopicPartition { topic: "PlatformEvent_v1".into(), partition: 3 };
    Gap { source, from: 10, to: 40, cause: GapCause::Deleted }
}

fn unreadable(why: Unreadable) -> UnreadableTopic {
    UnreadableTopic { topic: "PlatformEvent_v1".into(), why }
}

fn all_brokers_down() -> KafkaError {
    KafkaError::Global(RDKafkaErrorCode::AllBrokersDown)
}

fn registry_answers_500() -> RegistryError {
    RegistryError::Unavailable {
        id: SchemaId(4),
        url: "http://registry".to_owned(),
        answer: "500 Internal Server Error".to_owned(),
        advice: "",
        retry_after: Duration::ZERO,
    }
}

/// What is wrong: what it is called, how it begins and ends, what is said in the body, and of it all
/// whether the process is still alive.
struct Row {
    begins: fn(&Told),
    ends: fn(&Told),
    says: [&'static str; 2],
    live: bool,
}

const ROWS: [Row; 9] = [
    Row {
        begins: |told| told.kafka.trouble(Some(&all_brokers_down())),
        ends: |told| told.kafka.trouble(None),
        says: [r#""brokers":"none can be reached at b:9092: "#, "AllBrokersDown"],
        live: true,
    },
    Row {
        begins: |told| told.kafka.rebalanced(RebalanceKind::Lost, 0),
        ends: |told| told.kafka.rebalanced(RebalanceKind::Assigned, 3),
        says: [r#""assignment":""#, "joins again"],
        live: true,
    },
    Row {
        begins: |told| told.registry.is_out(&registry_answers_500(), true),
        ends: |told| told.registry.answers(true),
        says: [r#""registry":""#, "500 Internal Server Error"],
        live: true,
    },
    Row {
        begins: |told| told.health.lacks(Condition::DeadLetters, "no space left on device"),
        ends: |told| told.health.holds(Condition::DeadLetters),
        says: [r#""dead_letters":""#, "no space left"],
        live: true,
    },
    Row {
        begins: |told| told.kafka.waits_at(&[&gap()]),
        ends: |told| told.kafka.waits_at(&[]),
        says: [r#""records":"PlatformEvent_v1[3]: offsets 10 to 39 (30 records)"#, "offsets acknowledge"],
        live: true,
    },
    Row {
        begins: |told| {
            let error = &KafkaError::ConsumerCommit(RDKafkaErrorCode::RequestTimedOut);
            told.kafka.commits_fail(Some(CommitsFail { in_a_row: 5, error }));
        },
        ends: |told| told.kafka.commits_fail(None),
        says: [r#""commits":"5 commits in a row failed"#, "RequestTimedOut"],
        live: true,
    },
    Row {
        begins: |told| told.kafka.unreadable(&[unreadable(Unreadable::Denied)]),
        ends: |told| told.kafka.unreadable(&[]),
        says: [r#""topics":"PlatformEvent_v1 may not be read"#, "allow this client's user READ"],
        live: true,
    },
    Row {
        begins: |told| told.kafka.unreadable(&[unreadable(Unreadable::Gone)]),
        ends: |told| told.kafka.unreadable(&[]),
        says: [r#""topics":"PlatformEvent_v1 does not exist any more"#, "once it is created again"],
        live: true,
    },
    Row {
        begins: |told| told.kafka.stalled(Some("PlatformEvent_v1[3] stands at offset 10".to_owned())),
        ends: |told| told.kafka.stalled(None),
        says: [r#""stuck":""#, "stands at offset 10"],
        live: false,
    },
];

#[test]
fn whatever_is_wrong_is_said_for_its_pipeline_until_it_is_over() {
    for row in ROWS {
        let told = ready_pipeline();
        let body = || serde_json::to_string(&told.board.readiness()).unwrap();
        assert!(told.board.readiness().ready, "{}", body());
        (row.begins)(&told);
        assert!(!told.board.readiness().ready, "{}", body());
        assert!(row.says.iter().all(|says| body().contains(says)), "{:?}: {}", row.says, body());
        assert_eq!(told.board.liveness().live, row.live, "{:?}", row.says);
        (row.ends)(&told);
        assert!(told.board.readiness().ready && told.board.liveness().live, "{}", body());
    }
}

#[test]
fn a_recipe_that_is_broken_is_said_under_its_file_and_leaves_the_others_as_they_are() {
    let told = ready_pipeline();
    let broken = told.board.pipeline("recipes/owners.yml");
    broken.enter(PipelineState::Failed { reason: "recipes/owners.yml:3:1: unknown key".to_owned() });
    let readiness = told.board.readiness();
    assert!(!readiness.ready && told.board.liveness().live);
    assert!(readiness.pipelines[0].ready);
    assert_eq!(readiness.pipelines[1].failure.as_deref(), Some("recipes/owners.yml:3:1: unknown key"));
}

#[test]
fn a_gap_that_is_passed_is_a_warning_and_keeps_nothing_from_being_ready() {
    let told = ready_pipeline();
    told.kafka.gap(&gap(), 30);
    let readiness = told.board.readiness();
    assert!(readiness.ready);
    assert!(readiness.pipelines[0].warnings[0].contains("offsets 10 to 39 (30 records) were deleted"));
}

#[test]
fn an_action_that_takes_long_is_logged_once_until_it_is_over() {
    let told = ready_pipeline();
    let log = log_lines::keep();
    let source = TopicPartition { topic: "PlatformEvent_v1".into(), partition: 3 };
    let began = Instant::now().checked_sub(Duration::from_secs(31)).unwrap();
    let stay = told.health.in_action().enter(Position { source, offset: 10 }, began, 1);
    (0..3).for_each(|_| told.kafka.polling());
    let says = log.containing("PlatformEvent_v1[3]@10 has been in its action for 31 s");
    assert!(says.len() == 1 && says[0].contains("WARN"), "{says:?}");
    drop(stay);
    (0..3).for_each(|_| told.kafka.polling());
    assert_eq!(log.containing("no event is in its action for longer than 30 s any more").len(), 1);
}

#[test]
fn a_drain_names_the_oldest_event_of_its_partitions_that_it_waits_for() {
    let told = ready_pipeline();
    let log = log_lines::keep();
    let source = |partition| TopicPartition { topic: "PlatformEvent_v1".into(), partition };
    let _stays = [(2, 90), (3, 31), (3, 5)].map(|(partition, seconds)| {
        let began = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        told.health.in_action().enter(Position { source: source(partition), offset: 10 }, began, 1)
    });
    let partitions = [source(3)];
    let waits = DrainWaits { events: 2, partitions: &partitions, left: Some(Duration::from_secs(23)) };
    told.kafka.drain_waits(waits);
    let oldest = "PlatformEvent_v1[3]@10 has been in its action for 31 s, 0 of 1 attempts failed";
    let says = format!("waiting for 2 events to finish, 23 s more at most (drain_timeout_seconds); {oldest}");
    assert_eq!(log.containing(&says).len(), 1, "{:?}", log.containing(""));
    told.kafka.drain_waits(DrainWaits { left: None, ..waits });
    let says = format!("did not finish within the drain time; their events come again: 2 events; {oldest}");
    assert_eq!(log.containing(&says).len(), 1, "{:?}", log.containing(""));
}
