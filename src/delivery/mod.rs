//! Order, retries and acknowledgement: outcomes go in, a watermark per partition comes out.

mod config;
mod settings;

pub use config::{OnGap, OptionsConfig, Ordering};
pub use settings::{CommitMode, DeliverySettings, FailureMode, RetrySettings};
