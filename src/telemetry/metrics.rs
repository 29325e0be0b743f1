//! The registry of metrics, and its text.

use std::sync::Arc;

use prometheus::{Registry, TextEncoder};

use super::families::Families;
use super::health::{HealthBoard, PipelineState};
use super::pipeline_metrics::PipelineMetrics;
use super::probes::PipelineReport;

/// The content type of what [`Metrics::text`] gives.
pub const TEXT_CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// All metrics of one process. Owned, not global: each test has its own.
pub struct Metrics {
    registry: Registry,
    families: Arc<Families>,
}

impl Metrics {
    /// Registers every metric.
    pub fn new() -> Self {
        let registry = Registry::new();
        let families = Arc::new(Families::register_in(&registry));
        families.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self { registry, families }
    }

    /// The metrics of the pipeline called `name`. Its counters are there from now on, at zero, so
    /// that a rate over them is right from the first event.
    pub fn pipeline(&self, name: &str) -> Arc<PipelineMetrics> {
        Arc::new(PipelineMetrics::new(name, Arc::clone(&self.families)))
    }

    /// The text that Prometheus scrapes, with the pipelines' states as `board` knows them now.
    ///
    /// # Errors
    /// If the text cannot be written.
    pub fn text(&self, board: &HealthBoard) -> Result<String, prometheus::Error> {
        for report in board.readiness().pipelines {
            self.show(&report);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    fn show(&self, report: &PipelineReport) {
        for state in PipelineState::NAMES {
            let is_in_it = i64::from(report.state.name() == state);
            self.families.pipeline_state.with_label_values(&[report.name.as_str(), state]).set(is_in_it);
        }
        let labels = [report.name.as_str()];
        self.families.pipeline_ready.with_label_values(&labels).set(i64::from(report.ready));
        let longest = i64::try_from(report.longest_in_action.as_secs()).unwrap_or(i64::MAX);
        self.families.longest_in_action.with_label_values(&labels).set(longest);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
