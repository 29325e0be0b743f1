//! What a client receives, as a record of ours.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::unreadable::readable;
use crate::event::{Position, Record, TopicPartition};

/// The name, without a value, that stands for a header whose own name is not UTF-8.
const UNREADABLE_HEADER: &str = "(header whose name is not UTF-8)";

/// A copy of a message that outlives it.
pub(in crate::kafka) fn owned_record(message: &BorrowedMessage<'_>, source: &TopicPartition) -> Record {
    Record {
        position: Position { source: source.clone(), offset: message.offset() },
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: message.headers().map_or_else(Vec::new, owned_headers),
    }
}

fn owned_headers(headers: &impl Headers) -> Vec<(String, Option<Vec<u8>>)> {
    (0..headers.count())
        .map(|index| {
            let header = readable(|| {
                let header = headers.get(index);
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
            });
            header.unwrap_or_else(|| (UNREADABLE_HEADER.to_owned(), None))
        })
        .collect()
}
