//! The stages with an action, a registry and a dead-letter store made for the test.

mod deadline;
mod failing;
mod log_lines;
mod health;
mod screening;
mod starting;
mod stopping;
mod storing;
mod transforms;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use url::Url;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::attempts::Attempts;
use super::failures_told::FailuresTold;
use super::registry_watch::RegistryWatch;
use super::stages::{Parts, Stages};
use super::storing::WaitingLetters;
use super::tally::Tally;
use super::{Pipeline, PipelineError, Surroundings};
use crate::action::{Action, ActionError};
use crate::avro::{Decoder, Patience, RegistrySettings, SchemaId, SchemaRegistry, encode_json, schemas};
use crate::dead_letter::{DeadLetter, DeadLetterStore, StoreError, StorePlace};
use crate::delivery::{
    Delivery, FailureMode, PartitionEpoch, Processed, Processor as _, RetryPolicy, RetrySettings,
};
use crate::environment::Environment;
use crate::event::{Envelope, Outcome, Position, Record, Route, Stage, TopicPartition};
use crate::filter::Filters;
use crate::recipe;
use crate::redaction::Secrets;
use crate::telemetry::{Condition, HealthBoard, Metrics};
use crate::transform::Transforms;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does what the test says for the partition that an event came from.
struct Scripted(fn(i32) -> Result<(), ActionError>);

#[async_trait]
impl Action for Scripted {
    async fn act(&self, event: &Envelope) -> Result<(), ActionError> {
        (self.0)(event.position.source.partition)
    }
}

