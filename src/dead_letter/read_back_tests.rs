//! What is stored is what is read back, whichever store it was.

use std::path::PathBuf;
use std::sync::Arc;

use super::headers::LetterHeaders;
use super::line::line_of;
use super::tests::{failure, record};
use super::{DeadLetter, Failure, Letter, LetterPlace, Lineage};
use crate::event::{Envelope, Event, EventType, Header, Position, Record, Stage, TopicPartition};

fn refused() -> Failure {
    let stage = Stage::Action;
    Failure { stage, class: "permanent", http_status: Some(422), attempts: 4, ..failure("é: no") }
}

/// The record and the failure, through the file and through the topic.
fn read_back(record: &Record, failure: &Failure) -> [Letter; 2] {
    let lineage = Lineage::of("g", record);
    let letter = DeadLetter { pipeline: "p", lineage: &lineage, record, envelope: None, failure };
    let line = line_of(&letter).unwrap();
    let of_line = Letter::of_line(&line, LetterPlace::Line(Arc::new(PathBuf::from("f")), 1)).unwrap();
    let source = TopicPartition { topic: "letters".into(), partition: 1 };
    let headers = LetterHeaders::of(&letter).all().to_vec();
    let stored = Record { position: Position { source, offset: 5 }, headers, ..record.clone() };
    [of_line, Letter::of_record(stored).unwrap()]
}

