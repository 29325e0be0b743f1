//! Where logs end, looked up apart from reading them.
//!
//! librdkafka learns of a log's end from what it fetches. Where every fetch fails, a consumer that had caught up
//! looks as if nothing came any more; the look-up of offsets shows that something does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;

use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, partition_list};
use crate::kafka::look_ups::PartitionWatch;

/// The time-out of a look-up. All partitions are asked for in one request to each broker.
const REQUEST: Duration = Duration::from_secs(5);

/// Starts to look up, `every` so long, where the logs of partitions end: the offset behind the last record, or
/// behind the last one of a finished transaction where only those are read. The thread keeps `consumer` alive
/// until it has ended: for the time-out of a look-up that is under way, at most.
pub(super) fn watch_log_ends(
    consumer: Arc<RelayConsumer>,
    every: Duration,
) -> std::io::Result<PartitionWatch> {
    PartitionWatch::start("log ends", every, move |sources| {
        look_up(&consumer, sources)
            // What was found before still holds: no log ends earlier than it did while its topic lives.
            .inspect_err(|error| tracing::debug!(%error, "cannot look up where logs end, trying again"))
            .ok()
    })
}

/// No list that was obtained from the consumer outlives this: one would keep the consumer from closing.
fn look_up(
    consumer: &RelayConsumer,
    sources: &[TopicPartition],
) -> KafkaResult<HashMap<TopicPartition, i64>> {
    if sources.is_empty() {
        return Ok(HashMap::new());
    }
    let mut list = partition_list(sources);
    // In the place of a time this asks for the end.
    list.set_all_offsets(Offset::End)?;
    let list = consumer.offsets_for_times(list, REQUEST)?;
    let ends = list.elements().into_iter().filter_map(|element| {
        element.error().ok()?;
        let Offset::Offset(end) = element.offset() else { return None };
        Some((TopicPartition { topic: element.topic().into(), partition: element.partition() }, end))
    });
    Ok(ends.collect())
}
