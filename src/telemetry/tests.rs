use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    Condition, EarlyFilter, HealthBoard, Metrics, MonitoringError, MonitoringServer, PipelineMetrics,
    PipelineState, Rebalance, RegistryLookup,
};
use crate::event::{DropReason, Position, Stage, TopicPartition};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn board() -> HealthBoard {
    HealthBoard::new(Duration::from_secs(60))
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from("PlatformEvent_v1"), partition: number }
}

/// The value of the one sample written exactly so.
fn sample(metrics: &Metrics, sample: &str) -> Option<String> {
    let text = metrics.text(&board()).unwrap();
    let rest = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    Some(rest.to_owned())
}

fn count_everything(pipeline: &PipelineMetrics) {
    pipeline.received("PlatformEvent_v1", 7);
    pipeline.poll_failed();
    pipeline.dropped(DropReason::Scan, 3);
    pipeline.unknown_platform_event("relationshipChangeEvent_v9");
    pipeline.early_filter(EarlyFilter::Rejected, 3);
    pipeline.acted(4);
    pipeline.failed_attempt();
    pipeline.retried();
    pipeline.dead_lettered(Stage::Avro);
    pipeline.action_took(Duration::from_millis(2));
    pipeline.end_to_end(Duration::from_millis(20));
    pipeline.committed(Duration::from_millis(3));
    pipeline.commit_failed(Duration::from_secs(3));
    pipeline.committed_offset(&partition(1), 40);
    pipeline.lag(&partition(0), 5);
    pipeline.lag(&partition(1), 6);
    pipeline.in_flight(2, 2048);
    pipeline.paused();
    pipeline.paused_partitions(1);
    pipeline.assigned_partitions(2);
    pipeline.rebalanced(Rebalance::Assigned);
    pipeline.registry_lookup(RegistryLookup::Failed);
    pipeline.gap("PlatformEvent_v1", "deleted", 11);
}

