//! Topics that cannot be read any more: they were deleted, or this user may not read them any longer.
//!
//! librdkafka says so once, in an error that names no topic, and its statistics show neither that nor the end of
//! it. So every topic is tried by itself, by a client that joins no group, until all can be read again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, unbounded};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::poll_loop::PollLoop;
use super::screen::Screen;
use crate::delivery::Processor;
use crate::kafka::client::{ConsumerError, RelayConsumer, RelayContext, onlooker_config, partition_count};
use crate::kafka::source::ConsumerSettings;

/// How often the topics are tried.
const LOOK: Duration = Duration::from_secs(2);

/// The wait after a look at a topic that has gone or come back and could not be looked at: nothing is polled during
/// one.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The time-out of one question. A topic that can be read, and one that cannot, say so at once.
const ANSWER: Duration = Duration::from_secs(5);

/// The partition of a topic that is tried.
const FIRST: i32 = 0;

/// A topic that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableTopic {
    /// Its name.
    pub topic: Arc<str>,
    /// Why not.
    pub why: Unreadable,
}

/// Why a topic cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Kafka does not let this user read it.
    Denied,
    /// It was there, and is not any more.
    Gone,
}

/// Says what is the matter and what to do about it.
impl fmt::Display for UnreadableTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = &self.topic;
        match self.why {
            Unreadable::Denied => write!(
                f,
                "{topic} may not be read any more: Topic authorization failed; allow this client's user READ on the topic, and reading goes on by itself"
            ),
            Unreadable::Gone => {
                write!(
                    f,
                    "{topic} does not exist any more; once it is created again, it is read from its first record"
                )
            }
        }
    }
}

/// What has become of a topic.
#[derive(Debug, Clone, Copy)]
enum Change {
    Gone,
    Back,
}

/// Which topics cannot be read, as far as that is known.
#[derive(Debug, Default)]
pub(super) struct TopicWatch {
    /// Those that are there or were. One that is not there yet is waited for, which is no trouble.
    existed: BTreeSet<Arc<str>>,
    unreadable: Vec<UnreadableTopic>,
    /// Topics that have gone or come back, in this order, and were not looked at for it.
    changes: VecDeque<(Arc<str>, Change)>,
    /// When that is tried once more, after a look that failed.
    not_before: Option<Instant>,
    looking: Option<Looking>,
}

impl TopicWatch {
    /// This topic is there.
    pub(super) fn exists(&mut self, topic: &Arc<str>) {
        if !self.existed.contains(topic) {
            self.existed.insert(Arc::clone(topic));
            if let Some(looking) = &self.looking {
                // An error means that it has found nothing unreadable and is over.
                drop(looking.existed.send(Arc::clone(topic)));
            }
        }
    }

    /// Some topic cannot be read: all are tried from now on.
    pub(super) fn doubt(&mut self, settings: &ConsumerSettings) {
        if self.looking.is_some() {
            return;
        }
        match Looking::start(settings, self.existed.clone()) {
            Ok(looking) => self.looking = Some(looking),
            Err(error) => tracing::warn!(%error, "cannot find out which topic cannot be read"),
        }
    }

    /// Whether some topic cannot be read, or may be so.
    pub(super) fn in_doubt(&self) -> bool {
        self.looking.is_some()
    }

    /// Whether this topic cannot be read.
    pub(super) fn is_unreadable(&self, topic: &str) -> bool {
        self.unreadable.iter().any(|unreadable| *unreadable.topic == *topic)
    }

