//! What can be seen from outside: metrics, health, logs, and the endpoint that shows them.
//!
//! `Metrics` and `HealthBoard` belong to the process; each pipeline has its `PipelineMetrics`
//! and its `PipelineHealth` and hands them to its parts. `MonitoringServer` shows both.

mod families;
mod health;
mod http;
mod log;
mod metrics;
pub mod names;
mod page;
mod pipeline_metrics;
#[cfg(test)]
mod tests;

pub use health::{
    Condition, HealthBoard, Liveness, PipelineHealth, PipelineReport, PipelineState, Readiness, StuckPipeline,
};
pub use http::{MonitoringError, MonitoringServer};
pub use log::{LogError, LogFormat, init as init_log};
pub use metrics::{Metrics, TEXT_CONTENT_TYPE};
pub use pipeline_metrics::{EarlyFilter, PipelineMetrics, Rebalance, RegistryLookup};
