//! Whether the pipelines are alive, and whether they are ready.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::condition::Condition;
use super::in_action::InAction;
use super::probes::{Liveness, PipelineReport, Readiness, StuckPipeline};
use crate::redaction::Secrets;

/// So many warnings are kept of a pipeline, the newest.
const MOST_WARNINGS: usize = 10;

/// What a pipeline is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipelineState {
    /// It is being built and connects.
    Starting,
    /// It consumes.
    Running,
    /// It finishes what was begun and starts nothing new.
    Draining,
    /// It has ended as it should.
    Ended,
    /// It has ended otherwise, or could not start.
    Failed {
        /// Why, for a person, without secrets.
        reason: String,
    },
}

impl PipelineState {
    /// Every state's name.
    pub const NAMES: [&str; 5] = ["starting", "running", "draining", "ended", "failed"];

    /// The name that metrics, `/readyz` and the status page use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Ended => "ended",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Serialize for PipelineState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The health of all pipelines of the process, those included that could not start.
#[derive(Debug)]
pub struct HealthBoard {
    stall_threshold: Duration,
    pipelines: Mutex<Vec<Arc<PipelineHealth>>>,
}

impl HealthBoard {
    /// A board without pipelines. A polling thread that was not seen for `stall_threshold` is stuck.
    pub fn new(stall_threshold: Duration) -> Self {
        Self { stall_threshold, pipelines: Mutex::default() }
    }

    /// Enters a pipeline, or a recipe that is about to become one, as starting.
    pub fn pipeline(&self, name: &str) -> Arc<PipelineHealth> {
        let health = Arc::new(PipelineHealth::new(name));
        locked(&self.pipelines).push(Arc::clone(&health));
        health
    }

    /// Whether every polling thread lives. A pipeline that ended or failed has none, and does not
    /// count: restarting the process would take the others along.
    pub fn liveness(&self) -> Liveness {
        let stuck: Vec<StuckPipeline> = locked(&self.pipelines)
            .iter()
            .filter_map(|health| {
                let reason = health.why_stuck(self.stall_threshold)?;
                Some(StuckPipeline { name: health.name.clone(), reason })
            })
            .collect();
        Liveness { live: stuck.is_empty(), stuck }
    }

