//! The headers of a dead letter in a topic.

use std::borrow::Cow;

use super::lineage::{ID, ROUND, is_ours};
use super::{DeadLetter, rfc3339};
use crate::event::Header;

/// No header that is added is longer.
const LONGEST_BYTES: usize = 4096;

pub(super) const PIPELINE: &str = "datahub_relay.pipeline";
pub(super) const ATTEMPTS: &str = "datahub_relay.attempts";
pub(super) const FIRST_FAILURE: &str = "datahub_relay.first_failure";
pub(super) const LAST_FAILURE: &str = "datahub_relay.last_failure";
pub(super) const EVENT_TYPE: &str = "datahub_relay.event_type";
pub(super) const STAGE: &str = "datahub_relay.stage";
pub(super) const CLASS: &str = "datahub_relay.class";
pub(super) const MESSAGE: &str = "datahub_relay.message";
pub(super) const HTTP_STATUS: &str = "datahub_relay.http_status";
const SCHEMA_ID: &str = "datahub_relay.schema_id";

/// Kafka Connect's header with the topic, by which its letters are known; tools for dead letters look for them.
const CONNECT_TOPIC: &str = "__connect.errors.topic";
/// The framework's header with the partition, by which its letters are known.
pub(super) const FRAMEWORK_PARTITION: &str = "datahub.source.partition";
pub(super) const FRAMEWORK_PIPELINE: &str = "datahub.pipeline";
pub(super) const FRAMEWORK_ERROR: &str = "datahub.error";

/// What a replay needs: whose letter it is, which it is, and whether its value is an event or a record.
const NEEDED: [&str; 5] = [ID, ROUND, PIPELINE, FIRST_FAILURE, EVENT_TYPE];

/// The headers of one letter: those the record had, then those that are added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LetterHeaders {
    all: Vec<Header>,
    /// How many of them the record had.
    kept: usize,
}

impl LetterHeaders {
    /// The record's own headers in their order, without this program's of an earlier round; then Kafka
    /// Connect's and the framework's, unless an earlier round left them; then this program's.
    pub(super) fn of(letter: &DeadLetter<'_>) -> Self {
        let mut all: Vec<Header> =
            letter.record.headers.iter().filter(|header| !is_ours(header)).cloned().collect();
        let kept = all.len();
        // By a name that each writes: a producer's own header may well begin with `datahub.`.
        let has = |name: &str| all[..kept].iter().any(|(key, _)| key == name);
        let (has_connects, has_frameworks) = (has(CONNECT_TOPIC), has(FRAMEWORK_PARTITION));
        let mut add = |key: &str, value: Cow<'_, str>| {
            all.push((key.to_owned(), Some(cut(&value).as_bytes().to_vec())));
        };
        let failure = letter.failure;
        let position = &letter.record.position;
        let (partition, offset) = (position.source.partition.to_string(), position.offset.to_string());
        if !has_connects {
            let stage = failure.stage.as_str();
            add(CONNECT_TOPIC, (&*position.source.topic).into());
            add("__connect.errors.partition", partition.as_str().into());
            add("__connect.errors.offset", offset.as_str().into());
            add("__connect.errors.connector.name", letter.pipeline.into());
            add("__connect.errors.task.id", "0".into());
            add("__connect.errors.stage", stage.into());
            add("__connect.errors.class.name", format!("datahub_relay.{stage}").into());
            add("__connect.errors.exception.class.name", failure.class.into());
            add("__connect.errors.exception.message", failure.message.as_str().into());
        }
        if !has_frameworks {
            add(FRAMEWORK_PIPELINE, letter.pipeline.into());
            add(FRAMEWORK_PARTITION, partition.into());
            add("datahub.source.offset", offset.into());
            add(FRAMEWORK_ERROR, format!("{}: {}", failure.class, failure.message).into());
        }
        add(PIPELINE, letter.pipeline.into());
        if let Some(envelope) = letter.envelope {
            add(EVENT_TYPE, envelope.event_type.as_str().into());
        }
        add(ATTEMPTS, failure.attempts.to_string().into());
        for (key, time) in [(FIRST_FAILURE, failure.first_at), (LAST_FAILURE, failure.last_at)] {
            if let Some(time) = rfc3339(time) {
                add(key, time.into());
            }
        }
        if has_connects {
            // Those of the first round stay as they were, so this round's error needs a place.
            add(STAGE, failure.stage.as_str().into());
            add(CLASS, failure.class.into());
            add(MESSAGE, failure.message.as_str().into());
        }
        if let Some(id) = schema_id(letter.record.value.as_deref()) {
            add(SCHEMA_ID, id.to_string().into());
        }
        if let Some(status) = failure.http_status {
            add(HTTP_STATUS, status.to_string().into());
        }
        add(ID, letter.lineage.id.as_str().into());
        add(ROUND, letter.lineage.round.to_string().into());
        Self { all, kept }
    }

    /// All of them, in their order.
    pub(super) fn all(&self) -> &[Header] {
        &self.all
    }

    /// Takes away the longest header that was added, but none of those that a replay needs.
    pub(super) fn drop_longest_added(&mut self) {
        let length = |(_, value): &Header| value.as_ref().map_or(0, Vec::len);
        let added = self.all.iter().enumerate().skip(self.kept);
        let droppable = added.filter(|(_, (key, _))| !NEEDED.contains(&key.as_str()));
        if let Some((longest, _)) = droppable.max_by_key(|(_, header)| length(header)) {
            self.all.remove(longest);
        }
    }
}

/// Cuts a text at [`LONGEST_BYTES`], between two characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_BYTES)]
}

