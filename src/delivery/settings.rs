//! A pipeline's delivery options with every default resolved and checked.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{OnGap, Ordering};
use super::limits::FailureLimits;

/// What delivery is built from.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliverySettings {
    /// How often an event is tried again, and after which waits.
    pub retry: RetrySettings,
    /// The longest that one attempt may take; `None`: as long as it likes.
    pub attempt_deadline: Option<Duration>,
    /// What happens to an event that could not be processed.
    pub failure_mode: FailureMode,
    /// How many events may fail before the pipeline stops.
    pub failure_limits: FailureLimits,
    /// How many times a dead letter may be replayed.
    pub max_replay_rounds: u32,
    /// Directory of the dead-letter files; the pipeline's own directory is below it.
    pub failed_events_dir: PathBuf,
    /// Which events wait for each other.
    pub ordering: Ordering,
    /// How many actions may run at once; `None` is one per partition (`ordering: partition` only).
    pub concurrency: Option<usize>,
    /// When offsets are committed.
    pub commit: CommitMode,
    /// Per partition: how many events may have been handed on and not yet committed.
    pub max_uncommitted: usize,
    /// Per pipeline: how many bytes of records may be held.
    pub max_in_flight_bytes: usize,
    /// What to do about records that vanished before they were read.
    pub on_gap: OnGap,
    /// How long a stop or a revocation waits for running actions.
    pub drain_timeout: Duration,
}

impl DeliverySettings {
    /// How many actions may run at once with `key` and `unordered` where the recipe is silent.
    pub const DEFAULT_CONCURRENCY: usize = 16;

    /// The file that a pipeline's dead letters go to.
    ///
    /// The directory is named as the Python framework names it, so that a file which that left behind
    /// is gone on with: the name in lower case, with `_` for everything that is no letter, digit,
    /// `_` or `-`. Two names can lead to one directory.
    pub fn failed_events_file(&self, pipeline: &str) -> PathBuf {
        self.failed_events_dir.join(Self::directory_of(pipeline)).join("failed_events.log")
    }

    /// The name of a pipeline's directory below `failed_events_dir`.
    pub fn directory_of(pipeline: &str) -> String {
        pipeline
            .to_lowercase()
            .chars()
            .map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' })
            .collect()
    }
}

/// How often an event is tried again, and after which waits.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySettings {
    /// Retries after the first attempt.
    pub count: u32,
    /// The wait before the first retry; it doubles with each further one, up to 60 s.
    pub backoff: Duration,
}

/// What happens to an event that could not be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailureMode {
    /// Store its dead letter and go on.
    #[default]
    Continue,
    /// Record it and stop the pipeline without committing the event.
    Throw,
}

/// When offsets are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitMode {
    /// As soon as something is finished; what finishes while a commit is under way rides on the next.
    #[default]
    Group,
    /// Before the next event of the partition reaches the action.
    PerEvent,
    /// Once per interval.
    Interval(Duration),
}
