//! What became of a record that was fed in, found out from what it left behind.
//!
//! Nothing here takes the pipeline's word: the action remembers what it took, the dead-letter file is
//! read, and what neither of them has must be an event that the recipe's filters do not want.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::QuickstartError;
use super::witness::Taken;
use crate::avro::{Decoded, Decoder};
use crate::cli::wording::Words;
use crate::embedded::FeedRecord;
use crate::event::{Envelope, Position, Record, Route};
use crate::filter::Filters;
use crate::transform::{Transformed, Transforms};

/// A record that was fed in, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Fed {
    pub(super) record: FeedRecord,
    pub(super) position: Position,
}

/// How a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The action took it.
    ActedOn,
    /// There was nothing to act on, or no filter wants it; why.
    Dropped(String),
    /// It is in the dead-letter file.
    DeadLettered,
    /// None of these: it should be somewhere and is not; where.
    Missing(&'static str),
}

/// Finds out what became of records, once their offsets are committed.
pub(super) struct FateFinder {
    /// A decoder beside the pipeline's.
    pub(super) decoder: Decoder,
    /// The recipe's filters.
    pub(super) filters: Filters,
    /// The recipe's transforms.
    pub(super) transforms: Transforms,
    /// The topics that carry platform events; all others carry change logs.
    pub(super) routes: Vec<(String, Route)>,
    /// What the action took.
    pub(super) taken: Arc<Taken>,
    /// The dead-letter file.
    pub(super) dead_letters: PathBuf,
}

/// What the quickstart reads of a line of the dead-letter file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Letter {
    error: LetterError,
    record: LetterRecord,
}

#[derive(Debug, Clone, Deserialize)]
struct LetterError {
    stage: String,
    message: String,
}

#[derive(Debug, Clone, Deserialize)]
struct LetterRecord {
    topic: String,
    partition: i32,
    offset: i64,
}

impl FateFinder {
    /// The record in words, and what became of it.
    pub(super) async fn find(&self, fed: &Fed, letters: &[Letter]) -> (Words, Fate) {
        let Fed { record, position } = fed;
        let route = self.routes.iter().find(|(topic, _)| **topic == *record.topic);
        let route = route.map_or(&Route::ChangeLog, |(_, route)| route);
        let key = record.key.as_deref();
        let decoded = self.decoder.decode(route, &as_received(fed)).await;
        let (words, otherwise) = match &decoded {
            Ok(Decoded::Event(envelope)) => (Words::of(envelope), self.if_not_taken(envelope)),
            Ok(Decoded::Tombstone) => {
                let fate = Fate::Dropped("it has no value".to_owned());
                (Words::of_key("tombstone", key, String::new()), fate)
            }
            Ok(Decoded::UnknownPlatformEvent { name }) => {
                let fate = Fate::Dropped("recipes have no name for it".to_owned());
                (Words::of_key("platform event", key, name.clone()), fate)
            }
            Err(_) => (
                Words::of_key("unreadable", key, String::new()),
                Fate::Missing("it cannot be decoded and is not among the dead letters"),
            ),
        };
        let fate = if self.taken.contains(position) {
            Fate::ActedOn
        } else if letters.iter().any(|letter| letter.is_of(position)) {
            Fate::DeadLettered
        } else {
            otherwise
        };
        (words, fate)
    }

    /// Every dead letter there is.
    ///
    /// # Errors
    /// If the file cannot be read, or holds a line that is no dead letter.
    pub(super) fn letters(&self) -> Result<Vec<Letter>, QuickstartError> {
        let path = &self.dead_letters;
        read_letters(path).map_err(|source| QuickstartError::DeadLetters { path: path.clone(), source })
    }

    fn if_not_taken(&self, envelope: &Envelope) -> Fate {
        if self.filters.matches(envelope) {
            return match self.transforms.apply(envelope) {
                Ok(Transformed::Dropped(_)) => Fate::Dropped("a transform lets it fall".to_owned()),
                _ => Fate::Missing("the filters want it, and the action never took it"),
            };
        }
        Fate::Dropped(if self.filters.wants_no(&envelope.event_type) {
            format!("the recipe does not name {}", envelope.event_type)
        } else {
            "no predicate matches".to_owned()
        })
    }
}

impl Letter {
    /// Where the record stands, at which stage it failed, and why.
    pub(super) fn line(&self) -> String {
        let LetterRecord { topic, partition, offset } = &self.record;
        let LetterError { stage, message } = &self.error;
        format!("{topic}[{partition}]@{offset}, stage {stage}: {message}")
    }

    fn is_of(&self, position: &Position) -> bool {
        *self.record.topic == *position.source.topic
            && self.record.partition == position.source.partition
            && self.record.offset == position.offset
    }
}

