//! What `/livez` and `/readyz` answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::condition::Condition;
use super::health::PipelineState;

/// The answer of `/livez`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Liveness {
    /// Whether nothing is stuck.
    pub live: bool,
    /// The pipelines whose polling thread is stuck.
    pub stuck: Vec<StuckPipeline>,
}

/// A pipeline whose polling thread is stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StuckPipeline {
    /// The pipeline's name.
    pub name: String,
    /// What was noticed.
    pub reason: String,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether there are pipelines and every one is ready.
    pub ready: bool,
    /// Each pipeline, in the order of the recipes.
    pub pipelines: Vec<PipelineReport>,
}

/// What `/readyz` says about one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineReport {
    /// The pipeline's name.
    pub name: String,
    /// What it is doing.
    pub state: PipelineState,
    /// Whether it runs and lacks nothing, or has ended as it should.
    pub ready: bool,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Why it stands still, if it does: `/livez` says so too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
    /// Which event has been in its action for long, if one has, how long, and how many more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<String>,
    /// How long the oldest event has been in its action; zero where there is none.
    #[serde(skip)]
    pub longest_in_action: Duration,
    /// What is missing, each with what is known about it.
    pub missing: BTreeMap<Condition, String>,
    /// What a person should know although it keeps nothing from going on: the last few, each with its
    /// time, since the process began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
