//! Where logs end, looked up apart from reading them.
//!
//! librdkafka learns of a log's end from what it fetches. Where every fetch fails, a consumer that had caught up
//! looks as if nothing came any more; the look-up of offsets shows that something does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;

use crate::event::TopicPartition;
use crate::kafka::client::{RelayConsumer, partition_list};

/// The time-out of a look-up. All partitions are asked for in one request to each broker.
const REQUEST: Duration = Duration::from_secs(5);

/// Looks up where the logs of partitions end, on a thread of its own, for as long as it lives.
#[derive(Debug)]
pub(super) struct LogEnds {
    wanted: Arc<Mutex<Vec<TopicPartition>>>,
    found: Arc<Mutex<HashMap<TopicPartition, i64>>>,
    /// Dropping it ends the thread.
    _alive: Sender<()>,
}

impl LogEnds {
    /// Starts to look, `every` so long. The thread keeps `consumer` alive until it has ended: for the time-out
    /// of a look-up that is under way, at most.
    pub(super) fn watch(consumer: Arc<RelayConsumer>, every: Duration) -> std::io::Result<Self> {
        let (alive, ended) = bounded::<()>(0);
        let (wanted, found) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<HashMap<_, _>>>::default());
        let (sources, ends) = (Arc::clone(&wanted), Arc::clone(&found));
        thread::Builder::new().name("log ends".to_owned()).spawn(move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let asked = sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match look_up(&consumer, &asked) {
                    Ok(mut found) => {
                        // Some may have been forgotten meanwhile. Held until it is written: none goes in between.
                        let wanted = sources.lock().unwrap_or_else(PoisonError::into_inner);
                        found.retain(|source, _| wanted.contains(source));
                        *ends.lock().unwrap_or_else(PoisonError::into_inner) = found;
                    }
                    // What was found before still holds: no log ends earlier than it did while its topic lives.
                    Err(error) => tracing::debug!(%error, "cannot look up where logs end, trying again"),
                }
            }
        })?;
        Ok(Self { wanted, found, _alive: alive })
    }

    /// The partitions that are assigned now.
    pub(super) fn want(&self, sources: Vec<TopicPartition>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    /// These partitions are given up. When one comes back, its topic may be another of the same name, whose log
    /// ends earlier.
    pub(super) fn forget(&self, given_up: &[TopicPartition]) {
        self.wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|source| !given_up.contains(source));
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|source, _| !given_up.contains(source));
    }

    /// Where a partition's log ended when it was last looked up: the offset behind its last record, or behind
    /// the last one of a finished transaction where only those are read.
    pub(super) fn of(&self, source: &TopicPartition) -> Option<i64> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(source).copied()
    }
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
