//! Where an event goes that could not be processed, so that nothing is lost.

//!
//! A letter goes to a [`FileStore`] or, with `dead_letter_topic`, to a [`TopicStore`]. Both keep the
//! original bytes. [`Lineage`] tells letters apart, and says how often an event has been replayed.

mod file_store;
mod files;
mod headers;
mod journal;
mod letter;
mod line;
mod lineage;
mod receipt;
#[cfg(test)]
mod read_back_tests;
#[cfg(test)]
mod tests;
mod topic_store;

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::event::{Envelope, Record, Stage};

pub use file_store::FileStore;
pub use files::{LetterFiles, base_of};
pub use journal::{Journal, JournalError, Replayed};
pub use letter::{Letter, LetterError, LetterKey, LetterPlace, Unreadable};
pub use lineage::Lineage;
pub use receipt::{receipt_headers, receipt_key, receipt_of};
pub use topic_store::TopicStore;

/// Somewhere dead letters are kept.
#[async_trait]
pub trait DeadLetterStore: Send + Sync + 'static {
    /// Stores one dead letter. When it returns `Ok` the letter survives a crash of the machine, and
    /// the event's offset may be committed. Called by several lanes at once; after an error the same
    /// letter is handed in again, so a store must not leave half of it behind.
    ///
    /// # Errors
    /// Why it could not be stored; the partition waits and readiness shows the text.
    async fn store(&self, letter: &DeadLetter<'_>) -> Result<(), StoreError>;

    /// Where letters go, for who looks at one that takes long.
    fn place(&self) -> StorePlace;

    /// Whether letters can be stored, as far as that can be known without storing one. Asked before a
    /// pipeline reads anything.
    ///
    /// # Errors
    /// Why they can't. It is asked again for a while, and then the pipeline does not start.
    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Where a store keeps its letters, as an operator knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// The file at this path.
    File(PathBuf),
    /// The topic of this name.
    Topic(String),
}

impl StorePlace {
    /// What to look at when the store neither takes a letter nor refuses it.
    pub fn what_may_hang(&self) -> &'static str {
        match self {
            Self::File(_) => "see whether its disk hangs, or another process holds the lock of the file",
            Self::Topic(_) => "see that its brokers answer, and that enough of its replicas are in sync",
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Topic(topic) => write!(f, "the topic {topic}"),
        }
    }
}

/// An event that could not be processed, with everything that is known about it.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// Its id, and how often it has failed.
    pub lineage: &'a Lineage,
    /// The original bytes and where they stood.
    pub record: &'a Record,
    /// The event, where the record could be decoded.
    pub envelope: Option<&'a Envelope>,
    /// What went wrong.
    pub failure: &'a Failure,
}

/// What went wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stage that failed.
    pub stage: Stage,
    /// A short name of the kind of error, stable over versions, such as `truncated`.
    pub class: &'static str,
    /// What happened, for a person, without secrets.
    pub message: String,
    /// The status of the HTTP answer that refused the event, if it was one.
    pub http_status: Option<u16>,
    /// How many attempts were made, the first included.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_at: SystemTime,
    /// When the last attempt failed.
    pub last_at: SystemTime,
}

/// Why a dead letter could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory could not be written or synced.
    #[error("cannot store a dead letter in {path}: {source}; free space or mend the permissions")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The topic did not take the letter, or could not be asked.
    #[error(
        "cannot store a dead letter in the topic {topic}: {source}; see that the brokers are there and that this user may write to it"
    )]
    Topic {
        /// The topic.
        topic: String,
        /// What Kafka said.
        source: rdkafka::error::KafkaError,
    },
    /// There is no such topic, and the brokers do not create it by themselves.
    #[error(
        "there is no topic {topic} for dead letters; create it (kafka-topics.sh --create --topic {topic}), or correct dead_letter_topic"
    )]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// Kafka does not let this user write to the topic.
    #[error(
        "cannot store a dead letter in the topic {topic}: {source}; allow this client's user WRITE on the topic {topic} (before Kafka 2.8 also IDEMPOTENT_WRITE on the cluster)"
    )]
    MayNotWrite {
        /// The topic.
        topic: String,
        /// What Kafka said.
        source: rdkafka::error::KafkaError,
    },
    /// The producer could not be made.
    #[error("no producer for dead letters: {0}")]
    Producer(crate::kafka::ConsumerError),
}

impl StoreError {
    /// The same, said of a letter that waits until its store takes it.
    pub fn while_waiting(&self) -> String {
        format!("{self}; the pipeline goes on by itself once this is mended")
    }
}

/// In UTC, to the millisecond; `None` for a clock beyond the years that can be written.
fn rfc3339(time: SystemTime) -> Option<String> {
    let timestamp = jiff::Timestamp::try_from(time).ok()?;
    Some(format!("{timestamp:.3}"))
}
