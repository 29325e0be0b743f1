//! The record in a dead-letter topic which says that a letter of that topic was replayed.
//!
//! A file beside the letters does for one machine; whoever replays a topic's letters may run on any. So what was
//! replayed is told where everybody finds it: behind the letter, in its own partition, so that retention, by
//! time or by size, takes the letter first.

use super::headers::FIRST_FAILURE;
use super::journal::Replayed;
use super::letter::LetterKey;
use super::lineage::{ID, ROUND, header};
use crate::event::{Header, Record};

/// The header that makes a record a receipt, with how the replay ended.
const REPLAYED: &str = "datahub_relay.replayed";

/// The key of a receipt: its own. A topic that is compacted keeps it no longer than `delete.retention.ms`, since
/// a null value deletes its key there, but it never takes the place of the letter.
pub fn receipt_key(of: &LetterKey) -> Vec<u8> {
    let LetterKey { id, round, first_failure } = of;
    format!("{REPLAYED}/{id}/{round}/{first_failure}").into_bytes()
}

/// The headers of a receipt. Its value is null.
pub fn receipt_headers(of: &LetterKey, replayed: Replayed) -> Vec<Header> {
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    vec![
        header(REPLAYED, replayed.as_str().to_owned()),
        header(ID, of.id.clone()),
        header(ROUND, of.round.to_string()),
        header(FIRST_FAILURE, of.first_failure.clone()),
    ]
}

/// Which letter a record says was replayed, and how that ended, if that is known; `None` if it is no receipt.
pub fn receipt_of(record: &Record) -> Option<(LetterKey, Option<Replayed>)> {
    let replayed = Replayed::of(header(record, REPLAYED)?);
    let key = LetterKey {
        id: header(record, ID)?.to_owned(),
        round: header(record, ROUND)?.parse().ok()?,
        first_failure: header(record, FIRST_FAILURE).unwrap_or_default().to_owned(),
    };
    Some((key, replayed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::tests::record;

    fn key() -> LetterKey {
        LetterKey { id: "g/t/0/1".to_owned(), round: 2, first_failure: "2026-01-01T00:00:00.000Z".to_owned() }
    }

    #[test]
    fn a_receipt_names_the_letter_that_was_replayed() {
        let headers = receipt_headers(&key(), Replayed::FailedAgain);
        assert_eq!(headers[0], ("datahub_relay.replayed".to_owned(), Some(b"failed_again".to_vec())));
        let receipt = Record { headers, value: None, ..record(7) };
        assert_eq!(receipt_of(&receipt), Some((key(), Some(Replayed::FailedAgain))));
        let of_the_framework = LetterKey { first_failure: String::new(), ..key() };
        let headers = receipt_headers(&of_the_framework, Replayed::Acted);
        assert_eq!(
            receipt_of(&Record { headers, ..record(7) }),
            Some((of_the_framework, Some(Replayed::Acted)))
        );
    }

    #[test]
    fn a_receipt_of_an_end_that_is_not_known_is_a_receipt_all_the_same() {
        let mut headers = receipt_headers(&key(), Replayed::Acted);
        headers[0].1 = Some(b"of a later version".to_vec());
        assert_eq!(receipt_of(&Record { headers, ..record(7) }), Some((key(), None)));
    }

    #[test]
    fn a_letter_is_no_receipt() {
        let headers = receipt_headers(&key(), Replayed::Acted)[1..].to_vec();
        assert_eq!(receipt_of(&Record { headers, ..record(7) }), None);
        assert_eq!(receipt_of(&record(7)), None);
    }

    #[test]
    fn receipts_of_two_rounds_have_two_keys() {
        assert_ne!(receipt_key(&key()), receipt_key(&LetterKey { round: 3, ..key() }));
    }
}
