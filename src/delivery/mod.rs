//! Order, retries and acknowledgement: outcomes go in, a watermark per partition comes out.

mod budget;
mod config;
mod epoch;
mod lane;
mod limits;
mod retry;
mod settings;
mod tracker;

pub use budget::Budget;
pub use config::{OnGap, OptionsConfig, Ordering};
pub use epoch::PartitionEpoch;
pub use lane::{Delivery, LaneEntrance, Lanes, Processed, Processor};
pub use limits::{FailureCount, FailureLimits, LimitPassed, RATIO_WINDOW};
pub use retry::{BACKOFF_CAP, RETRY_AFTER_CAP, RetryPolicy};
pub use settings::{CommitMode, DeliverySettings, FailureMode, RetrySettings};
pub use tracker::Tracker;
