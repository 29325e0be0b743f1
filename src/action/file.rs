//! The action that appends each event to a file.

use std::num::NonZeroU64;
use std::path::Path;

use async_trait::async_trait;

use super::build::{ActionBuildError, ActionContext};
use super::{Action, ActionError};
use crate::event::Envelope;
use crate::line_file::{Durability, LineFile, LineFileOptions, LineWriter, Rotation};

/// A typical event's JSON fits without growing the buffer.
const USUAL_LINE_BYTES: usize = 4096;

/// Appends one JSON line per event, `{"event_type", "event", "meta"}`, and only whole lines.
///
/// When [`Action::act`] returns, the operating system has the line: it survives the end of this
/// process, not that of the machine. A line may come again, as any event may.
#[derive(Debug)]
pub struct FileAction {
    writer: LineWriter,
}

impl FileAction {
    /// Opens the file, with the recipe's `(rotate_bytes, rotate_keep)`.
    ///
    /// # Errors
    /// If the file cannot be opened, or the rotation makes no sense.
    pub fn open(
        path: &Path,
        rotation: (Option<u64>, Option<u32>),
        context: ActionContext,
    ) -> Result<Self, ActionBuildError> {
        let pipeline = context.pipeline;
        let rotation = match rotation {
            (None, None) => None,
            (None, Some(_)) => return Err(ActionBuildError::KeepWithoutRotation { pipeline }),
            (Some(bytes), keep) => match NonZeroU64::new(bytes) {
                Some(after_bytes) => Some(Rotation { after_bytes, keep }),
                None => return Err(ActionBuildError::RotateAtZero { pipeline }),
            },
        };
        let options =
            LineFileOptions { durability: Durability::Process, private: false, rotation, owner: None };
        match LineFile::open(path, options).and_then(|file| LineWriter::start(file, "file-action")) {
            Ok(writer) => Ok(Self { writer }),
            Err(source) => Err(ActionBuildError::OpenFile { pipeline, path: path.to_owned(), source }),
        }
    }

    fn cannot_write(&self, error: &dyn std::fmt::Display) -> ActionError {
        let message = format!("cannot write to {}: {error}", self.writer.path().display());
        ActionError::retryable(message)
    }
}

#[async_trait]
impl Action for FileAction {
    async fn act(&self, event: &Envelope) -> Result<(), ActionError> {
        let mut line = Vec::with_capacity(USUAL_LINE_BYTES);
        serde_json::to_writer(&mut line, event).map_err(|error| {
            ActionError::permanent(format!("the event cannot be written as JSON: {error}"))
        })?;
        line.push(b'\n');
        // Not written here: another process may hold the file's lock, or the disk may hang, for as long
        // as they like, and the lanes of all pipelines share a few threads.
        self.writer.append(line).await.map_err(|error| self.cannot_write(&error))
    }

