//! Stands around the recipe's action and remembers which events it took.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::action::{Action, ActionError};
use crate::event::{Envelope, Position, TopicPartition};

/// An action around another one.
pub(super) struct Witness {
    action: Arc<dyn Action>,
    taken: Arc<Taken>,
}

/// The events whose action has succeeded.
#[derive(Debug, Default)]
pub(super) struct Taken(Mutex<HashMap<TopicPartition, BTreeSet<i64>>>);

impl Witness {
    /// Notes in `taken` what `action` takes.
    pub(super) fn around(action: Arc<dyn Action>, taken: Arc<Taken>) -> Self {
        Self { action, taken }
    }
}

#[async_trait]
impl Action for Witness {
    async fn act(&self, event: &Envelope) -> Result<(), ActionError> {
        self.action.act(event).await?;
        self.taken.insert(&event.position);
        Ok(())
    }

    async fn close(&self) -> Result<(), ActionError> {
        self.action.close().await
    }
}

impl Taken {
    /// Whether the action has taken the event at `position`.
    pub(super) fn contains(&self, position: &Position) -> bool {
        self.locked().get(&position.source).is_some_and(|offsets| offsets.contains(&position.offset))
    }

    pub(super) fn insert(&self, position: &Position) {
        self.locked().entry(position.source.clone()).or_default().insert(position.offset);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<TopicPartition, BTreeSet<i64>>> {
        // A set of numbers is whole whatever panicked while it was locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventType};

    struct Refuses;

    #[async_trait]
    impl Action for Refuses {
        async fn act(&self, _: &Envelope) -> Result<(), ActionError> {
            Err(ActionError::permanent("no"))
        }
    }

    #[tokio::test]
    async fn what_the_action_refused_is_not_taken() {
        let taken = Arc::new(Taken::default());
        let position = Position { source: TopicPartition { topic: "topic".into(), partition: 0 }, offset: 3 };
        let event = Event::ChangeLog(Box::default());
        let event = Envelope::new(EventType::MetadataChangeLog, event, position.clone());
        let refusing = Witness::around(Arc::new(Refuses), Arc::clone(&taken));
        assert!(refusing.act(&event).await.is_err());
        assert!(!taken.contains(&position));
        let willing = Witness::around(Arc::new(crate::action::Noop), Arc::clone(&taken));
        assert!(willing.act(&event).await.is_ok());
        assert!(taken.contains(&position));
    }
}
