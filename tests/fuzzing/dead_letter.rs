//! A dead letter as it is read back: the first byte chooses between a line of `failed_events.log` and a
//! record of a topic, the rest is any bytes.

use std::path::PathBuf;
use std::sync::Arc;

use datahub_relay::dead_letter::{Letter, LetterPlace, Unreadable};
use datahub_relay::event::{Header, Position, Record, TopicPartition};

/// What is read is a letter with something to replay, and what is sent back says which letter it
/// was; what is not read says why and where.
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
            // It may be no event of ours, but then it says so.
            let _ = letter.envelope().is_err_and(|reason| {
                assert!(!reason.is_empty());
                true
            });
            let sent_back = letter.headers_to_send_back();
            assert!(sent_back.iter().any(|(key, value)| {
                key == "datahub_relay.id" && value.as_deref() == Some(letter.lineage.id.as_bytes())
            }));
            assert_eq!(letter.key(), letter.clone().key());
        }
        Err(error) => assert!(error.to_string().contains("is no dead letter"), "{error}"),
    }
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
