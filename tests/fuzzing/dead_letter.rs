//! A dead letter as it is read back: the first byte chooses between a line of `failed_events.log` and a
//! record of a topic, the rest is any bytes.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datahub_relay::dead_letter::{Letter, LetterPlace, Unreadable};
use datahub_relay::event::{Header, Position, Record, TopicPartition};
use serde_json::{Value, json};

/// What is read is a letter with something to replay, is read as the same when it is written again, and what is
/// sent back says which letter it was; what is not read says why and where.
pub(crate) fn check(data: &[u8]) {
    let [choice, rest @ ..] = data else { return };
    if choice % 2 == 0 {
        let place = LetterPlace::Line(Arc::new(PathBuf::from("failed_events.log")), 7);
        assert_letter(Letter::of_line(rest, place));
    } else {
        assert_letter(Letter::of_record(record(rest)));
    }
}

fn assert_letter(read: Result<Letter, Unreadable>) {
    match read {
        Ok(letter) => {
            assert!(letter.event.is_some() || letter.record.is_some(), "there is nothing to replay");
            if matches!(letter.place, LetterPlace::Line(..)) {
                let again = Letter::of_line(line_of(&letter).to_string().as_bytes(), letter.place.clone());
                assert_eq!(again.as_ref(), Ok(&letter), "it reads otherwise again");
            }
            assert_event(&letter);
            if let Some(record) = &letter.record {
                assert_sent_back(&letter, record);
            }
        }
        Err(error) => assert!(error.to_string().contains("is no dead letter"), "{error}"),
    }
}

/// A letter as a line, written by nobody who knows how it is read.
fn line_of(letter: &Letter) -> Value {
    let base64 = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
    let headers = |record: &Record| -> Vec<Value> {
        let headers = record.headers.iter();
        headers.map(|(key, value)| json!({ "key": key, "value": base64(value) })).collect()
    };
    let record = letter.record.as_ref().map(|record| {
        let Position { source, offset } = &record.position;
        json!({
            "topic": source.topic, "partition": source.partition, "offset": offset,
            "timestamp": record.timestamp_ms, "key": base64(&record.key), "value": base64(&record.value),
            "headers": headers(record),
        })
    });
    let part = |name: &str| letter.event.as_ref().map(|event| event[name].clone());
    let error = &letter.error;
    json!({
        "event_type": part("event_type"), "event": part("event"), "meta": part("meta"),
        "pipeline": letter.pipeline, "id": letter.lineage.id, "round": letter.lineage.round,
        "error": {
            "stage": error.stage, "class": error.class, "message": error.message,
            "http_status": error.http_status, "attempts": error.attempts,
            "first_at": error.first_at, "last_at": error.last_at,
        },
        "record": record,
    })
}

/// The event of a letter is one of ours that reads the same when it is written again, or it says why it is none.
fn assert_event(letter: &Letter) {
    match letter.envelope() {
        Ok(envelope) => {
            let event = serde_json::to_value(&envelope).expect("an event is JSON");
            let event_type = event["event_type"].as_str().map(str::to_owned);
            let again = Letter { event_type, event: Some(event), ..letter.clone() };
            assert_eq!(again.envelope(), Ok(envelope), "the event reads otherwise again");
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

/// What goes back to the topic that it came from is the record, and says which letter it was.
fn assert_sent_back(letter: &Letter, record: &Record) {
    let sent_back = Record { headers: letter.headers_to_send_back(), ..record.clone() };
    let again = Letter::of_record(sent_back).expect("what is sent back names its letter");
    assert_eq!((again.key(), &again.lineage), (letter.key(), &letter.lineage));
    assert_eq!((&again.pipeline, &again.error.last_at), (&letter.pipeline, &letter.error.last_at));
    let kept = again.record.expect("a record stays one");
    let whole = |record: &Record| (record.timestamp_ms, record.key.clone(), record.value.clone());
    assert_eq!(whole(&kept), whole(record));
    let own = |record: &Record| -> Vec<Header> {
        record.headers.iter().filter(|(key, _)| !key.starts_with("datahub_relay.")).cloned().collect()
    };
    assert_eq!(own(&kept), own(record));
}

/// A record whose value and headers are what stands between the line feeds: value, key, value, key …
fn record(data: &[u8]) -> Record {
    let mut parts = data.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let value = parts.next();
    let mut headers: Vec<Header> = Vec::new();
    while let Some(key) = parts.next() {
        headers.push((String::from_utf8_lossy(&key).into_owned(), parts.next()));
    }
    let source = TopicPartition { topic: "letters".into(), partition: 0 };
    Record { position: Position { source, offset: 3 }, timestamp_ms: None, key: None, value, headers }
}
