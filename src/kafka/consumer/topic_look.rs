//! Looking at topics that cannot be read, or that may be others than those that were read: a thread that tries
//! them, so that the polling thread need not wait for answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::topic_watch::{Unreadable, UnreadableTopic};
use crate::event::TopicPartition;
use crate::kafka::client::{
    ConsumerError, RelayConsumer, RelayContext, StartError, onlooker_config, partition_count,
};
use crate::kafka::look_ups::{LookUps, committed_offsets};
use crate::kafka::source::ConsumerSettings;

/// How often the topics are tried.
const LOOK: Duration = Duration::from_secs(2);

/// The time-out of one question. A topic that can be read, and one that cannot, say so at once.
const ANSWER: Duration = Duration::from_secs(5);

/// The partition of a topic that is tried.
const FIRST: i32 = 0;

/// What the polling thread tells the one that looks.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    /// Topics that are there or were. One that is not there yet is waited for, which is no trouble.
    pub(super) existed: BTreeSet<Arc<str>>,
    /// Topics of which one partition was found to be another log than the one that was read.
    pub(super) suspected: BTreeSet<Arc<str>>,
    /// The assigned partitions of which Kafka has confirmed a commit, each with the number of its epoch.
    pub(super) committed: Vec<(TopicPartition, u64)>,
    /// The assigned partitions whose log was deleted, until the new one is begun.
    pub(super) deleted: Vec<TopicPartition>,
}

/// What one look has shown.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) unreadable: Vec<UnreadableTopic>,
    /// The epochs of topics of which Kafka has forgotten what it had confirmed, as it does when one is deleted. A broker may deny a topic for a while, or not know it yet: this is what shows that it was deleted.
    pub(super) forgotten: BTreeSet<u64>,
    /// Where the new logs of deleted ones begin and end.
    pub(super) new_logs: BTreeMap<TopicPartition, (i64, i64)>,
    /// Every topic can be read, and nothing is left to find out.
    over: bool,
}

/// A thread that looks, until nothing is left to find out or this is dropped.
#[derive(Debug)]
pub(super) struct Looking {
    pub(super) looks: Receiver<Look>,
    /// Dropping it ends the thread.
    _alive: Sender<()>,
}