fn read_letters(path: &Path) -> std::io::Result<Vec<Letter>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    text.lines().map(|line| serde_json::from_str(line).map_err(std::io::Error::other)).collect()
}

/// The record as a consumer gets it.
fn as_received(fed: &Fed) -> Record {
    let FeedRecord { key, value, headers, timestamp_ms, .. } = fed.record.clone();
    Record { position: fed.position.clone(), timestamp_ms, key, value, headers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::{RegistrySettings, SchemaRegistry};
    use crate::embedded::{EmbeddedDatahub, Samples};
    use crate::event::TopicPartition;
    use crate::filter::FiltersConfig;

    fn wants(filter: &serde_json::Value) -> Filters {
        let config: FiltersConfig =
            serde_json::from_value(serde_json::json!([{ "filter": filter }])).unwrap();
        Filters::compile(&config, None)
    }

    fn finder(datahub: &EmbeddedDatahub, filters: Filters) -> FateFinder {
        let settings = RegistrySettings::at(vec![datahub.registry_url().parse().unwrap()]);
        FateFinder {
            decoder: Decoder::new(Arc::new(SchemaRegistry::new(&settings).unwrap())),
            filters,
            transforms: Transforms::default(),
            routes: vec![("PlatformEvent_v1".to_owned(), Route::PlatformEvent)],
            taken: Arc::default(),
            dead_letters: PathBuf::from("no-such-file"),
        }
    }

    fn tour() -> Vec<Fed> {
        let records = Samples::read().tour().into_iter().enumerate();
        records
            .map(|(index, record)| {
                let source = TopicPartition { topic: Arc::clone(&record.topic), partition: 0 };
                Fed { record, position: Position { source, offset: i64::try_from(index).unwrap() } }
            })
            .collect()
    }

    async fn fates(finder: &FateFinder, letters: &[Letter]) -> Vec<Fate> {
        let mut fates = Vec::new();
        for fed in tour() {
            fates.push(finder.find(&fed, letters).await.1);
        }
        fates
    }

    fn count(fates: &[Fate], wanted: impl Fn(&Fate) -> bool) -> usize {
        fates.iter().filter(|fate| wanted(fate)).count()
    }

    #[tokio::test]
    async fn a_wanted_event_that_the_action_never_took_is_missing() {
        let datahub = EmbeddedDatahub::start(1).unwrap();
        let finder = finder(&datahub, wants(&serde_json::json!({"EntityChangeEvent_v1": null})));
        let before = fates(&finder, &[]).await;
        let is_missing = |fate: &Fate| matches!(fate, Fate::Missing(text) if text.contains("never took it"));
        assert_eq!(count(&before, is_missing), 8, "every entity change of the samples: {before:?}");
        for fed in tour() {
            finder.taken.insert(&fed.position);
        }
        assert_eq!(count(&fates(&finder, &[]).await, is_missing), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_missing_unless_it_is_among_the_dead_letters() {
        let datahub = EmbeddedDatahub::start(1).unwrap();
        let finder = finder(&datahub, wants(&serde_json::json!({})));
        let before = fates(&finder, &[]).await;
        let is_missing = |fate: &Fate| matches!(fate, Fate::Missing(_));
        assert_eq!(count(&before, is_missing), 2);
        let letters: Vec<Letter> = tour()
            .iter()
            .zip(&before)
            .filter(|(_, fate)| is_missing(fate))
            .map(|(fed, _)| {
                let (topic, offset) = (&*fed.position.source.topic, fed.position.offset);
                let letter = serde_json::json!({"record": {"topic": topic, "partition": 0, "offset": offset},
                    "error": {"stage": "avro", "message": "cut"}});
                serde_json::from_value(letter).unwrap()
            })
            .collect();
        let after = fates(&finder, &letters).await;
        assert_eq!(count(&after, is_missing), 0);
        assert_eq!(count(&after, |fate| *fate == Fate::DeadLettered), 2);
    }

    #[tokio::test]
    async fn a_drop_says_why() {
        let datahub = EmbeddedDatahub::start(1).unwrap();
        let none = serde_json::json!({"EntityChangeEvent_v1": {"event": [{"category": "NONE"}]}});
        let fates = fates(&finder(&datahub, wants(&none)), &[]).await;
        for (why, expected) in [
            ("it has no value", 1),
            ("recipes have no name for it", 1),
            ("no predicate matches", 8),
            ("the recipe does not name RelationshipChangeEvent_v1", 2),
            ("the recipe does not name MetadataChangeLogEvent_v1", 11),
        ] {
            assert_eq!(
                count(&fates, |fate| *fate == Fate::Dropped(why.to_owned())),
                expected,
                "{why}: {fates:?}"
            );
        }
    }
}
