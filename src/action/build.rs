//! From a recipe's `action` to the action.

use std::path::PathBuf;
use std::sync::Arc;

use super::Action;
use super::config::ActionConfig;
use super::file::FileAction;
use super::hello_world::HelloWorld;
use super::noop::Noop;
use super::webhook::{self, WebhookSetupError};

/// What an action may know of the pipeline that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionContext {
    /// The pipeline's name.
    pub pipeline: Arc<str>,
}

/// Why an action could not be built; the pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum ActionBuildError {
    /// The file of the `file` action cannot be opened.
    #[error(
        "pipeline {pipeline}: the file action cannot open {path}: {source}; name a `path` in a directory that this user may write to"
    )]
    OpenFile {
        /// The pipeline's name.
        pipeline: Arc<str>,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `rotate_bytes: 0` of the `file` action.
    #[error(
        "pipeline {pipeline}: `rotate_bytes` of the file action must be at least 1; leave it out to let the file grow"
    )]
    RotateAtZero {
        /// The pipeline's name.
        pipeline: Arc<str>,
    },
    /// `rotate_keep` of the `file` action, without `rotate_bytes`.
    #[error("pipeline {pipeline}: `rotate_keep` of the file action needs `rotate_bytes` beside it")]
    KeepWithoutRotation {
        /// The pipeline's name.
        pipeline: Arc<str>,
    },
    /// The `webhook` action.
    #[error("pipeline {pipeline}: the webhook action: {source}")]
    Webhook {
        /// The pipeline's name.
        pipeline: Arc<str>,
        /// What is wrong with it.
        source: WebhookSetupError,
    },
}

/// Builds the action that a recipe names. Blocks for as long as opening a file takes.
///
/// # Errors
/// [`ActionBuildError`]: what is wrong with the configuration, or with what it names.
pub fn build(config: &ActionConfig, context: ActionContext) -> Result<Arc<dyn Action>, ActionBuildError> {
    Ok(match config {
        ActionConfig::HelloWorld { to_upper } => Arc::new(HelloWorld::new(*to_upper)),
        ActionConfig::Noop => Arc::new(Noop),
        ActionConfig::File { path, rotate_bytes, rotate_keep } => {
            Arc::new(FileAction::open(path, (*rotate_bytes, *rotate_keep), context)?)
        }
        ActionConfig::Webhook(settings) => webhook::build(settings, &context.pipeline)
            .map_err(|source| ActionBuildError::Webhook { pipeline: context.pipeline, source })?,
    })
}
