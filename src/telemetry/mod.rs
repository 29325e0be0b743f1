//! What can be seen from outside: metrics, health, logs, and the endpoint that shows them.
//!
//! `Metrics` and `HealthBoard` belong to the process; each pipeline has its `PipelineMetrics`
//! and its `PipelineHealth` and hands them to its parts. `MonitoringServer` shows both.

mod condition;
mod families;
mod health;
mod http;
mod in_action;
mod log;
mod metrics;
pub mod names;
mod page;
mod pipeline_metrics;
mod secrecy;
mod probes;
#[cfg(test)]
mod tests;

pub use condition::Condition;
pub use health::{HealthBoard, PipelineHealth, PipelineState};
pub use http::{MonitoringError, MonitoringServer};
pub use in_action::{InAction, LONG, Stay};
pub use log::{LogError, LogFormat, init as init_log};
pub use metrics::{Metrics, TEXT_CONTENT_TYPE};
pub use pipeline_metrics::{EarlyFilter, PipelineMetrics, Rebalance, RegistryLookup};
pub use probes::{Liveness, PipelineReport, Readiness, StuckPipeline};
pub use secrecy::{keep_secret, redacted};
