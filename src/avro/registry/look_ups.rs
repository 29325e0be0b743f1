//! What is remembered of ids that have not been resolved.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::SchemaId;
use super::error::RegistryError;
use crate::avro::settings::Patience;

/// So many ids are remembered. A topic whose records carry anything but schema ids would otherwise
/// fill the memory with them.
pub(super) const MOST_LOOK_UPS: usize = 1000;

/// The look-ups of ids that have not been resolved, the oldest first.
#[derive(Default)]
pub(super) struct LookUps(Mutex<VecDeque<(SchemaId, SharedLookUp)>>);

/// Whoever holds the lock asks for the id, the others wait for the answer.
type SharedLookUp = Arc<tokio::sync::Mutex<LookUp>>;

impl LookUps {
    /// What is remembered of `id`. Where there is no room, the oldest that nobody asks for is forgotten.
    pub(super) fn of(&self, id: SchemaId) -> SharedLookUp {
        let mut look_ups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, look_up)) = look_ups.iter().find(|(known, _)| *known == id) {
            return Arc::clone(look_up);
        }
        // Only this lock hands out further ones, so nobody holds what is here alone.
        let unused = |(_, look_up): &(_, SharedLookUp)| Arc::strong_count(look_up) == 1;
        if look_ups.len() >= MOST_LOOK_UPS
            && let Some(oldest) = look_ups.iter().position(unused)
        {
            look_ups.remove(oldest);
        }
        let look_up = SharedLookUp::default();
        look_ups.push_back((id, Arc::clone(&look_up)));
        look_up
    }

    /// Forgets an id that has been resolved.
    pub(super) fn forget(&self, id: SchemaId) {
        let mut look_ups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look_ups.retain(|(known, _)| *known != id);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// What is remembered of one id.
#[derive(Default)]
pub(super) struct LookUp {
    failures_in_a_row: u32,
    /// Since when the registry says that it does not have the schema.
    refused_since: Option<Instant>,
    last: Option<Standing>,
}

/// A failure that is the answer to whoever asks.
struct Standing {
    error: RegistryError,
    until: Instant,
    /// How often the registry had come back by then. Once it comes back again, an outage is over.
    recoveries: u64,
}

impl LookUp {
    /// The last failure, while it is too early to ask again.
    pub(super) fn standing_error(&self, recoveries: u64) -> Option<RegistryError> {
        let standing = self.last.as_ref()?;
        let left = standing.until.checked_duration_since(Instant::now())?;
        match standing.error.clone() {
            RegistryError::Unavailable { .. } if standing.recoveries != recoveries => None,
            RegistryError::Unavailable { id, url, answer, advice, .. } => {
                Some(RegistryError::Unavailable { id, url, answer, advice, retry_after: left })
            }
            lasting => Some(lasting),
        }
    }

    /// Takes a failure down. `Ok` is the wait before the next attempt of the same caller, `Err` what it
    /// is to be told.
    pub(super) fn note(
        &mut self,
        error: RegistryError,
        recoveries: u64,
        patience: &Patience,
    ) -> Result<Duration, RegistryError> {
        let now = Instant::now();
        if self.last.as_ref().is_some_and(|last| last.recoveries != recoveries) {
            // The waits of one outage do not count in the next one.
            self.failures_in_a_row = 0;
        }
        let wait = patience.wait_after(self.failures_in_a_row);
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        let (error, until) = match error {
            RegistryError::Unavailable { id, url, answer, advice, .. } => {
                // What was asked before an outage does not count: the registry may come back changed.
                self.refused_since = None;
                (RegistryError::Unavailable { id, url, answer, advice, retry_after: wait }, now + wait)
            }
            error => {
                let waited = now - *self.refused_since.get_or_insert(now);
                let left = patience.unknown_id.saturating_sub(waited);
                if !left.is_zero() {
                    return Ok(wait.min(left));
                }
                (error.after(waited), now + patience.longest_wait)
            }
        };
        self.last = Some(Standing { error: error.clone(), until, recoveries });
        Err(error)
    }
}

impl RegistryError {
    fn after(self, waited: Duration) -> Self {
        match self {
            Self::UnknownSchema { id, url, answer, .. } => Self::UnknownSchema { id, url, answer, waited },
            other => other,
        }
    }
}
