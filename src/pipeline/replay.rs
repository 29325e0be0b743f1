//! Dead letters through a pipeline's stages once more.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::build::{BuildError, Pipeline, Surroundings};
use super::run::{ACTION_CLOSES, Asked, PipelineError};
use super::stages::{Stages, text_of};
use crate::avro::{Decoded, Decoder, RegistrySetupError, SchemaRegistry};
use crate::dead_letter::Letter;
use crate::delivery::{Delivery, FailureLimits, FailureMode, PartitionEpoch};
use crate::event::{DropReason, Envelope, Outcome, Record, Route, Stage};
use crate::kafka::{OutgoingRecord, Producer, is_about_the_record};
use crate::recipe::Recipe;

/// Takes dead letters through the filters, transforms and action of a recipe, one at a time, with its
/// retries. What fails again is stored as a dead letter of the next round.
pub struct Replayer {
    pipeline: Pipeline,
    stages: Stages,
    stop: CancellationToken,
}

/// What came of one letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// The action took it.
    Acted,
    /// A filter dropped it, or there was nothing to act on.
    Dropped(DropReason),
    /// It was sent to the topic that it came from.
    Sent,
    /// It failed, and its letter of the next round is stored.
    FailedAgain,
    /// This recipe cannot replay it, and nothing was done; the text says why.
    Refused(String),
    /// No event can be acted on any more: the replay has to end. The text says why.
    Broken(String),
    /// The replay was told to stop while the letter waited for its next attempt, for the registry, or
    /// for its store.
    Interrupted,
}

impl Replayer {
    /// Builds the stages of a recipe. A letter that fails again stops nothing, whatever the recipe says
    /// of failures. Cancelling `stop` interrupts what waits; an attempt that runs is finished.
    ///
    /// # Errors
    /// As [`Pipeline::build`].
    pub fn build(
        mut recipe: Recipe,
        surroundings: &Surroundings,
        stop: CancellationToken,
    ) -> Result<Self, BuildError> {
        recipe.delivery.failure_mode = FailureMode::Continue;
        recipe.delivery.failure_limits = FailureLimits::default();
        let pipeline = Pipeline::build(recipe, surroundings)?;
        let failure = Arc::new(OnceLock::new());
        let stages = Stages::new(Arc::clone(&pipeline.parts), || {}, stop.clone(), failure);
        Ok(Self { pipeline, stages, stop })
    }

    /// Waits until registry and dead-letter store are there. Returns as well when it was told to stop.
    ///
    /// # Errors
    /// If one of them does not answer in time.
    pub async fn prepare(&self) -> Result<(), PipelineError> {
        if let Asked::GaveUp { seconds, source } = self.pipeline.await_registry(&self.stop).await {
            return Err(PipelineError::Registry { seconds, source });
        }
        Ok(self.pipeline.await_dead_letters(&self.stop).await?)
    }

    /// Replays one letter. When it returns [`ReplayOutcome::Acted`], [`ReplayOutcome::Dropped`] or
    /// [`ReplayOutcome::FailedAgain`] the letter has come to its end, and must not be replayed again.
    pub async fn replay(&self, letter: &Letter) -> ReplayOutcome {
        let content = match replayable(letter, &self.pipeline.consumer.topics) {
            Ok(content) => content,
            Err(reason) => return ReplayOutcome::Refused(reason),
        };
        let outcome = match content {
            Replayable::Record(record, route) => self.run(delivery(record, letter, route), None).await,
            Replayable::Event(envelope) => {
                let record = Record {
                    position: envelope.position.clone(),
                    timestamp_ms: None,
                    key: None,
                    value: None,
                    headers: Vec::new(),
                };
                // The route is not looked at: there is nothing to decode.
                self.run(delivery(&record, letter, Route::PlatformEvent), Some(*envelope)).await
            }
        };
        match outcome {
            Some(Outcome::Acted(_)) => ReplayOutcome::Acted,
            Some(Outcome::Dropped(_, reason)) => ReplayOutcome::Dropped(reason),
            Some(Outcome::DeadLettered(..)) => ReplayOutcome::FailedAgain,
            Some(Outcome::Failed(_, _, message)) => ReplayOutcome::Broken(message),
            None => ReplayOutcome::Interrupted,
        }
    }

    /// Flushes and closes the action.
    pub async fn close(self) {
        self.pipeline.close_action(ACTION_CLOSES).await;
    }

    /// `None`: interrupted.
    async fn run(&self, delivery: Delivery, envelope: Option<Envelope>) -> Option<Outcome> {
        let work = async {
            match &envelope {
                Some(envelope) => self.stages.event_outcome(&delivery, envelope).await,
                None => self.stages.outcome(&delivery).await,
            }
        };
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::pin!(work);
        let ended = tokio::select! {
            biased;
            ended = &mut work => ended,
            () = self.stop.cancelled() => {
                // As when a partition is given up: whatever waits is put down, what runs is finished.
                delivery.epoch.drain();
                work.await
            }
        };
        match ended {
            Ok(outcome) => outcome.ok(),
            Err(panic) => {
                let message = format!("panicked: {}", text_of(&*panic));
                Some(Outcome::Failed(delivery.record.position.clone(), Stage::Action, message))
            }
        }
    }
}

