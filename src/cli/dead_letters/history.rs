//! What was replayed before, and where it is noted: in a journal beside the letters' file, and for the letters
//! of a topic in that topic as well, where every machine finds it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::letters::{TopicLetters, topic_settings};
use super::{CommandError, SourceArgs, printable};
use crate::dead_letter::{
    Journal, Letter, LetterKey, LetterPlace, Replayed, base_of, receipt_headers, receipt_key, receipt_of,
};
use crate::event::Position;
use crate::kafka::{OutgoingRecord, Producer, SoleMember, SoleMemberError};
use crate::recipe::Recipe;

/// The group whose only member may replay the letters of a topic.
fn replaying_group(recipe: &Recipe) -> String {
    format!("{}.replaying", recipe.consumer.group_id)
}

/// What was replayed before, for a command that replays nothing.
pub(super) struct Replays {
    journal: HashMap<LetterKey, Replayed>,
    receipts: HashMap<LetterKey, Option<Replayed>>,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It was not replayed.
    Pending,
    /// It was replayed: acted on, sent to its topic, or stored as a letter of the next round.
    Replayed,
    /// It was replayed, and a filter or a transform dropped it, or there was nothing to act on.
    Dropped,
}

impl State {
    /// As a list shows it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }
}

impl Replays {
    /// Reads the journal, and the topic of the letters if they have one.
    pub(super) async fn read(
        args: &SourceArgs,
        recipe: Option<&Recipe>,
        journal_dir: Option<&Path>,
    ) -> Result<Self, CommandError> {
        let journal = match journal_path(args, recipe, journal_dir) {
            Some(path) => Journal::read(&path)
                .map_err(|error| CommandError::Said(format!("cannot read {}: {error}", path.display())))?,
            None => HashMap::new(),
        };
        let receipts = match topic_of(args, recipe) {
            Some((recipe, topic)) => receipts_in(recipe, topic).await?,
            None => HashMap::new(),
        };
        Ok(Self { journal, receipts })
    }

    /// Whether this letter was replayed.
    pub(super) fn has(&self, key: &LetterKey) -> bool {
        self.state(key) != State::Pending
    }

    /// What became of this letter.
    pub(super) fn state(&self, key: &LetterKey) -> State {
        let of_journal = self.journal.get(key).copied().map(Some);
        match of_journal.or_else(|| self.receipts.get(key).copied()) {
            None => State::Pending,
            Some(Some(Replayed::Dropped)) => State::Dropped,
            Some(_) => State::Replayed,
        }
    }
}

/// What was replayed before, for the one process that goes on with it.
pub(super) struct History {
    journal: Journal,
    receipts: Option<Receipts>,
}

/// The receipts in the letters' topic.
struct Receipts {
    topic: String,
    known: HashSet<LetterKey>,
    producer: Producer,
    /// `None` where Kafka does not let this user see who else replays.
    sole_member: Option<SoleMember>,
}

impl History {
    /// Takes the journal and, for the letters of a topic, makes sure that no other machine replays them. Blocks
    /// while it joins the group for that, until `stop`.
    ///
    /// # Errors
    /// If another replay is under way, or either cannot be read.
    pub(super) async fn open(
        args: &SourceArgs,
        recipe: &Recipe,
        journal_dir: Option<&Path>,
        stop: &CancellationToken,
    ) -> Result<Self, CommandError> {
        let path = journal_path(args, Some(recipe), journal_dir)
            .ok_or_else(|| CommandError::said("a journal needs a directory: give --journal-dir"))?;
        let of_recipe = || recipe.delivery.failed_events_file(&recipe.name);
        let letters = args.file.clone().unwrap_or_else(of_recipe);
        let journal = Journal::open(&path, &letters).map_err(CommandError::said)?;
        let receipts = match topic_of(args, Some(recipe)) {
            Some((recipe, topic)) => Some(Receipts::open(recipe, topic, stop).await?),
            None => None,
        };
        Ok(Self { journal, receipts })
    }

    /// Whether this letter was replayed before, here or on another machine.
    pub(super) fn has(&self, key: &LetterKey) -> bool {
        self.journal.outcome_of(key).is_some()
            || self.receipts.as_ref().is_some_and(|receipts| receipts.known.contains(key))
    }

    /// Notes that a letter was replayed; returns once disk and topic have it.
    ///
    /// # Errors
    /// If one of them does not take it: the replay must stop, since it could repeat what it did.
    pub(super) async fn note(&mut self, letter: &Letter, replayed: Replayed) -> Result<(), CommandError> {
        let key = letter.key();
        self.journal.note(key.clone(), replayed).map_err(CommandError::said)?;
        self.give_receipt(letter, key, replayed).await
    }