impl Looking {
    /// # Errors
    /// If the operating system gives no thread.
    pub(super) fn start(settings: &ConsumerSettings, shared: Arc<Mutex<Known>>) -> std::io::Result<Self> {
        let (alive, ended) = bounded::<()>(0);
        let (tell, looks) = unbounded();
        let mut looker =
            Looker { settings: settings.clone(), client: None, unreadable: BTreeMap::new(), told: false };
        thread::Builder::new().name("topics".to_owned()).spawn(move || {
            loop {
                // Not held while it looks: that may take as long as a request does.
                let known = locked(&shared).clone();
                let look = looker.look(&known);
                if look.over {
                    locked(&shared).suspected.retain(|topic| !known.suspected.contains(topic));
                }
                let over = look.over;
                let ends = tell.send(look).is_err() || over;
                if ends || ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { looks, _alive: alive })
    }
}

/// What the thread is made of.
struct Looker {
    settings: ConsumerSettings,
    /// `None` until one could be made.
    client: Option<RelayConsumer>,
    /// What cannot be read, as far as that is known.
    unreadable: BTreeMap<Arc<str>, Unreadable>,
    /// It was said that something cannot be found out.
    told: bool,
}

impl Looker {
    /// Tries all topics. What cannot be found out about one stays as it was.
    fn look(&mut self, known: &Known) -> Look {
        let gone = |unreadable: &BTreeMap<Arc<str>, Unreadable>| -> BTreeSet<Arc<str>> {
            let gone = unreadable.iter().filter(|(_, why)| **why == Unreadable::Gone);
            gone.map(|(topic, _)| Arc::clone(topic)).collect()
        };
        // Also of one that has just come back: it may have gone a moment before the group's commits went.
        let mut was_gone = gone(&self.unreadable);
        let mut over = true;
        for (topic, _) in &self.settings.topics {
            let topic: Arc<str> = topic.as_str().into();
            match try_topic(&mut self.client, &self.settings, &topic) {
                Tried::Readable => drop(self.unreadable.remove(&topic)),
                // It may yet be created.
                Tried::Unreadable(Unreadable::Gone) if !known.existed.contains(&topic) => {}
                Tried::Unreadable(why) => drop(self.unreadable.insert(topic, why)),
                Tried::Unknown => over = false,
            }
        }
        was_gone.extend(gone(&self.unreadable));
        let forgotten = self.forgotten(known, &was_gone);
        let (new_logs, unanswered) = self.new_logs(known);
        let failed = forgotten.as_ref().err().or(unanswered.as_ref());
        over &= failed.is_none();
        match failed {
            Some(error) if !std::mem::replace(&mut self.told, true) => {
                tracing::warn!(
                    "cannot find out what has become of a topic that was deleted: {error}; trying again"
                );
            }
            Some(_) => {}
            None => self.told = false,
        }
        let unreadable: Vec<_> = self
            .unreadable
            .iter()
            .map(|(topic, why)| UnreadableTopic { topic: Arc::clone(topic), why: *why })
            .collect();
        let forgotten = forgotten.unwrap_or_default();
        over &= unreadable.is_empty() && forgotten.is_empty() && known.deleted.is_empty();
        Look { unreadable, forgotten, new_logs, over }
    }

    /// The epochs of topics in question, those that were `gone` and the suspected ones, of which Kafka has forgotten a
    /// commit. Where a topic was gone, one partition says it of all: others may have been committed once more, in the
    /// new log. Of a suspected one some have begun the new log already.
    fn forgotten(&self, known: &Known, gone: &BTreeSet<Arc<str>>) -> Result<BTreeSet<u64>, StartError> {
        let in_question = |topic: &Arc<str>| gone.contains(topic) || known.suspected.contains(topic);
        let asked: Vec<_> = known.committed.iter().filter(|(source, _)| in_question(&source.topic)).collect();
        let Some(consumer) = self.client.as_ref().filter(|_| !asked.is_empty()) else {
            return Ok(BTreeSet::new());
        };
        let sources: Vec<TopicPartition> = asked.iter().map(|(source, _)| source.clone()).collect();
        let committed = committed_offsets(consumer, &sources, ANSWER).map_err(|source| {
            StartError::LookUp { what: "the group's committed offsets".to_owned(), source }
        })?;
        let is_forgotten =
            |source: &TopicPartition| committed.get(source).is_some_and(|found| found.offset.is_none());
        let topics: BTreeSet<&Arc<str>> =
            sources.iter().filter(|source| is_forgotten(source)).map(|source| &source.topic).collect();
        let is_deleted = |source: &TopicPartition| {
            is_forgotten(source) || (gone.contains(&source.topic) && topics.contains(&source.topic))
        };
        Ok(asked.iter().filter(|(source, _)| is_deleted(source)).map(|(_, epoch)| *epoch).collect())
    }

    /// The limits of the logs that are there in the place of deleted ones, as far as Kafka says them, and what it said
    /// for another topic.
    fn new_logs(&self, known: &Known) -> (BTreeMap<TopicPartition, (i64, i64)>, Option<StartError>) {
        let (mut logs, mut failed) = (BTreeMap::new(), None);
        let Some(consumer) = &self.client else { return (logs, failed) };
        let topics: BTreeSet<&Arc<str>> = known.deleted.iter().map(|source| &source.topic).collect();
        for topic in topics.into_iter().filter(|topic| !self.unreadable.contains_key(*topic)) {
            // One that has no leader yet holds up no other.
            match new_logs_of(consumer, topic, &known.deleted) {
                Ok(limits) => logs.extend(limits),
                Err(error) => failed = Some(error),
            }
        }
        (logs, failed)
    }
}

/// The limits of those of the deleted logs of a topic that are there again.
fn new_logs_of(
    consumer: &RelayConsumer,
    topic: &Arc<str>,
    deleted: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, (i64, i64)>, StartError> {
    let look_ups = LookUps { consumer, stopped: &|| false, deadline: Instant::now() + ANSWER };
    // It may have fewer than before.
    let count = look_ups.partition_count(topic)?;
    let is_there = |source: &&TopicPartition| source.topic == *topic && source.partition < count;
    let sources: Vec<TopicPartition> = deleted.iter().filter(is_there).cloned().collect();
    let limits = look_ups.watermarks(&sources)?;
    Ok(sources.into_iter().zip(limits).collect())
}

pub(super) fn locked(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of trying a topic.
enum Tried {
    Readable,
    Unreadable(Unreadable),
    /// Kafka gave no answer that says one or the other.
    Unknown,
}

/// Tries to read the last record of a topic's first partition: Kafka lets a user read a topic, not a partition.
fn try_topic(client: &mut Option<RelayConsumer>, settings: &ConsumerSettings, topic: &str) -> Tried {
    let consumer = match client {
        Some(consumer) => consumer,
        None => match reader(settings) {
            Ok(consumer) => client.insert(consumer),
            Err(error) => {
                tracing::warn!("cannot find out which topic cannot be read, trying again: {error}");
                return Tried::Unknown;
            }
        },
    };
    // Nothing is assigned: what comes is a request for a token, if anything.
    drop(consumer.poll(Duration::ZERO));
    let Ok(metadata) = consumer.fetch_metadata(Some(topic), ANSWER) else { return Tried::Unknown };
    if let Err(error) = partition_count(&metadata, topic) {
        return judged(error).unwrap_or(Tried::Unknown);
    }
    let tried = try_partition(consumer, topic);
    if let Err(error) = consumer.unassign() {
        tracing::debug!(%error, "cannot give a topic back that was tried");
    }
    tried.unwrap_or(Tried::Unknown)
}

/// A client of the pipeline's own group, which it may read in, without joining it.
fn reader(settings: &ConsumerSettings) -> Result<RelayConsumer, ConsumerError> {
    let group = &settings.group_id;
    let mut config = onlooker_config(settings);
    // The end is what comes of a topic that can be read and holds nothing.
    config.set("group.id", group).set("enable.partition.eof", "true").set("fetch.message.max.bytes", "1024");
    config
        .create_with_context(RelayContext::new(group, settings)?.beside_a_consumer())
        .map_err(ConsumerError::Create)
}

fn try_partition(consumer: &RelayConsumer, topic: &str) -> KafkaResult<Tried> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, FIRST, Offset::OffsetTail(1))?;
    consumer.assign(&list)?;
    let deadline = Instant::now() + ANSWER;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(Tried::Readable),
            Some(Err(error)) => {
                if let Some(tried) = error.rdkafka_error_code().and_then(judged) {
                    return Ok(tried);
                }
            }
            None => {}
        }
    }
    Ok(Tried::Unknown)
}

/// Whether an error says that some topic cannot be read.
pub(super) fn is_about_a_topic(error: RDKafkaErrorCode) -> bool {
    matches!(judged(error), Some(Tried::Unreadable(_)))
}

/// What an error says of a topic; `None` if it is about something else.
fn judged(error: RDKafkaErrorCode) -> Option<Tried> {
    let why = match error {
        RDKafkaErrorCode::TopicAuthorizationFailed => Unreadable::Denied,
        // The last record was deleted. Whoever may not read is not told so much.
        RDKafkaErrorCode::AutoOffsetReset => return Some(Tried::Readable),
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Unreadable::Gone,
        _ => return None,
    };
    Some(Tried::Unreadable(why))
}