    async fn close(&self) -> Result<(), ActionError> {
        self.writer.sync().await.map_err(|error| self.cannot_write(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Map, Value};

    use super::*;
    use crate::event::{Event, EventType, Position, TopicPartition};

    fn event(partition: i32, offset: i64) -> Envelope {
        let source = TopicPartition { topic: Arc::from("PlatformEvent_v1"), partition };
        let event = Event::Object(Map::from_iter([("entityUrn".to_owned(), Value::from("urn:li:é\n"))]));
        Envelope::new(EventType::EntityChange, event, Position { source, offset })
    }

    fn context() -> ActionContext {
        ActionContext { pipeline: Arc::from("to_file") }
    }

    fn lines(path: &Path) -> Vec<Value> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn each_event_is_one_json_line_and_is_there_when_act_returns() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/events.jsonl");
        let action = FileAction::open(&path, (None, None), context()).unwrap();
        action.act(&event(0, 1)).await.unwrap();
        assert_eq!(lines(&path), [serde_json::to_value(event(0, 1)).unwrap()]);
        action.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn lanes_write_at_once_and_no_lines_mix() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let action = Arc::new(FileAction::open(&path, (None, None), context()).unwrap());
        let lanes: Vec<_> = (0..8)
            .map(|lane| {
                let action = Arc::clone(&action);
                tokio::spawn(async move {
                    for offset in 0..100 {
                        action.act(&event(lane, offset)).await.unwrap();
                    }
                })
            })
            .collect();
        for lane in lanes {
            lane.await.unwrap();
        }
        let mut offsets = [0; 8];
        for line in lines(&path) {
            let kafka = &line["meta"]["kafka"];
            let next = &mut offsets[kafka["partition"].as_u64().unwrap() as usize];
            assert_eq!(kafka["offset"].as_i64().unwrap(), *next, "each lane's events are in their order");
            *next += 1;
        }
        assert_eq!(offsets, [100; 8]);
    }

    #[tokio::test]
    async fn a_file_that_somebody_else_holds_locked_does_not_block_the_runtime() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let action = Arc::new(FileAction::open(&path, (None, None), context()).unwrap());
        let holder = fs::File::open(&path).unwrap();
        holder.lock().unwrap();
        let acting = tokio::spawn({
            let action = Arc::clone(&action);
            async move { action.act(&event(0, 1)).await }
        });
        // On a runtime of one thread this comes back only if that thread is free.
        let waited = tokio::time::timeout(Duration::from_millis(50), async {
            while !acting.is_finished() {
                tokio::task::yield_now().await;
            }
        });
        assert!(waited.await.is_err(), "the lock is held");
        holder.unlock().unwrap();
        acting.await.unwrap().unwrap();
        assert_eq!(lines(&path).len(), 1);
    }

    #[tokio::test]
    async fn lines_that_share_a_write_do_not_make_a_file_longer_than_it_may_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.jsonl");
        let length = serde_json::to_vec(&event(0, 10)).unwrap().len() as u64 + 1;
        let action = FileAction::open(&path, (Some(3 * length), None), context()).unwrap();
        let holder = fs::File::open(&path).unwrap();
        holder.lock().unwrap();
        let events: Vec<_> = (10..30).map(|offset| event(0, offset)).collect();
        let all = futures_util::future::join_all(events.iter().map(|event| action.act(event)));
        let (written, ()) = futures_util::future::join(all, async { holder.unlock().unwrap() }).await;
        assert!(written.iter().all(Result::is_ok));
        let files = fs::read_dir(directory.path()).unwrap();
        let lengths: Vec<u64> = files.map(|file| file.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(lengths.iter().sum::<u64>(), 20 * length);
        assert!(lengths.iter().all(|found| *found <= 3 * length), "{lengths:?}");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_worth_a_retry_and_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume/events.jsonl");
        let action = FileAction::open(&path, (None, None), context()).unwrap();
        let volume = path.parent().unwrap();
        fs::remove_dir_all(volume).unwrap();
        fs::write(volume, "in the way").unwrap();
        let error = loop {
            if let Err(error) = action.act(&event(0, 1)).await {
                break error;
            }
        };
        assert!(matches!(error, ActionError::Retryable { .. }) && error.to_string().contains("events.jsonl"));
        fs::remove_file(volume).unwrap();
        action.act(&event(0, 1)).await.unwrap();
        assert_eq!(lines(&path).len(), 1);
    }

    #[test]
    fn a_rotation_that_makes_no_sense_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |rotation| {
            FileAction::open(&directory.path().join("events.jsonl"), rotation, context())
                .unwrap_err()
                .to_string()
        };
        assert!(refused((Some(0), None)).contains("`rotate_bytes`"));
        assert!(refused((None, Some(3))).contains("needs `rotate_bytes`"));
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = FileAction::open(directory.path(), (None, None), context()).unwrap_err().to_string();
        assert!(error.contains(&directory.path().display().to_string()), "{error}");
    }
}