/// The id of the writer's schema, where the value begins with a wire header.
fn schema_id(value: Option<&[u8]>) -> Option<u32> {
    match value? {
        [0, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::Lineage;
    use crate::dead_letter::tests::{failure, record};
    use crate::event::{Envelope, Event};

    fn headers(headers: Vec<Header>, message: &str) -> LetterHeaders {
        let record = crate::event::Record { headers, value: Some(vec![0, 0, 0, 1, 2, 3]), ..record(9) };
        let lineage = Lineage::of("g", &record);
        let failure = failure(message);
        let letter = DeadLetter {
            pipeline: "p",
            lineage: &lineage,
            record: &record,
            envelope: None,
            failure: &failure,
        };
        LetterHeaders::of(&letter)
    }

    fn text(headers: &LetterHeaders) -> Vec<(&str, Option<&str>)> {
        headers
            .all()
            .iter()
            .map(|(key, value)| {
                (key.as_str(), value.as_deref().map(|value| std::str::from_utf8(value).unwrap()))
            })
            .collect()
    }

    #[test]
    fn the_records_headers_come_first_and_every_named_one_follows() {
        let own = vec![
            ("trace".to_owned(), Some(b"a".to_vec())),
            ("trace".to_owned(), None),
            ("empty".to_owned(), Some(Vec::new())),
        ];
        let headers = headers(own, "it broke");
        let expected = [
            ("trace", Some("a")),
            ("trace", None),
            ("empty", Some("")),
            ("__connect.errors.topic", Some("PlatformEvent_v1")),
            ("__connect.errors.partition", Some("3")),
            ("__connect.errors.offset", Some("9")),
            ("__connect.errors.connector.name", Some("p")),
            ("__connect.errors.task.id", Some("0")),
            ("__connect.errors.stage", Some("avro")),
            ("__connect.errors.class.name", Some("datahub_relay.avro")),
            ("__connect.errors.exception.class.name", Some("truncated")),
            ("__connect.errors.exception.message", Some("it broke")),
            ("datahub.pipeline", Some("p")),
            ("datahub.source.partition", Some("3")),
            ("datahub.source.offset", Some("9")),
            ("datahub.error", Some("truncated: it broke")),
            ("datahub_relay.pipeline", Some("p")),
            ("datahub_relay.attempts", Some("2")),
            ("datahub_relay.first_failure", Some("2023-11-14T22:13:21.000Z")),
            ("datahub_relay.last_failure", Some("2023-11-14T22:13:23.500Z")),
            ("datahub_relay.schema_id", Some("258")),
            ("datahub_relay.id", Some("g/PlatformEvent_v1/3/9")),
            ("datahub_relay.round", Some("1")),
        ];
        assert_eq!(text(&headers), expected);
    }

    #[test]
    fn in_a_later_round_only_ours_are_replaced() {
        let first = headers(vec![("trace".to_owned(), None)], "first").all().to_vec();
        let second = headers(first, "second");
        let second = text(&second);
        let all = |name: &str| -> Vec<_> {
            second.iter().filter(|(key, _)| *key == name).filter_map(|(_, value)| *value).collect()
        };
        assert_eq!(all("__connect.errors.exception.message"), ["first"]);
        assert_eq!(all("datahub.error"), ["truncated: first"]);
        assert_eq!(all("datahub_relay.message"), ["second"]);
        assert_eq!(all("datahub_relay.round"), ["2"]);
        assert_eq!(all("datahub_relay.id"), ["g/PlatformEvent_v1/3/9"]);
        assert_eq!(second[0], ("trace", None));
    }

    #[test]
    fn a_header_of_the_record_that_only_begins_like_theirs_keeps_none_of_them_away() {
        let own = ["datahub.tenant", "datahub.source.team", "__connect.errors.note"];
        let had = own.map(|key| (key.to_owned(), Some(b"own".to_vec()))).to_vec();
        let mut expected = headers(Vec::new(), "it broke").all().to_vec();
        expected.splice(..0, had.iter().cloned());
        assert_eq!(headers(had, "it broke").all(), expected);
    }

    #[test]
    fn an_added_header_is_cut_between_characters_and_the_longest_is_the_first_to_go() {
        let mut headers = headers(vec![("own".to_owned(), Some(vec![1; 9000]))], &"é".repeat(3000));
        let longest = headers.all()[1..].iter().map(|(_, value)| value.as_ref().unwrap().len()).max();
        assert_eq!(longest, Some(4096));
        let before = headers.all().len();
        headers.drop_longest_added();
        assert_eq!(headers.all().len(), before - 1);
        assert_eq!(headers.all()[0].0, "own", "what the record had is not ours to drop");
    }

    #[test]
    fn what_a_replay_needs_is_not_dropped_however_long_it_is() {
        let record = record(9);
        let lineage = Lineage { id: "g".repeat(300), round: 12 };
        let failure = failure("no");
        let position = record.position.clone();
        let event_type = crate::event::EventType::Other("e".repeat(200).into());
        let envelope = Envelope::new(event_type, Event::Object(serde_json::Map::new()), position);
        let letter = DeadLetter {
            pipeline: &"p".repeat(400),
            lineage: &lineage,
            record: &record,
            envelope: Some(&envelope),
            failure: &failure,
        };
        let mut headers = LetterHeaders::of(&letter);
        for _ in 0..headers.all().len() {
            headers.drop_longest_added();
        }
        let (own, added) = headers.all().split_at(record.headers.len());
        assert_eq!(own, record.headers);
        let left: Vec<&str> = added.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(left, [PIPELINE, EVENT_TYPE, FIRST_FAILURE, ID, ROUND]);
    }
}
