//! What is done with an event.
//!
//! `Action` is the contract; each action has a file of its own, with its configuration and its
//! errors. `build` is the one place that knows their names.

mod build;
mod config;
mod file;
mod hello_world;
mod noop;
mod reach;
mod webhook;

use std::time::Duration;

use async_trait::async_trait;

use crate::event::Envelope;

pub use build::{ActionBuildError, ActionContext, build};
pub use config::{ActionConfig, FileConfig, HelloWorldConfig, NoopConfig};
pub use file::FileAction;
pub use hello_world::HelloWorld;
pub use noop::Noop;
pub use reach::{Reach, reach};
pub use webhook::{Webhook, WebhookConfig, WebhookSettings, WebhookSetupError};

/// Something that is done with each event that passed a recipe's filters.
///
/// One instance serves every lane of a pipeline, so `act` is called from several tasks at once: as
/// many as `concurrency` allows, and never twice at once for two events of one ordering unit (a
/// partition, or an entity with `ordering: key`).
///
/// **At least once.** An event may come again: after a failure within `retry_count`, after a crash
/// or a rebalance before its offset was committed. An action that must not happen twice has to
/// recognise the event by `meta.kafka` (topic, partition, offset).
///
/// **Cancellation.** The future may be dropped at any await point (deadline, second signal); the
/// attempt then counts as failed and may be made again.
#[async_trait]
pub trait Action: Send + Sync + 'static {
    /// Acts on one event. `Ok` means that whatever had to last has been stored: the event's offset
    /// may be committed at once and the event never come again.
    ///
    /// # Errors
    /// [`ActionError::Retryable`] if another attempt at the same event makes sense,
    /// [`ActionError::Permanent`] if it does not: the event then goes to the dead letters at once;
    /// [`ActionError::Broken`] if no event can be acted on any more: the pipeline stops.
    async fn act(&self, event: &Envelope) -> Result<(), ActionError>;

    /// Called once, before the process ends, also after a failure. Flushes and closes what the action
    /// holds. No `act` begins any more, and those that ran have returned or were dropped; only one that
    /// did not let itself be dropped, because it blocks its thread, may still be running. After a few
    /// seconds it is left behind.
    ///
    /// # Errors
    /// What could not be flushed. It is logged; the events concerned were acknowledged before.
    async fn close(&self) -> Result<(), ActionError> {
        Ok(())
    }
}

/// Why an attempt at an event failed, and whether another one makes sense.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Another attempt may succeed: a time-out, a connection that broke, a service that is busy.
    #[error("{message}")]
    Retryable {
        /// What went wrong, without secrets.
        message: String,
        /// How long the other side asked to wait, if it said so; the longer of this and the
        /// pipeline's own backoff counts.
        retry_after: Option<Duration>,
        /// The status of the answer, where the other side speaks HTTP and gave one.
        http_status: Option<u16>,
    },
    /// No attempt at any event will succeed until the process is started again: standard output is a pipe
    /// that nobody reads any more. The pipeline stops, and the event's offset stays uncommitted.
    #[error("{message}")]
    Broken {
        /// What went wrong, without secrets.
        message: String,
    },
    /// No attempt will succeed: the event itself is what the other side refuses.
    #[error("{message}")]
    Permanent {
        /// What went wrong, without secrets.
        message: String,
        /// The status of the answer, where the other side speaks HTTP and gave one.
        http_status: Option<u16>,
    },
}

impl ActionError {
    /// An error after which another attempt makes sense, of an action that speaks no HTTP.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { message: message.into(), retry_after: None, http_status: None }
    }

    /// An error that each attempt at this event would meet, of an action that speaks no HTTP.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent { message: message.into(), http_status: None }
    }

    /// The status of the answer, if there was one.
    pub const fn http_status(&self) -> Option<u16> {
        match self {
            Self::Retryable { http_status, .. } | Self::Permanent { http_status, .. } => *http_status,
            Self::Broken { .. } => None,
        }
    }
}