/// Keeps `(stage, class, message, whether the event is with it)` of each letter.
#[derive(Default)]
struct Letters(Mutex<Vec<(Stage, &'static str, String, bool)>>);

#[async_trait]
impl DeadLetterStore for Letters {
    fn place(&self) -> StorePlace {
        StorePlace::File("nowhere".into())
    }

    async fn store(&self, letter: &DeadLetter<'_>) -> Result<(), StoreError> {
        let failure = letter.failure;
        let kept = (failure.stage, failure.class, failure.message.clone(), letter.envelope.is_some());
        self.0.lock().unwrap().push(kept);
        Ok(())
    }
}

/// A registry that knows change logs as ids 0 and 1.
async fn registry() -> (MockServer, Arc<SchemaRegistry>) {
    let server = MockServer::start().await;
    knows_change_logs(&server).await;
    let registry = SchemaRegistry::new(&settings(&server)).unwrap();
    (server, Arc::new(registry))
}

async fn knows_change_logs(server: &MockServer) {
    let answer =
        ResponseTemplate::new(200).set_body_json(json!({"schema": schemas::METADATA_CHANGE_LOG_JSON}));
    for id in 0..2 {
        let mock = Mock::given(path(format!("/schemas/ids/{id}")));
        mock.respond_with(answer.clone()).mount(server).await;
    }
}

fn settings(server: &MockServer) -> RegistrySettings {
    RegistrySettings::at(vec![Url::parse(&server.uri()).unwrap()])
}

fn parts(registry: Arc<SchemaRegistry>, action: impl Action, letters: Arc<Letters>) -> Parts {
    let metrics = Metrics::new().pipeline("p");
    let health = HealthBoard::new(Duration::from_secs(60)).pipeline("p");
    Parts {
        pipeline: "p".into(),
        group: "g".into(),
        decoder: Decoder::new(Arc::clone(&registry)),
        registry,
        filters: Arc::new(Filters::default()),
        transforms: Transforms::default(),
        attempts: Attempts {
            pipeline: "p".into(),
            action: Arc::new(action),
            permits: None,
            deadline: None,
            retry: RetryPolicy::new(&RetrySettings { count: 3, backoff: Duration::from_secs(3600) }),
            told: FailuresTold::default(),
            secrets: Secrets::default(),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
        },
        dead_letters: letters,
        failure_mode: FailureMode::Continue,
        failures: Mutex::default(),
        waiting_letters: WaitingLetters::default(),
        secrets: Secrets::default(),
        metrics,
        health,
        tally: Arc::new(Tally::new()),
    }
}

fn stages(parts: Parts) -> Arc<Stages> {
    Arc::new(Stages::new(Arc::new(parts), || {}, CancellationToken::new(), Arc::new(OnceLock::new())))
}

fn delivery(partition: i32) -> Delivery {
    let source = TopicPartition { topic: "MetadataChangeLog_Versioned_v1".into(), partition };
    let event = json!({"entityType": "dataset", "changeType": "UPSERT"});
    let value = encode_json(SchemaId(1), schemas::metadata_change_log(), &event).unwrap();
    let position = Position { source: source.clone(), offset: 0 };
    Delivery {
        epoch: Arc::new(PartitionEpoch::new(source, 0, Some(0))),
        record: Record { position, timestamp_ms: None, key: None, value: Some(value), headers: Vec::new() },
        route: Route::ChangeLog,
    }
}

#[tokio::test]
async fn an_action_that_panics_leaves_a_dead_letter_and_its_lane_goes_on() {
    let (_server, registry) = registry().await;
    let letters = Arc::new(Letters::default());
    let action =
        Scripted(|partition| if partition == 0 { panic!("no such thing as {partition}") } else { Ok(()) });
    let stages = stages(parts(registry, action, Arc::clone(&letters)));
    let processed = end_of(&stages, delivery(0)).await;
    assert!(matches!(processed, Processed::Ended(Outcome::DeadLettered(_, Stage::Action))), "{processed:?}");
    let processed = end_of(&stages, delivery(1)).await;
    assert!(matches!(processed, Processed::Ended(Outcome::Acted(_))), "{processed:?}");
    let message = "panicked: no such thing as 0".to_owned();
    assert_eq!(*letters.0.lock().unwrap(), [(Stage::Action, "panic", message, true)]);
}

#[tokio::test]
async fn an_action_that_cannot_go_on_fails_the_pipeline_and_makes_no_dead_letter_of_the_event() {
    let (_server, registry) = registry().await;
    let letters = Arc::new(Letters::default());
    let action = Scripted(|_| Err(ActionError::Broken { message: "nobody reads".into() }));
    let stages = stages(parts(registry, action, Arc::clone(&letters)));
    let processed = end_of(&stages, delivery(0)).await;
    assert!(matches!(processed, Processed::Ended(Outcome::Failed(_, Stage::Action, _))), "{processed:?}");
    assert!(letters.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_secret_in_an_actions_error_reaches_no_dead_letter() {
    let (_server, registry) = registry().await;
    let letters = Arc::new(Letters::default());
    let action = Scripted(|_| Err(ActionError::permanent("401 for https://me:c4n4ry@host/")));
    let mut secrets = Secrets::default();
    secrets.add("c4n4ry");
    let stages = stages(Parts { secrets, ..parts(registry, action, Arc::clone(&letters)) });
    end_of(&stages, delivery(0)).await;
    let letters = letters.0.lock().unwrap();
    assert_eq!(letters[0].2, "401 for https://me:…@host/");
}

/// Fails for partition 0, holds partition 1 until it is let go, and succeeds for all others.
#[derive(Default)]
struct Gate {
    reached: Notify,
    open: Notify,
}

#[async_trait]
impl Action for Gate {
    async fn act(&self, event: &Envelope) -> Result<(), ActionError> {
        let partition = event.position.source.partition;
        if partition < 2 {
            self.reached.notify_one();
        }
        match partition {
            0 => Err(ActionError::retryable("busy")),
            1 => {
                self.open.notified().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Stages that let one action run at a time, and the gate that it is.
fn one_at_a_time(registry: Arc<SchemaRegistry>) -> (Arc<Stages>, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let parts = parts(registry, Scripted(|_| Ok(())), Arc::default());
    let action = Arc::clone(&gate);
    let attempts = Attempts { permits: Some(Semaphore::new(1)), action, ..parts.attempts };
    (stages(Parts { attempts, ..parts }), gate)
}

/// How an event ends, which it has to.
async fn end_of(stages: &Stages, delivery: Delivery) -> Processed {
    tokio::time::timeout(PATIENCE, stages.process(&delivery)).await.expect("the event comes to an end")
}

fn spawn(stages: &Arc<Stages>, delivery: Delivery) -> tokio::task::JoinHandle<Processed> {
    let stages = Arc::clone(stages);
    tokio::spawn(async move { stages.process(&delivery).await })
}

#[tokio::test]
async fn an_event_that_waits_for_its_next_attempt_does_not_keep_another_partition_from_acting() {
    let (_server, registry) = registry().await;
    let (stages, gate) = one_at_a_time(registry);
    let waiting = delivery(0);
    let epoch = Arc::clone(&waiting.epoch);
    let waiting = spawn(&stages, waiting);
    tokio::time::timeout(PATIENCE, gate.reached.notified()).await.expect("an action runs");
    let processed = end_of(&stages, delivery(2)).await;
    assert!(matches!(processed, Processed::Ended(Outcome::Acted(_))), "{processed:?}");
    assert!(!waiting.is_finished(), "an hour has not passed");
    epoch.drain();
    assert!(matches!(waiting.await.unwrap(), Processed::Interrupted));
}

#[tokio::test]
async fn an_event_that_waits_for_its_turn_is_put_down_when_its_partition_is_given_up() {
    let (_server, registry) = registry().await;
    let (stages, gate) = one_at_a_time(registry);
    let acting = spawn(&stages, delivery(1));
    tokio::time::timeout(PATIENCE, gate.reached.notified()).await.expect("an action runs");
    let waiting = delivery(2);
    let epoch = Arc::clone(&waiting.epoch);
    let waiting = spawn(&stages, waiting);
    epoch.drain();
    let processed = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(matches!(processed, Processed::Interrupted), "{processed:?}");
    gate.open.notify_one();
    assert!(matches!(acting.await.unwrap(), Processed::Ended(Outcome::Acted(_))));
}

#[tokio::test]
async fn an_event_that_waits_for_the_registry_goes_on_as_soon_as_a_probe_is_answered() {
    let server = MockServer::start().await;
    let out = Mock::given(wiremock::matchers::any()).respond_with(ResponseTemplate::new(503));
    let out = out.mount_as_scoped(&server).await;
    let patience = Patience { first_wait: Duration::from_secs(3600), ..Patience::default() };
    let patience = Patience { longest_wait: patience.first_wait, ..patience };
    let registry = SchemaRegistry::new(&RegistrySettings { patience, ..settings(&server) }).unwrap();
    let registry = Arc::new(registry);
    let board = HealthBoard::new(PATIENCE);
    let (metrics, health) = (Metrics::new(), board.pipeline("p"));
    registry.report_to(Arc::new(RegistryWatch {
        pipeline: "p".into(),
        metrics: metrics.pipeline("p"),
        health,
        secrets: Secrets::default(),
    }));
    let missing = || board.readiness().pipelines[0].missing.get(&Condition::Registry).cloned();
    let stages = stages(parts(Arc::clone(&registry), Scripted(|_| Ok(())), Arc::default()));
    let waiting = spawn(&stages, delivery(0));
    let is_told = async {
        while !missing().is_some_and(|why| why.contains("503")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, is_told).await.expect("the outage is told");
    drop(out);
    knows_change_logs(&server).await;
    assert!(!waiting.is_finished());
    registry.probe().await.unwrap();
    let processed = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert!(matches!(processed, Processed::Ended(Outcome::Acted(_))), "{processed:?}");
    assert_eq!(missing(), None);
    let text = metrics.text(&board).unwrap();
    assert!(text.contains(r#"registry_lookups_total{pipeline="p",result="failed"} 1"#), "{text}");
}

struct PanicsWhenClosed;

#[async_trait]
impl Action for PanicsWhenClosed {
    async fn act(&self, _: &Envelope) -> Result<(), ActionError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), ActionError> {
        panic!("nothing to close")
    }
}

/// A pipeline around an action, and the board that shows it.
fn pipeline_around(action: impl Action) -> (Pipeline, Arc<HealthBoard>) {
    let directory = tempfile::tempdir().unwrap();
    let (file, letters) = (directory.path().join("recipe.yml"), directory.path().display());
    let recipe = format!(
        "name: p\nsource: {{type: kafka, config: {{connection: {{bootstrap: '127.0.0.1:1'}}}}}}\n\
         action: {{type: noop}}\noptions: {{failed_events_dir: '{letters}'}}\n"
    );
    std::fs::write(&file, recipe).unwrap();
    let loaded = recipe::load(&[file], &Environment::default());
    let recipe = loaded.recipes.into_iter().next().unwrap_or_else(|| panic!("{:?}", loaded.problems));
    let surroundings = Surroundings {
        runtime: tokio::runtime::Handle::current(),
        metrics: Arc::new(Metrics::new()),
        board: Arc::new(HealthBoard::new(PATIENCE)),
    };
    let pipeline = Pipeline::build_around(recipe, &surroundings, |_| Arc::new(action)).unwrap();
    (pipeline, surroundings.board)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_panics_has_failed_and_says_so() {
    let (pipeline, board) = pipeline_around(PanicsWhenClosed);
    // Stopped beforehand, so that it neither asks the registry nor connects.
    let stop = CancellationToken::new();
    stop.cancel();
    let ended = pipeline.run(stop).await;
    assert!(matches!(ended.result, Err(PipelineError::Panicked(_))), "{ended:?}");
    let health = &board.readiness().pipelines[0];
    assert_eq!(health.failure.as_deref(), Some("the pipeline panicked: nothing to close"));
}

struct NeverCloses;

#[async_trait]
impl Action for NeverCloses {
    async fn act(&self, _: &Envelope) -> Result<(), ActionError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), ActionError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn an_action_that_does_not_close_is_left_behind() {
    let (pipeline, _) = pipeline_around(NeverCloses);
    let closed = tokio::time::timeout(PATIENCE, pipeline.close_action(Duration::from_millis(1))).await;
    assert!(closed.is_ok());
}