#[test]
fn the_names_and_labels_of_the_python_framework_are_kept() {
    let metrics = Metrics::new();
    count_everything(&metrics.pipeline("p"));
    let expected = [
        (r#"kafka_messages_total{error="False",pipeline_name="p"}"#, "7"),
        (r#"kafka_messages_total{error="True",pipeline_name="p"}"#, "1"),
        (r#"kafka_mcl_early_filter_total{pipeline_name="p",result="passed"}"#, "0"),
        (r#"kafka_mcl_early_filter_total{pipeline_name="p",result="rejected"}"#, "3"),
        (r#"kafka_mcl_early_filter_total{pipeline_name="p",result="entirely_rejected"}"#, "0"),
        (r#"kafka_offset{partition="1",pipeline_name="p",topic="PlatformEvent_v1"}"#, "40"),
        (r#"kafka_consumer_lag{pipeline_name="p",topic="PlatformEvent_v1"}"#, "11"),
    ];
    for (name, value) in expected {
        assert_eq!(sample(&metrics, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn everything_counted_is_shown_under_its_own_label() {
    let metrics = Metrics::new();
    count_everything(&metrics.pipeline("p"));
    let expected = [
        (r#"received_total{pipeline="p",topic="PlatformEvent_v1"}"#, "7"),
        (r#"dropped_total{pipeline="p",reason="scan"}"#, "3"),
        (r#"unknown_platform_events_total{name="relationshipChangeEvent_v9",pipeline="p"}"#, "1"),
        (r#"acted_total{pipeline="p"}"#, "4"),
        (r#"failed_attempts_total{pipeline="p"}"#, "1"),
        (r#"retries_total{pipeline="p"}"#, "1"),
        (r#"dead_lettered_total{pipeline="p",stage="avro"}"#, "1"),
        (r#"action_duration_seconds_bucket{pipeline="p",le="0.0025"}"#, "1"),
        (r#"end_to_end_seconds_sum{pipeline="p"}"#, "0.02"),
        (r#"commits_total{pipeline="p",result="ok"}"#, "1"),
        (r#"commits_total{pipeline="p",result="failed"}"#, "1"),
        (r#"commit_duration_seconds_count{pipeline="p"}"#, "2"),
        (r#"lag_records{partition="1",pipeline="p",topic="PlatformEvent_v1"}"#, "6"),
        (r#"in_flight_events{pipeline="p"}"#, "2"),
        (r#"in_flight_bytes{pipeline="p"}"#, "2048"),
        (r#"pauses_total{pipeline="p"}"#, "1"),
        (r#"paused_partitions{pipeline="p"}"#, "1"),
        (r#"assigned_partitions{pipeline="p"}"#, "2"),
        (r#"rebalances_total{kind="assigned",pipeline="p"}"#, "1"),
        (r#"registry_lookups_total{pipeline="p",result="failed"}"#, "1"),
        (r#"gap_records_total{pipeline="p",topic="PlatformEvent_v1"}"#, "11"),
        (r#"gaps_total{cause="deleted",pipeline="p",topic="PlatformEvent_v1"}"#, "1"),
    ];
    for (name, value) in expected {
        assert_eq!(sample(&metrics, &format!("datahub_relay_{name}")).as_deref(), Some(value), "{name}");
    }
    let build = format!(r#"datahub_relay_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(sample(&metrics, &build).as_deref(), Some("1"));
}

#[test]
fn names_of_platform_events_do_not_become_labels_without_end() {
    let metrics = Metrics::new();
    let pipeline = metrics.pipeline("p");
    pipeline.unknown_platform_event(&"long".repeat(1000));
    for number in 0..60 {
        pipeline.unknown_platform_event(&format!("event_{number}"));
    }
    pipeline.unknown_platform_event("event_0");
    let counted = |name| {
        let label = format!(r#"datahub_relay_unknown_platform_events_total{{name="{name}",pipeline="p"}}"#);
        sample(&metrics, &label)
    };
    assert_eq!(counted("event_0").as_deref(), Some("2"));
    assert_eq!(counted("event_49").as_deref(), Some("1"));
    assert_eq!(counted("event_50"), None);
    assert_eq!(counted("other").as_deref(), Some("11"));
}

#[test]
fn a_pipeline_that_has_done_nothing_shows_zeros() {
    let metrics = Metrics::new();
    let _pipeline = metrics.pipeline("p");
    for name in [
        r#"acted_total{pipeline="p"}"#,
        r#"dead_lettered_total{pipeline="p",stage="action"}"#,
        r#"dropped_total{pipeline="p",reason="unknown_platform_event"}"#,
        r#"commits_total{pipeline="p",result="failed"}"#,
    ] {
        assert_eq!(sample(&metrics, &format!("datahub_relay_{name}")).as_deref(), Some("0"), "{name}");
    }
}

#[test]
fn a_partition_taken_away_is_no_longer_reported() {
    let metrics = Metrics::new();
    let pipeline = metrics.pipeline("p");
    count_everything(&pipeline);
    pipeline.forget(&partition(1));
    let total = r#"kafka_consumer_lag{pipeline_name="p",topic="PlatformEvent_v1"}"#;
    assert_eq!(sample(&metrics, total).as_deref(), Some("5"));
    let offset = r#"kafka_offset{partition="1",pipeline_name="p",topic="PlatformEvent_v1"}"#;
    assert_eq!(sample(&metrics, offset), None);
    pipeline.forget(&partition(0));
    assert_eq!(sample(&metrics, total), None);
}

#[test]
fn a_pipelines_state_is_a_metric() {
    let metrics = Metrics::new();
    let board = board();
    board.pipeline("p").enter(PipelineState::Failed { reason: "no broker".to_owned() });
    let text = metrics.text(&board).unwrap();
    assert!(text.contains(r#"datahub_relay_pipeline_state{pipeline="p",state="failed"} 1"#), "{text}");
    assert!(text.contains(r#"datahub_relay_pipeline_state{pipeline="p",state="running"} 0"#), "{text}");
    assert!(text.contains(r#"datahub_relay_pipeline_ready{pipeline="p"} 0"#), "{text}");
}

#[test]
fn how_long_the_oldest_event_has_been_in_its_action_is_a_metric() {
    let (metrics, board) = (Metrics::new(), board());
    let health = board.pipeline("p");
    let shown = || {
        let text = metrics.text(&board).unwrap();
        let name = r#"datahub_relay_longest_in_action_seconds{pipeline="p"} "#;
        text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
    };
    assert_eq!(shown().as_deref(), Some("0"));
    let began = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
    let stay = health.in_action().enter(Position { source: partition(1), offset: 3 }, began, 1);
    assert_eq!(shown().as_deref(), Some("61"));
    drop(stay);
    assert_eq!(shown().as_deref(), Some("0"));
}

/// Status line, headers and body of an answer, read from the socket as they are.
async fn request(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_endpoint_answers_probes_metrics_and_people() {
    let board = Arc::new(board());
    let health = board.pipeline("<tags>");
    let server =
        MonitoringServer::start(ANY_PORT, Arc::new(Metrics::new()), Arc::clone(&board)).await.unwrap();
    let address = server.address();

    let metrics = request(address, "/metrics").await;
    assert!(
        metrics.starts_with("HTTP/1.1 200") && metrics.contains("content-type: text/plain; version=0.0.4")
    );
    assert!(metrics.contains("datahub_relay_build_info"));

    let not_ready = request(address, "/readyz").await;
    assert!(not_ready.starts_with("HTTP/1.1 503"), "{not_ready}");
    assert!(not_ready.contains(r#""registry":"not asked yet""#), "{not_ready}");
    let page = request(address, "/").await;
    assert!(page.contains("&lt;tags&gt;") && page.contains("registry: not asked yet"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"));

    health.enter(PipelineState::Running);
    for condition in [Condition::Brokers, Condition::Assignment, Condition::Registry, Condition::DeadLetters]
    {
        health.holds(condition);
    }
    assert!(request(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(request(address, "/livez").await.starts_with("HTTP/1.1 200"));
    health.is_stuck("stands still");
    let not_live = request(address, "/livez").await;
    assert!(not_live.starts_with("HTTP/1.1 503") && not_live.contains("stands still"));
    assert!(request(address, "/elsewhere").await.starts_with("HTTP/1.1 404"));

    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (metrics, board) = (Arc::new(Metrics::new()), Arc::new(board()));
    let first = MonitoringServer::start(ANY_PORT, Arc::clone(&metrics), Arc::clone(&board)).await.unwrap();
    let error = MonitoringServer::start(first.address(), metrics, board).await.unwrap_err();
    assert!(matches!(error, MonitoringError::InUse { .. }));
    assert!(error.to_string().contains(&first.address().to_string()));
    first.stop().await;
}