    /// Whether every pipeline runs and lacks nothing, and otherwise what each lacks.
    pub fn readiness(&self) -> Readiness {
        let pipelines: Vec<PipelineReport> =
            locked(&self.pipelines).iter().map(|health| health.report(self.stall_threshold)).collect();
        // Before the first recipe has been read there is nothing that could be ready.
        Readiness { ready: !pipelines.is_empty() && pipelines.iter().all(|report| report.ready), pipelines }
    }
}

/// The health of one pipeline; its parts report here.
#[derive(Debug)]
pub struct PipelineHealth {
    name: String,
    created: Instant,
    /// Milliseconds from `created` to the last sign of the polling thread, plus one; 0 before the first.
    last_seen_ms: AtomicU64,
    in_action: InAction,
    status: Mutex<Status>,
}

#[derive(Debug)]
struct Status {
    state: PipelineState,
    missing: BTreeMap<Condition, String>,
    stuck: Option<String>,
    warnings: VecDeque<String>,
    secrets: Secrets,
}

impl PipelineHealth {
    fn new(name: &str) -> Self {
        let missing = Condition::NOT_YET.map(|(condition, text)| (condition, text.to_owned())).into();
        Self {
            name: name.to_owned(),
            created: Instant::now(),
            last_seen_ms: AtomicU64::new(0),
            in_action: InAction::default(),
            status: Mutex::new(Status {
                state: PipelineState::Starting,
                missing,
                stuck: None,
                warnings: VecDeque::new(),
                secrets: Secrets::default(),
            }),
        }
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The events that are in their action.
    pub fn in_action(&self) -> &InAction {
        &self.in_action
    }

    /// From here on no text that is told shows any of these.
    pub fn hide(&self, secrets: Secrets) {
        locked(&self.status).secrets = secrets;
    }

    /// What the pipeline is doing.
    pub fn state(&self) -> PipelineState {
        locked(&self.status).state.clone()
    }

    /// The pipeline goes over to `state`. A failure is final: what is reported later does not hide it.
    pub fn enter(&self, state: PipelineState) {
        let mut status = locked(&self.status);
        if !matches!(status.state, PipelineState::Failed { .. }) {
            status.state = match state {
                PipelineState::Failed { reason } => {
                    PipelineState::Failed { reason: status.secrets.redact(&reason).into_owned() }
                }
                state => state,
            };
        }
    }

    /// The condition holds.
    pub fn holds(&self, condition: Condition) {
        locked(&self.status).missing.remove(&condition);
    }

    /// The condition does not hold; `why` is for a person.
    pub fn lacks(&self, condition: Condition, why: impl Into<String>) {
        let mut status = locked(&self.status);
        let why = status.secrets.redact(&why.into()).into_owned();
        status.missing.insert(condition, why);
    }

    /// A condition that does not hold does not for this reason. One that holds goes on to hold.
    pub fn still_lacks(&self, condition: Condition, why: impl Into<String>) {
        let mut status = locked(&self.status);
        let why = status.secrets.redact(&why.into()).into_owned();
        status.missing.entry(condition).and_modify(|reason| *reason = why);
    }

    /// Something has happened that a person should know of.
    pub fn warn(&self, what: impl Display) {
        let mut status = locked(&self.status);
        if status.warnings.len() == MOST_WARNINGS {
            status.warnings.pop_front();
        }
        let what = status.secrets.redact(&what.to_string()).into_owned();
        status.warnings.push_back(format!("{:.0}: {what}", jiff::Timestamp::now()));
    }

    /// A sign of the polling thread: called with each turn of its loop. Takes no lock.
    pub fn heartbeat(&self) {
        // Plus one keeps a heartbeat within the first millisecond apart from none at all.
        self.last_seen_ms.store(self.elapsed_ms() + 1, Ordering::Relaxed);
    }

    /// The watchdog found the pipeline stuck although its thread polls: `/livez` fails until
    /// [`PipelineHealth::moves_again`].
    pub fn is_stuck(&self, why: impl Into<String>) {
        let mut status = locked(&self.status);
        status.stuck = Some(status.secrets.redact(&why.into()).into_owned());
    }

    /// The watchdog saw the pipeline move.
    pub fn moves_again(&self) {
        locked(&self.status).stuck = None;
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn why_stuck(&self, threshold: Duration) -> Option<String> {
        let status = locked(&self.status);
        if matches!(status.state, PipelineState::Ended | PipelineState::Failed { .. }) {
            return None;
        }
        if let Some(why) = &status.stuck {
            return Some(why.clone());
        }
        // Before its first turn the thread may wait for Kafka for as long as the recipe allows.
        let last_seen_ms = self.last_seen_ms.load(Ordering::Relaxed).checked_sub(1)?;
        let silent = Duration::from_millis(self.elapsed_ms().saturating_sub(last_seen_ms));
        (silent > threshold).then(|| format!("its polling thread was last seen {} s ago", silent.as_secs()))
    }

    fn report(&self, threshold: Duration) -> PipelineReport {
        let stuck = self.why_stuck(threshold);
        let status = locked(&self.status);
        let (ready, failure, missing) = match &status.state {
            PipelineState::Running => {
                (status.missing.is_empty() && stuck.is_none(), None, status.missing.clone())
            }
            PipelineState::Starting | PipelineState::Draining => (false, None, status.missing.clone()),
            // One that came to its end, such as with `kill_after_idle_timeout`, lacks nothing.
            PipelineState::Ended => (true, None, BTreeMap::new()),
            PipelineState::Failed { reason } => (false, Some(reason.clone()), BTreeMap::new()),
        };
        let warnings = status.warnings.iter().cloned().collect();
        PipelineReport {
            name: self.name.clone(),
            state: status.state.clone(),
            ready,
            failure,
            stuck,
            slow: self.in_action.about_long(),
            longest_in_action: self.in_action.longest(),
            missing,
            warnings,
        }
    }
}

/// Nothing panics while it holds these locks, and what they guard is never half-changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
