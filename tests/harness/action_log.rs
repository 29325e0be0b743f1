//! What the program did, read from the files that survive its death: the `file` action's lines and
//! the dead letters.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use base64::Engine;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The place of a record in Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// One line of the `file` action: an event that was acted on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Acted {
    pub(crate) event_type: String,
    pub(crate) event: serde_json::Value,
    meta: Meta,
}

#[derive(Debug, Clone, Deserialize)]
struct Meta {
    kafka: Place,
}

impl Acted {
    /// Where the event came from.
    pub(crate) fn place(&self) -> &Place {
        &self.meta.kafka
    }

    /// Whether the event is the one that was fed at its place. What a cut record was taken for may be
    /// anything.
    pub(crate) fn is_what_was_fed(&self) -> bool {
        let field = |pointer: &str| self.event.pointer(pointer)?.as_str().map(str::to_owned);
        let sequence = match self.event_type.as_str() {
            "MetadataChangeLogEvent_v1" => field("/aspect/value")
                .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
                .and_then(|aspect| aspect["sequence"].as_i64()),
            "EntityChangeEvent_v1" => field("/parameters/sequence").and_then(|text| text.parse().ok()),
            _ => field("/properties/sequence").and_then(|text| text.parse().ok()),
        };
        self.event[self.entity_field()].is_string() && sequence == Some(self.place().offset)
    }

    /// The entity that the event is about.
    pub(crate) fn entity(&self) -> &str {
        self.event[self.entity_field()].as_str().expect("every event that is fed names its entity")
    }

    fn entity_field(&self) -> &'static str {
        if self.event_type == "RelationshipChangeEvent_v1" { "sourceUrn" } else { "entityUrn" }
    }

    /// The offset that the feeder wrote into the event itself.
    pub(crate) fn sequence(&self) -> i64 {
        let text =
            |value: &serde_json::Value| value.as_str().expect("a text that the feeder wrote").to_owned();
        let sequence = match self.event_type.as_str() {
            "MetadataChangeLogEvent_v1" => {
                let aspect: serde_json::Value =
                    serde_json::from_str(&text(&self.event["aspect"]["value"])).expect("JSON in the aspect");
                return aspect["sequence"].as_i64().expect("the feeder's sequence number");
            }
            "EntityChangeEvent_v1" => text(&self.event["parameters"]["sequence"]),
            _ => text(&self.event["properties"]["sequence"]),
        };
        sequence.parse().expect("the feeder's sequence number")
    }
}

/// One line of `failed_events.log`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeadLetter {
    pub(crate) event: serde_json::Value,
    pub(crate) error: DeadLetterError,
    pub(crate) record: DeadRecord,
}

/// What went wrong, as a dead letter says it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeadLetterError {
    pub(crate) stage: String,
    pub(crate) class: String,
    pub(crate) attempts: u32,
}

/// The original record in a dead letter.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeadRecord {
    #[serde(flatten)]
    pub(crate) place: Place,
    value: Option<String>,
}

impl DeadRecord {
    /// The record's original bytes.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        let text = self.value.as_ref()?;
        Some(base64::engine::general_purpose::STANDARD.decode(text).expect("dead letters hold base64"))
    }
}

/// The lines of a file that grows, read as far as they are whole: the last one may be torn where
/// the process that wrote it was killed.
pub(crate) struct LineLog<T> {
    path: PathBuf,
    read_to: u64,
    torn: Vec<u8>,
    lines: Vec<T>,
}

/// The `file` action's log.
pub(crate) type ActionLog = LineLog<Acted>;
/// `failed_events.log`.
pub(crate) type DeadLetterLog = LineLog<DeadLetter>;

impl<T: DeserializeOwned> LineLog<T> {
    /// The log at `path`, which need not exist yet.
    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_to: 0, torn: Vec::new(), lines: Vec::new() }
    }

    /// Every whole line so far, those of earlier calls included.
    ///
    /// # Panics
    /// If a whole line is not what this log holds: a torn line must not stand before another one.
    pub(crate) fn read(&mut self) -> &[T] {
        let new = self.take_new();
        self.lines.extend(new);
        &self.lines
    }

    /// The whole lines that came since the last call, which are not kept here.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub(crate) fn take_new(&mut self) -> Vec<T> {
        let mut lines = Vec::new();
        let Ok(mut file) = File::open(&self.path) else {
            return lines;
        };
        let length = file.metadata().expect("an open file has a length").len();
        if length < self.read_to + self.torn.len() as u64 {
            // The program cut a torn line off when it started again: only that may ever shrink.
            assert!(length >= self.read_to, "{} lost whole lines", self.path.display());
            self.torn.clear();
        }
        // Read what is torn anew: a restarted program may have replaced it.
        file.seek(SeekFrom::Start(self.read_to)).expect("a file can be sought");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("the log can be read");
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in bytes[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            lines.push(serde_json::from_slice(line).unwrap_or_else(|error| {
                panic!("{}: {error}: {}", self.path.display(), String::from_utf8_lossy(line))
            }));
        }
        self.read_to += whole as u64;
        self.torn = bytes.split_off(whole);
        lines
    }
}