    /// Gives the receipt of a letter that was replayed on this machine, where the topic did not take it then.
    pub(super) async fn catch_up(&mut self, letter: &Letter) -> Result<(), CommandError> {
        let key = letter.key();
        match self.journal.outcome_of(&key) {
            Some(replayed) => self.give_receipt(letter, key, replayed).await,
            None => Ok(()),
        }
    }

    async fn give_receipt(
        &mut self,
        letter: &Letter,
        key: LetterKey,
        replayed: Replayed,
    ) -> Result<(), CommandError> {
        // A letter of the file is on this machine alone, and so is what is said of it.
        match (&mut self.receipts, &letter.place) {
            (Some(receipts), LetterPlace::Record(place)) => receipts.give(place, key, replayed).await,
            _ => Ok(()),
        }
    }

    /// Why the replay may not go on: another machine may have begun one.
    pub(super) fn is_lost(&self) -> Option<&'static str> {
        let member = self.receipts.as_ref()?.sole_member.as_ref()?;
        member.is_lost().then_some(
            "Kafka has not heard of this process for too long, and another replay may begin; start it again",
        )
    }
}

impl Receipts {
    async fn open(recipe: &Recipe, topic: &str, stop: &CancellationToken) -> Result<Self, CommandError> {
        let (settings, group) = (topic_settings(recipe, topic), replaying_group(recipe));
        let sole_member = match SoleMember::join(&settings, &group, &|| stop.is_cancelled()) {
            Ok(member) => Some(member),
            Err(error @ SoleMemberError::Unseen { .. }) => {
                tracing::warn!("start no other replay of these letters meanwhile: {error}");
                None
            }
            Err(error @ SoleMemberError::Taken { .. }) => {
                return Err(CommandError::Said(format!(
                    "another replay of these letters is under way: {error}; wait for its end (one that was killed counts for 10 s)"
                )));
            }
            Err(error) => return Err(CommandError::said(error)),
        };
        let producer = Producer::new(&recipe.consumer, &recipe.name).map_err(CommandError::said)?;
        // Behind the join: whatever another replay did before is there.
        let known = receipts_in(recipe, topic).await?.into_keys().collect();
        Ok(Self { topic: topic.to_owned(), known, producer, sole_member })
    }

    async fn give(
        &mut self,
        place: &Position,
        key: LetterKey,
        replayed: Replayed,
    ) -> Result<(), CommandError> {
        if self.known.contains(&key) {
            return Ok(());
        }
        let receipt = OutgoingRecord {
            topic: &self.topic,
            partition: Some(place.source.partition),
            timestamp_ms: None,
            key: Some(&receipt_key(&key)),
            value: None,
            headers: &receipt_headers(&key, replayed),
        };
        self.producer.send(&receipt).await.map_err(|error| {
            CommandError::Said(format!(
                "the letter {} was replayed and is in the journal of this machine, but its topic {} does not take the receipt by which others would know: {error}; start the replay again here once it does",
                printable(&key.id),
                self.topic
            ))
        })?;
        self.known.insert(key);
        Ok(())
    }
}

/// The topic that the letters are read from, if any.
fn topic_of<'a>(args: &SourceArgs, recipe: Option<&'a Recipe>) -> Option<(&'a Recipe, &'a str)> {
    let recipe = recipe.filter(|_| args.file.is_none())?;
    Some((recipe, recipe.consumer.dead_letter_topic.as_deref()?))
}

/// The letters of which a topic says that they were replayed, and how that ended, if that is known.
async fn receipts_in(
    recipe: &Recipe,
    topic: &str,
) -> Result<HashMap<LetterKey, Option<Replayed>>, CommandError> {
    // On a thread of its own: a replay that is stopped while brokers do not answer leaves its group at once.
    let (of, named) = (recipe.clone(), topic.to_owned());
    let opening = tokio::task::spawn_blocking(move || TopicLetters::open(&of, &named));
    let mut records = opening.await.map_err(CommandError::said)?.map_err(CommandError::Said)?;
    let mut known = HashMap::new();
    while let Some(record) = records.next_record().await.map_err(CommandError::Said)? {
        known.extend(receipt_of(&record));
    }
    Ok(known)
}

/// Where what was replayed is noted on this machine: beside the file, or in `directory`.
fn journal_path(args: &SourceArgs, recipe: Option<&Recipe>, directory: Option<&Path>) -> Option<PathBuf> {
    let file_of = |recipe: &Recipe| recipe.delivery.failed_events_file(&recipe.name);
    let file = args.file.as_deref().map(base_of).or_else(|| recipe.map(file_of))?;
    let beside = Journal::beside(&file);
    match (directory, beside.file_name()) {
        (Some(directory), Some(name)) => Some(directory.join(name)),
        _ => Some(beside),
    }
}
