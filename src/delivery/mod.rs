//! Order, retries and acknowledgement: outcomes go in, a watermark per partition comes out.

mod config;
mod retry;
mod settings;

pub use config::{OptionsConfig, Ordering};
pub use retry::{BACKOFF_CAP, RETRY_AFTER_CAP, RetryPolicy};
pub use settings::{CommitMode, DeliverySettings, FailureMode, RetrySettings};
