//! The action that does nothing.

use async_trait::async_trait;

use super::{Action, ActionError};
use crate::event::Envelope;

/// Acknowledges every event: for measuring everything else, and for trying filters out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noop;

#[async_trait]
impl Action for Noop {
    async fn act(&self, _event: &Envelope) -> Result<(), ActionError> {
        Ok(())
    }
}
