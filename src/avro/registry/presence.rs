//! Whether the registry answers, from its answers alone.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::SchemaId;
use super::error::RegistryError;

/// Who is told how the registry answers. Implemented once by the pipeline and once by the tests. The
/// methods are called by whoever has asked, one at a time for [`RegistryReports::answers`] and
/// [`RegistryReports::is_out`], so they must not block.
pub trait RegistryReports: Send + Sync + 'static {
    /// A schema id was asked for on behalf of a record, and this is what came of it.
    fn looked_up(&self, result: &Result<(), RegistryError>);

    /// The registry does not know this id: it is asked again for as long as `patience`, and the records that
    /// carry the id wait. Called once for each id, or again where whoever waited has given up.
    fn asks_again(&self, id: SchemaId, patience: Duration);

    /// The registry has answered: for the first time or, if `again`, after an outage.
    fn answers(&self, again: bool);

    /// The registry did not answer. Called for each failed attempt of an outage; `since_now` for the
    /// first.
    fn is_out(&self, error: &RegistryError, since_now: bool);
}

/// What is known of the registry's presence, and who wants to know.
pub(super) struct Presence {
    known: watch::Sender<Known>,
    reports: OnceLock<Arc<dyn RegistryReports>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    state: State,
    /// How often it has answered after an outage.
    recoveries: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    NotAsked,
    Answers,
    /// It did not answer when it was last asked, which was for this id.
    Out(SchemaId),
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { known: watch::Sender::new(Known::default()), reports: OnceLock::new() }
    }

    /// Only the first to ask is told.
    pub(super) fn report_to(&self, reports: Arc<dyn RegistryReports>) {
        // Already set: whoever was told before goes on being told.
        let _ = self.reports.set(reports);
    }

    /// How often the registry has come back.
    pub(super) fn recoveries(&self) -> u64 {
        self.known.borrow().recoveries
    }

    /// The id that was asked for in vain, during an outage.
    pub(super) fn asked_in_vain(&self) -> Option<SchemaId> {
        match self.known.borrow().state {
            State::Out(id) => Some(id),
            State::NotAsked | State::Answers => None,
        }
    }

    /// Waits until the registry is not known to be out.
    pub(super) async fn wait(&self) {
        // Fails only when the sender is gone, and that is a field of `self`.
        let _ = self.known.subscribe().wait_for(|known| !matches!(known.state, State::Out(_))).await;
    }

    /// Takes down what the registry answered when asked for `id`. Returns how often it has come back.
    pub(super) fn note<T>(&self, id: SchemaId, answer: &Result<T, RegistryError>) -> u64 {
        let mut recoveries = 0;
        // The reports are made while the state can't be changed by others, so that the last one made
        // is the one that holds. The number is taken there too: a recovery that comes right after a
        // failure must count as later than it.
        self.known.send_if_modified(|known| {
            let before = known.state;
            let was_out = matches!(before, State::Out(_));
            known.state = match answer {
                Err(error @ RegistryError::Unavailable { .. }) => {
                    self.tell(|reports| reports.is_out(error, !was_out));
                    State::Out(id)
                }
                Ok(_) | Err(_) => {
                    if before != State::Answers {
                        self.tell(|reports| reports.answers(was_out));
                    }
                    known.recoveries += u64::from(was_out);
                    State::Answers
                }
            };
            recoveries = known.recoveries;
            known.state != before
        });
        recoveries
    }

    /// Tells that an id is not known and asked for again.
    pub(super) fn asks_again(&self, id: SchemaId, patience: Duration) {
        self.tell(|reports| reports.asks_again(id, patience));
    }

    /// Tells what came of a look-up for a record.
    pub(super) fn looked_up<T>(&self, result: &Result<T, RegistryError>) {
        self.tell(|reports| reports.looked_up(&result.as_ref().map(|_| ()).map_err(Clone::clone)));
    }

    fn tell(&self, what: impl FnOnce(&dyn RegistryReports)) {
        if let Some(reports) = self.reports.get() {
            what(&**reports);
        }
    }
}
