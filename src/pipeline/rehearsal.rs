//! What a replay would do with dead letters, found out without an action and without writing anything.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::replay::{Replayable, replayable};
use super::stages::text_of;
use super::trial::{Judgement, Trial};
use crate::avro::{Decoded, Decoder, Patience, RegistrySettings, RegistrySetupError, SchemaRegistry};
use crate::dead_letter::Letter;
use crate::event::{Envelope, Record, Route};
use crate::recipe::Recipe;

/// How long a registry that does not answer is tried for a letter.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(10);

/// The wait between two questions to a registry that does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Decodes, filters and transforms letters as a replay does, and leaves them at the action's door.
pub struct Rehearsal {
    decoder: Decoder,
    trial: Trial,
    topics: Vec<(String, Route)>,
}

/// What a replay would do with a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rehearsed {
    /// It would reach the action. What that does with it nobody can know.
    Reaches,
    /// It would be dropped, and never be due again; the text says by what.
    Dropped(String),
    /// It would fail again before the action, and become a letter of the next round; the text says why.
    FailsAgain(String),
    /// This recipe cannot replay it; the text says why.
    Refused(String),
}

/// The registry does not answer: nothing can be said of a letter.
#[derive(Debug, thiserror::Error)]
#[error("what would happen cannot be said without the schema registry: {text} (tried for {seconds} s)")]
pub struct NotRehearsed {
    seconds: u64,
    text: String,
}

impl Rehearsal {
    /// With the registry, the topics, the filters and the transforms of a recipe. Nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with the registry's settings.
    pub fn of(recipe: &Recipe) -> Result<Self, RegistrySetupError> {
        // Nobody who looks waits half a minute for an id that the registry does not know.
        let patience = Patience { unknown_id: Duration::ZERO, ..recipe.registry.patience };
        let registry = SchemaRegistry::new(&RegistrySettings { patience, ..recipe.registry.clone() })?;
        Ok(Self {
            decoder: Decoder::new(Arc::new(registry)).with_meta(recipe.meta),
            trial: Trial::of(recipe),
            topics: recipe.consumer.topics.clone(),
        })
    }

    /// What a replay would do with this letter.
    ///
    /// # Errors
    /// If the registry is needed for it and does not answer for 10 s. The text may quote one of the recipe's secrets.
    pub async fn rehearse(&self, letter: &Letter) -> Result<Rehearsed, NotRehearsed> {
        match AssertUnwindSafe(self.judge(letter)).catch_unwind().await {
            Ok(rehearsed) => rehearsed,
            Err(panic) => Ok(Rehearsed::FailsAgain(format!("panicked: {}", text_of(&*panic)))),
        }
    }

    async fn judge(&self, letter: &Letter) -> Result<Rehearsed, NotRehearsed> {
        let envelope = match replayable(letter, &self.topics) {
            Err(reason) => return Ok(Rehearsed::Refused(reason)),
            Ok(Replayable::Event(envelope)) => *envelope,
            Ok(Replayable::Record(record, route)) => {
                match self.decode(&letter.lineage.carried_by(record), &route).await? {
                    Ok(envelope) => envelope,
                    Err(rehearsed) => return Ok(rehearsed),
                }
            }
        };
        Ok(match self.trial.judge_event(envelope) {
            Judgement::Dropped { by, .. } => Rehearsed::Dropped(format!("by {by}")),
            Judgement::Untransformable(error) => Rehearsed::FailsAgain(error.to_string()),
            // What is said of a record: here it is an event already.
            _ => Rehearsed::Reaches,
        })
    }

    /// The record's event, or what becomes of a record that has none.
    async fn decode(
        &self,
        record: &Record,
        route: &Route,
    ) -> Result<Result<Envelope, Rehearsed>, NotRehearsed> {
        let began = Instant::now();
        loop {
            let error = match self.decoder.decode(route, record).await {
                Ok(Decoded::Event(envelope)) => return Ok(Ok(*envelope)),
                Ok(Decoded::Tombstone) => {
                    return Ok(Err(Rehearsed::Dropped("it has no value".to_owned())));
                }
                Ok(Decoded::UnknownPlatformEvent { name }) => {
                    let why = format!("the recipe asks for no platform event named {name}");
                    return Ok(Err(Rehearsed::Dropped(why)));
                }
                Err(error) => error,
            };
            if error.stage().is_some() {
                return Ok(Err(Rehearsed::FailsAgain(error.to_string())));
            }
            if began.elapsed() >= REGISTRY_PATIENCE {
                let seconds = REGISTRY_PATIENCE.as_secs();
                return Err(NotRehearsed { seconds, text: error.to_string() });
            }
            tokio::time::sleep(error.retry_after().unwrap_or(ASK_AGAIN).min(ASK_AGAIN)).await;
        }
    }
}