/// What of a letter can be replayed.
pub(super) enum Replayable<'a> {
    /// The record that it came from, and its topic's route.
    Record(&'a Record, Route),
    /// Only the event.
    Event(Box<Envelope>),
}

/// What of a letter goes through a recipe that reads these topics, or why nothing does.
pub(super) fn replayable<'a>(
    letter: &'a Letter,
    topics: &[(String, Route)],
) -> Result<Replayable<'a>, String> {
    match &letter.record {
        Some(record) => Ok(Replayable::Record(record, route_of(topics, record)?)),
        None => Ok(Replayable::Event(Box::new(letter.envelope()?))),
    }
}

/// The record of a letter that goes back to its topic, or why it does not.
fn returnable<'a>(letter: &'a Letter, topics: &[(String, Route)]) -> Result<&'a Record, String> {
    let text = "the letter has no original record, only the event; replay it through the action";
    let record = letter.record.as_ref().ok_or(text)?;
    route_of(topics, record)?;
    Ok(record)
}

/// Whether the record of a letter may go back to its topic with a recipe that reads these topics, as far as that
/// can be known without sending it.
///
/// # Errors
/// Why the letter would be refused.
pub fn may_send_back(letter: &Letter, topics: &[(String, Route)]) -> Result<(), String> {
    returnable(letter, topics).map(drop)
}

/// Sends a letter's record back to the topic and partition that it came from, with the letter's id and
/// round in its headers. Only to topics that the recipe reads: a letter names its topic itself.
pub async fn send_back(letter: &Letter, producer: &Producer, topics: &[(String, Route)]) -> ReplayOutcome {
    let record = match returnable(letter, topics) {
        Ok(record) => record,
        Err(reason) => return ReplayOutcome::Refused(reason),
    };
    let headers = letter.headers_to_send_back();
    let outgoing = OutgoingRecord {
        topic: &record.position.source.topic,
        // The partition where the entity's other events are, whoever hashed its key.
        partition: Some(record.position.source.partition),
        timestamp_ms: record.timestamp_ms,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
    };
    match producer.send(&outgoing).await {
        Ok(()) => ReplayOutcome::Sent,
        Err(error) if is_about_the_record(&error) => {
            ReplayOutcome::Refused(format!("{} does not take this record: {error}", record.position.source))
        }
        Err(error) => ReplayOutcome::Broken(format!(
            "{} does not take the record {}: {error}",
            record.position.source, letter.lineage.id
        )),
    }
}

/// Decodes the records of letters, for a person to see what is in them.
pub struct LetterDecoder {
    decoder: Decoder,
    topics: Vec<(String, Route)>,
}

impl LetterDecoder {
    /// A decoder with the registry and the topics of a recipe.
    ///
    /// # Errors
    /// What is wrong with the registry's settings.
    pub fn new(recipe: &Recipe) -> Result<Self, RegistrySetupError> {
        let registry = SchemaRegistry::new(&recipe.registry)?;
        Ok(Self { decoder: Decoder::new(Arc::new(registry)), topics: recipe.consumer.topics.clone() })
    }

    /// The event in a letter, decoded as the pipeline would. Waits for the registry.
    ///
    /// # Errors
    /// Why there is none, for a person.
    pub async fn event_of(&self, letter: &Letter) -> Result<Envelope, String> {
        let Some(record) = &letter.record else { return letter.envelope() };
        let route = route_of(&self.topics, record)?;
        match self.decoder.decode(&route, record).await {
            Ok(Decoded::Event(envelope)) => Ok(*envelope),
            Ok(Decoded::Tombstone) => Err("the record has no value".to_owned()),
            Ok(Decoded::UnknownPlatformEvent { name }) => Err(format!("a platform event named {name}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn route_of(topics: &[(String, Route)], record: &Record) -> Result<Route, String> {
    let topic = &*record.position.source.topic;
    let found = topics.iter().find(|(known, _)| known == topic);
    found
        .map(|(_, route)| route.clone())
        .ok_or_else(|| format!("it came from the topic {topic}, which this recipe does not read"))
}

/// A letter's record on its way, with the letter's id and round in its headers: should it fail again,
/// it is known by them.
fn delivery(record: &Record, letter: &Letter, route: Route) -> Delivery {
    let record = letter.lineage.carried_by(record);
    let Record { position, .. } = &record;
    let epoch = PartitionEpoch::new(position.source.clone(), position.offset, Some(position.offset));
    Delivery { epoch: Arc::new(epoch), record, route }
}