    /// The topics that cannot be read, if they are others than at the last call.
    fn changed(&mut self) -> Option<&[UnreadableTopic]> {
        let looks = &self.looking.as_ref()?.looks;
        let mut last = None;
        let ended = loop {
            match looks.try_recv() {
                Ok(look) => last = Some(look),
                Err(error) => break error == TryRecvError::Disconnected,
            }
        };
        if ended || last.as_ref().is_some_and(|look| look.over) {
            self.looking = None;
        }
        let Look { unreadable, .. } = last?;
        if unreadable == self.unreadable {
            return None;
        }
        let was = std::mem::replace(&mut self.unreadable, unreadable);
        let gone = |topics: &[UnreadableTopic]| -> BTreeSet<Arc<str>> {
            let gone = topics.iter().filter(|topic| topic.why == Unreadable::Gone);
            gone.map(|topic| Arc::clone(&topic.topic)).collect()
        };
        let (was, is) = (gone(&was), gone(&self.unreadable));
        self.changes.extend(is.difference(&was).map(|topic| (Arc::clone(topic), Change::Gone)));
        self.changes.extend(was.difference(&is).map(|topic| (Arc::clone(topic), Change::Back)));
        Some(&self.unreadable)
    }
}

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Tells which topics cannot be read, when that has changed.
    pub(super) fn tend_topics(&mut self) {
        if let Some(unreadable) = self.topics.changed() {
            for topic in unreadable {
                tracing::error!("{topic}");
            }
            if unreadable.is_empty() {
                tracing::info!("every topic can be read again");
            }
            self.parts.reports.unreadable(unreadable);
        }
        if self.topics.not_before.is_some_and(|not_before| Instant::now() < not_before) {
            return;
        }
        while let Some((topic, change)) = self.topics.changes.pop_front() {
            let looked = match change {
                Change::Gone => self.note_deleted_logs(&topic),
                Change::Back => self.begin_new_log(&topic),
            };
            if let Err(error) = looked {
                tracing::warn!(%topic, "{error}; trying again in {} s", LOOK_AGAIN.as_secs());
                self.topics.changes.push_front((topic, change));
                self.topics.not_before = Some(Instant::now() + LOOK_AGAIN);
                return;
            }
        }
    }
}

/// What one look has shown.
#[derive(Debug)]
struct Look {
    unreadable: Vec<UnreadableTopic>,
    /// Every topic can be read.
    over: bool,
}

/// A thread that looks, until it finds nothing unreadable or this is dropped.
#[derive(Debug)]
struct Looking {
    looks: Receiver<Look>,
    /// Topics that have come to be there meanwhile. Dropping it ends the thread.
    existed: Sender<Arc<str>>,
}

impl Looking {
    fn start(settings: &ConsumerSettings, mut existed: BTreeSet<Arc<str>>) -> std::io::Result<Self> {
        let (tell_existed, more) = unbounded();
        let (tell, looks) = unbounded();
        let settings = settings.clone();
        thread::Builder::new().name("topics".to_owned()).spawn(move || {
            let mut client = None;
            let mut known = BTreeMap::new();
            loop {
                let look = look(&mut client, &settings, &existed, &mut known);
                let over = look.over;
                if tell.send(look).is_err() || over {
                    return;
                }
                let again = Instant::now() + LOOK;
                loop {
                    match more.recv_deadline(again) {
                        Ok(topic) => {
                            existed.insert(topic);
                        }
                        Err(RecvTimeoutError::Timeout) => break,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            }
        })?;
        Ok(Self { looks, existed: tell_existed })
    }
}

/// Tries all topics. What cannot be found out about one stays as it was `known`.
fn look(
    client: &mut Option<RelayConsumer>,
    settings: &ConsumerSettings,
    existed: &BTreeSet<Arc<str>>,
    known: &mut BTreeMap<Arc<str>, Unreadable>,
) -> Look {
    let mut over = true;
    for (topic, _) in &settings.topics {
        let topic: Arc<str> = topic.as_str().into();
        match try_topic(client, settings, &topic) {
            Tried::Readable => drop(known.remove(&topic)),
            // It may yet be created.
            Tried::Unreadable(Unreadable::Gone) if !existed.contains(&topic) => {}
            Tried::Unreadable(why) => drop(known.insert(topic, why)),
            Tried::Unknown => over = false,
        }
    }
    let unreadable: Vec<_> =
        known.iter().map(|(topic, why)| UnreadableTopic { topic: Arc::clone(topic), why: *why }).collect();
    Look { over: over && unreadable.is_empty(), unreadable }
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
    config.create_with_context(RelayContext::new(group, settings)?).map_err(ConsumerError::Create)
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
