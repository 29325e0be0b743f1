//! What a client receives, as a record of ours.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use crate::event::{Position, Record, TopicPartition};

/// A copy of a message that outlives it.
pub(in crate::kafka) fn owned_record(message: &BorrowedMessage<'_>, source: &TopicPartition) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Record {
        position: Position { source: source.clone(), offset: message.offset() },
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
