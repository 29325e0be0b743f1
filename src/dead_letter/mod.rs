//! Where an event goes that could not be processed, so that nothing is lost.

mod file_store;
mod line;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use async_trait::async_trait;

use crate::event::{Envelope, Record, Stage};

pub use file_store::FileStore;

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
}

/// An event that could not be processed, with everything that is known about it.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
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
    #[error(
        "cannot store a dead letter in {path}: {source}; free space or mend the permissions, the pipeline goes on by itself"
    )]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