#[test]
fn a_letter_is_read_back_as_it_was_stored() {
    for key in [None, Some(Vec::new()), Some(vec![0xff])] {
        let record = Record { key, ..record(9) };
        for letter in read_back(&record, &refused()) {
            assert_eq!((letter.lineage.id.as_str(), letter.lineage.round), ("g/PlatformEvent_v1/3/9", 1));
            assert_eq!(letter.pipeline.as_deref(), Some("p"));
            let error = &letter.error;
            assert_eq!(
                (error.stage.as_str(), error.class.as_str(), error.message.as_str(), error.attempts),
                ("action", "permanent", "é: no", 4)
            );
            assert_eq!(error.http_status, Some(422));
            assert_eq!(error.first_at.as_deref(), Some("2023-11-14T22:13:21.000Z"));
            assert_eq!(error.last_at.as_deref(), Some("2023-11-14T22:13:23.500Z"));
            let read = letter.record.as_ref().unwrap();
            assert_eq!((&read.position, read.timestamp_ms), (&record.position, record.timestamp_ms));
            assert_eq!((&read.key, &read.value), (&record.key, &record.value));
            let own = |(key, _): &&Header| !key.starts_with("datahub") && !key.starts_with("__connect");
            let headers: Vec<&Header> = read.headers.iter().filter(own).collect();
            assert_eq!(headers, record.headers.iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn what_fails_again_has_the_same_id_one_round_more_and_its_own_failure() {
    for first in read_back(&record(9), &refused()) {
        let replayed = first.lineage.carried_by(first.record.as_ref().unwrap());
        let again = Failure { stage: Stage::Filter, attempts: 1, http_status: None, ..failure("again") };
        for second in read_back(&replayed, &again) {
            assert_eq!((&second.lineage.id, second.lineage.round), (&first.lineage.id, 2));
            let error = &second.error;
            assert_eq!(
                (error.stage.as_str(), error.message.as_str(), error.attempts, error.http_status),
                ("filter", "again", 1, None)
            );
            assert_ne!(second.key(), first.key());
            assert_eq!(second.record.as_ref().unwrap().value, first.record.as_ref().unwrap().value);
        }
    }
}

#[test]
fn a_line_of_an_unknown_place_is_known_by_what_it_says() {
    let line = |text: &str| {
        Letter::of_line(
            format!(r#"{{"event_type":"E","event":{{"a":"{text}"}},"meta":{{}}}}"#).as_bytes(),
            LetterPlace::Line(Arc::default(), 1),
        )
        .unwrap()
        .lineage
        .id
    };
    assert_eq!(line("x"), line("x"));
    assert_ne!(line("x"), line("y"));
    assert!(line("x").starts_with("framework/event/"));
}

/// A record as the Python framework writes it to its dead-letter topic.
fn of_the_framework(value: &str) -> Record {
    let header = |key: &str, value: &str| (key.to_owned(), Some(value.as_bytes().to_vec()));
    let headers = vec![
        header("datahub.pipeline", "tags"),
        header("datahub.source.partition", "2"),
        header("datahub.source.offset", "41"),
        header("datahub.error", "ValueError: no"),
    ];
    let key = Some(b"PlatformEvent_v1:2:41".to_vec());
    Record { key, value: Some(value.as_bytes().to_vec()), headers, ..record(3) }
}

#[test]
fn a_letter_that_the_framework_sent_to_a_topic_has_its_event_and_no_record() {
    let value = r#"{"event_type":"EntityChangeEvent_v1","event":{"entityUrn":"u","version":0},"meta":{"kafka":{"topic":"PlatformEvent_v1","partition":2,"offset":41}}}"#;
    let letter = Letter::of_record(of_the_framework(value)).unwrap();
    assert_eq!((letter.lineage.id.as_str(), letter.lineage.round), ("framework/PlatformEvent_v1/2/41", 1));
    assert_eq!((letter.pipeline.as_deref(), letter.error.message.as_str()), (Some("tags"), "ValueError: no"));
    assert_eq!((letter.event_type.as_deref(), &letter.record), (Some("EntityChangeEvent_v1"), &None));
    let envelope = letter.envelope().unwrap();
    assert_eq!(envelope.position.to_string(), "PlatformEvent_v1[2]@41");
    let no_letter = Letter::of_record(of_the_framework("Avro, or anything")).unwrap_err();
    assert!(no_letter.to_string().contains("nor the framework's headers and event"), "{no_letter}");
}

#[test]
fn a_record_that_could_not_be_decoded_is_a_record_although_it_looks_like_a_letter_of_the_framework() {
    let value = r#"{"event_type":"EntityChangeEvent_v1","event":{"entityUrn":"u","version":0},"meta":{}}"#;
    let bare = Record { value: Some(value.as_bytes().to_vec()), ..record(9) };
    for record in [bare, of_the_framework(value)] {
        for letter in read_back(&record, &failure("no wire header")) {
            assert_eq!((&letter.event, &letter.event_type), (&None, &None));
            let read = letter.record.as_ref().unwrap();
            assert_eq!((&read.key, &read.value), (&record.key, &record.value));
        }
    }
}

#[test]
fn an_event_of_the_framework_that_failed_again_is_an_event_in_the_topic_too() {
    let event = r#"{"entityUrn":"u","version":0}"#;
    let payload = serde_json::from_str(event).unwrap();
    let nothing = Record { key: None, value: None, headers: Vec::new(), ..record(9) };
    let envelope = Envelope::new(EventType::EntityChange, Event::Object(payload), nothing.position.clone());
    let lineage = Lineage { id: "framework/PlatformEvent_v1/3/9".to_owned(), round: 2 };
    let failure = failure("again");
    let letter = DeadLetter {
        pipeline: "p",
        lineage: &lineage,
        record: &nothing,
        envelope: Some(&envelope),
        failure: &failure,
    };
    let headers = LetterHeaders::of(&letter).all().to_vec();
    let value = Some(serde_json::to_vec(&envelope).unwrap());
    let read = Letter::of_record(Record { headers, value, ..record(5) }).unwrap();
    assert_eq!((&read.lineage, &read.record), (&lineage, &None));
    assert_eq!(read.event_type.as_deref(), Some("EntityChangeEvent_v1"));
    assert_eq!(read.envelope().unwrap().position, nothing.position);
}

/// An event as deep as a platform event's payload may be: this many objects in each other.
fn deep_event(levels: usize) -> Envelope {
    let deep = (1..levels).fold(serde_json::json!(0), |inner, _| serde_json::json!({"a": inner}));
    let payload = serde_json::Map::from_iter([("deep".to_owned(), deep)]);
    Envelope::new(EventType::EntityChange, Event::Object(payload), record(9).position)
}

#[test]
fn an_event_as_deep_as_can_be_decoded_can_be_read_back() {
    let payload = |levels| serde_json::to_vec(&deep_event(levels).event.to_object()).unwrap();
    let is_json = |levels| serde_json::from_slice::<serde_json::Value>(&payload(levels)).is_ok();
    assert!(is_json(127) && !is_json(128), "the deepest payload has 127 levels");
    let (envelope, failure, lineage) = (deep_event(127), refused(), Lineage::of("g", &record(9)));
    // One of the framework's has no bytes of a record: its event is all there is.
    for value in [record(9).value, None] {
        let record = Record { value, ..record(9) };
        let letter = DeadLetter {
            pipeline: "p",
            lineage: &lineage,
            record: &record,
            envelope: Some(&envelope),
            failure: &failure,
        };
        let line = line_of(&letter).unwrap();
        let read = Letter::of_line(&line, LetterPlace::Line(Arc::default(), 1)).unwrap();
        assert_eq!(read.event, Some(serde_json::to_value(&envelope).unwrap()));
    }
    let value = serde_json::to_string(&envelope).unwrap();
    let of_topic = Letter::of_record(of_the_framework(&value)).unwrap();
    assert_eq!(of_topic.envelope().unwrap().event, envelope.event);
}
