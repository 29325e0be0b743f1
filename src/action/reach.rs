//! Whether what an action needs is there, without acting.

use std::path::Path;
use std::sync::Arc;

use super::config::ActionConfig;
use super::webhook::Webhook;
use crate::line_file::{Writable, check_writable};

/// What was found about an action's endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It is there.
    Ok(String),
    /// It is there, but something may be wrong.
    Doubtful(String),
    /// It is not there, or refuses; says what to do.
    Failed(String),
}

/// Looks whether what the action writes to or calls is there. Sends no event and leaves nothing behind;
/// an HTTP endpoint is asked once, with OPTIONS.
pub async fn reach(config: &ActionConfig, pipeline: &Arc<str>) -> Reach {
    match config {
        ActionConfig::HelloWorld { .. } => {
            Reach::Ok("hello_world prints; there is nothing to reach".to_owned())
        }
        ActionConfig::Noop => Reach::Ok("noop does nothing; there is nothing to reach".to_owned()),
        ActionConfig::File { path, .. } => file(path),
        ActionConfig::Webhook(settings) => match Webhook::new((**settings).clone(), pipeline) {
            Ok(webhook) => webhook.reach().await,
            Err(error) => Reach::Failed(error.to_string()),
        },
    }
}

fn file(path: &Path) -> Reach {
    let shown = path.display();
    match check_writable(path) {
        Ok(Writable::Exists) => Reach::Ok(format!("{shown} can be written")),
        Ok(Writable::CanBeMade) => Reach::Ok(format!("{shown} can be made")),
        Err(error) => Reach::Failed(format!(
            "{shown} cannot be written: {error}; name a path in a directory that this user may write to"
        )),
    }
}
