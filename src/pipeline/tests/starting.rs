//! How a pipeline starts where Kafka, the registry or both cannot be reached.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::{Ended, Pipeline, PipelineError, Surroundings};
use crate::embedded::EmbeddedBroker;
use crate::environment::Environment;
use crate::kafka::ConsumerError;
use crate::recipe;
use crate::telemetry::{HealthBoard, Metrics, PipelineState};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// "At once", on a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Where nobody listens.
const NOBODY: &str = "127.0.0.1:1";

/// A pipeline that tries to reach these for so long, in a directory of the test's own.
fn pipeline(
    directory: &Path,
    (bootstrap, registry): (&str, &str),
    patience: Option<Duration>,
) -> (Pipeline, Surroundings) {
    let (file, letters) = (directory.join("recipe.yml"), directory.display());
    let recipe = format!(
        "name: p\nsource: {{type: kafka, config: {{connection: {{bootstrap: '{bootstrap}', schema_registry_url: '{registry}', consumer_config: {{group.protocol: consumer}}}}}}}}\n\
         action: {{type: noop}}\noptions: {{failed_events_dir: '{letters}'}}\n"
    );
    std::fs::write(&file, recipe).unwrap();
    let loaded = recipe::load(&[file], &Environment::default());
    let mut recipe = loaded.recipes.into_iter().next().unwrap_or_else(|| panic!("{:?}", loaded.problems));
    recipe.consumer.start_patience = patience;
    let surroundings = Surroundings {
        runtime: Handle::current(),
        metrics: Arc::new(Metrics::new()),
        board: Arc::new(HealthBoard::new(PATIENCE)),
    };
    (Pipeline::build(recipe, &surroundings).unwrap(), surroundings)
}

async fn end_of(pipeline: Pipeline) -> Ended {
    tokio::time::timeout(PATIENCE, pipeline.run(CancellationToken::new())).await.unwrap()
}

async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_reaches_neither_kafka_nor_the_registry_says_both() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = (NOBODY, &*format!("http://{NOBODY}"));
    let (pipeline, _) = pipeline(directory.path(), nowhere, Some(Duration::from_millis(300)));
    let error = end_of(pipeline).await.result.unwrap_err().to_string();
    assert!(error.contains("cannot reach Kafka at 127.0.0.1:1, tried for 0 s: "), "{error}");
    assert!(error.contains("Connection refused"), "in librdkafka's own words: {error}");
    assert!(error.contains("Nor does the schema registry answer: "), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_does_not_answer_ends_the_start_although_kafka_does() {
    let broker = EmbeddedBroker::start(&[]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let there = (broker.bootstrap(), &*format!("http://{NOBODY}"));
    let (pipeline, surroundings) = pipeline(directory.path(), there, Some(Duration::from_millis(300)));
    let ended = end_of(pipeline).await;
    assert!(matches!(ended.result, Err(PipelineError::Registry { .. })), "{ended:?}");
    let health = &surroundings.board.readiness().pipelines[0];
    assert!(matches!(health.state, PipelineState::Failed { .. }), "{health:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_that_does_not_answer_ends_the_start_although_the_registry_does() {
    let registry = MockServer::start().await;
    let unknown = ResponseTemplate::new(404).set_body_string(r#"{"error_code": 40403}"#);
    Mock::given(wiremock::matchers::any()).respond_with(unknown).mount(&registry).await;
    let directory = tempfile::tempdir().unwrap();
    let there = (NOBODY, &*registry.uri());
    let (pipeline, _) = pipeline(directory.path(), there, Some(Duration::from_millis(300)));
    let ended = end_of(pipeline).await;
    let result = ended.result;
    assert!(matches!(result, Err(PipelineError::Consumer(ConsumerError::Unreachable { .. }))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_noticed_at_once_by_a_pipeline_that_tries_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = (NOBODY, &*format!("http://{NOBODY}"));
    let (pipeline, surroundings) = pipeline(directory.path(), nowhere, None);
    let stop = CancellationToken::new();
    let running = tokio::spawn(pipeline.run(stop.clone()));
    let board = surroundings.board;
    // It says what it knows long before it would give up.
    wait_until("it knows that no broker answers", || {
        let missing = &board.readiness().pipelines[0].missing;
        missing.values().any(|why| why.contains("AllBrokersDown"))
    })
    .await;
    stop.cancel();
    let ended = tokio::time::timeout(AT_ONCE, running).await.unwrap().unwrap();
    assert!(ended.result.is_ok(), "{ended:?}");
}
