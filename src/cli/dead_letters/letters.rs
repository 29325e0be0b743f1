//! The letters of a recipe or a file, one after the other.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{CommandError, SourceArgs};
use crate::dead_letter::{Letter, LetterFiles, Unreadable, receipt_of};
use crate::event::{Record, Route};
use crate::kafka::{ConsumerSettings, LogReader, Onlooker, Reach, Reading, Stretch};
use crate::recipe::Recipe;

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads letters: first those of the topic, then those of the file, which also has what was too large
/// for the topic.
pub(super) struct Letters {
    topic: Option<TopicLetters>,
    files: Option<LetterFiles>,
    places: String,
}

impl Letters {
    /// Opens what the arguments name. Blocks.
    pub(super) fn open(args: &SourceArgs, recipe: Option<&Recipe>) -> Result<Self, CommandError> {
        if let Some(file) = &args.file {
            let files = open_files(file)?;
            return Ok(Self { topic: None, files: Some(files), places: file.display().to_string() });
        }
        let Some(recipe) = recipe else {
            return Ok(Self { topic: None, files: None, places: String::new() });
        };
        let topic = recipe.consumer.dead_letter_topic.as_ref();
        let topic_letters = topic.map(|topic| TopicLetters::open(recipe, topic).map_err(CommandError::Said));
        let file = recipe.delivery.failed_events_file(&recipe.name);
        // A pipeline that has never failed has no file, which is as good as an empty one.
        let files = match LetterFiles::open(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened.map_err(|error| unreadable(&file, &error))?),
        };
        let in_topic = topic.map(|topic| format!("the topic {topic} and ")).unwrap_or_default();
        let places = format!("{in_topic}{}", file.display());
        Ok(Self { topic: topic_letters.transpose()?, files, places })
    }

    /// Where they are looked for.
    pub(super) fn places(&self) -> &str {
        &self.places
    }

    /// The next letter, or what stands where one should; `None` at the end.
    pub(super) async fn next_letter(&mut self) -> Result<Option<Result<Letter, Unreadable>>, CommandError> {
        if let Some(topic) = &mut self.topic {
            match topic.next_letter().await.map_err(CommandError::Said)? {
                Some(letter) => return Ok(Some(letter)),
                None => self.topic = None,
            }
        }
        let Some(files) = &mut self.files else { return Ok(None) };
        files.next_letter().map_err(|error| CommandError::Said(format!("cannot read the letters: {error}")))
    }

    /// How much was read, and how much there is, in a unit of its own.
    pub(super) fn progress(&self) -> (u64, u64) {
        match (&self.topic, &self.files) {
            (Some(topic), _) => (topic.read, topic.total),
            (None, Some(files)) => files.progress(),
            (None, None) => (0, 0),
        }
    }
}

/// The settings of a client that looks at a recipe's dead-letter topic.
pub(super) fn topic_settings(recipe: &Recipe, topic: &str) -> ConsumerSettings {
    // The route says nothing here: a letter's headers do.
    let topics = vec![(topic.to_owned(), Route::PlatformEvent)];
    ConsumerSettings { topics, ..recipe.consumer.clone() }
}

/// What a topic held when it was opened: letters, and receipts of letters.
pub(super) struct TopicLetters {
    topic: String,
    reader: LogReader,
    read: u64,
    total: u64,
}

impl TopicLetters {
    pub(super) fn open(recipe: &Recipe, topic: &str) -> Result<Self, String> {
        let settings = topic_settings(recipe, topic);
        let onlooker =
            Onlooker::connect(&recipe.name, &settings, PATIENCE).map_err(|error| error.to_string())?;
        if let Some(error) = onlooker.topics().iter().find_map(|topic| topic.partitions.err()) {
            return Err(format!("cannot read the dead letters in the topic {topic}: {error}"));
        }
        // Not where the pipeline's group stands: that takes a permission which reading letters does not need.
        let stretches = onlooker.whole_logs().map_err(|error| error.to_string())?;
        let total =
            stretches.iter().filter_map(|Stretch { from, until, .. }| Some((*until)? - from)).sum::<i64>();
        let reader = LogReader::start(&recipe.name, &settings, stretches, Reach::Everything)
            .map_err(|error| error.to_string())?;
        Ok(Self { topic: topic.to_owned(), reader, read: 0, total: u64::try_from(total).unwrap_or(0) })
    }

    async fn next_letter(&mut self) -> Result<Option<Result<Letter, Unreadable>>, String> {
        while let Some(record) = self.next_record().await? {
            if receipt_of(&record).is_none() {
                return Ok(Some(Letter::of_record(record)));
            }
        }
        Ok(None)
    }

    /// The next record, whatever it is; `None` at the end.
    pub(super) async fn next_record(&mut self) -> Result<Option<Record>, String> {
        let topic = &self.topic;
        loop {
            let reading = tokio::time::timeout(PATIENCE, self.reader.next());
            match reading.await {
                Ok(Some(Reading::Record(_, record))) => {
                    self.read += 1;
                    return Ok(Some(record));
                }
                Ok(Some(Reading::Ended(_))) => {}
                Ok(Some(Reading::Trouble(error))) => tracing::warn!(topic, %error, "waiting for Kafka"),
                Ok(Some(Reading::Failed(error))) => {
                    return Err(format!("cannot read the dead letters in the topic {topic}: {error}"));
                }
                Ok(None) => return Ok(None),
                Err(_) => {
                    return Err(format!("the topic {topic} gave nothing for {} s", PATIENCE.as_secs()));
                }
            }
        }
    }
}

fn open_files(path: &Path) -> Result<LetterFiles, CommandError> {
    LetterFiles::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::Said(format!("cannot read the dead letters in {}: {error}", path.display()))
}
