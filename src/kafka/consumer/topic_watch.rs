//! Topics that cannot be read any more: they were deleted, or this user may not read them any longer.
//!
//! librdkafka says so once, in an error that names no topic, and its statistics show neither that nor the end of
//! it. So every topic is tried by itself, by a client that joins no group, until all can be read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use crossbeam_channel::TryRecvError;

use super::poll_loop::PollLoop;
use super::screen::Screen;
use super::slots::Slot;
use super::topic_look::{Known, Look, Looking, locked};
use crate::delivery::Processor;
use crate::event::TopicPartition;
use crate::kafka::source::ConsumerSettings;

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

/// What looks have shown since the last time.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Other topics cannot be read than before.
    changed: bool,
    /// The epochs of topics of which Kafka has forgotten what it had confirmed.
    forgotten: BTreeSet<u64>,
    /// The limits of the logs that are there in the place of deleted ones.
    new_logs: BTreeMap<TopicPartition, (i64, i64)>,
}

/// Which topics cannot be read, as far as that is known.
#[derive(Debug, Default)]
pub(super) struct TopicWatch {
    known: Arc<Mutex<Known>>,
    unreadable: Vec<UnreadableTopic>,
    looking: Option<Looking>,
}

impl TopicWatch {
    /// This topic is there.
    pub(super) fn exists(&self, topic: &Arc<str>) {
        locked(&self.known).existed.insert(Arc::clone(topic));
    }

    /// One partition of this topic is another log than the one that was read: so may the others be.
    pub(super) fn suspect(&self, topic: &Arc<str>) {
        locked(&self.known).suspected.insert(Arc::clone(topic));
    }

    /// All topics are tried from now on.
    fn look(&mut self, settings: &ConsumerSettings) {
        if self.looking.is_some() {
            return;
        }
        match Looking::start(settings, Arc::clone(&self.known)) {
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

    /// What was found out since the last call.
    fn news(&mut self) -> News {
        let mut news = News::default();
        let Some(looking) = &self.looking else { return news };
        let ended = loop {
            match looking.looks.try_recv() {
                Ok(Look { unreadable, forgotten, new_logs, .. }) => {
                    news.changed |= unreadable != self.unreadable;
                    self.unreadable = unreadable;
                    news.forgotten.extend(forgotten);
                    news.new_logs.extend(new_logs);
                }
                Err(error) => break error == TryRecvError::Disconnected,
            }
        };
        if ended {
            self.looking = None;
        }
        news
    }
}

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Tells which topics cannot be read, when that has changed, and begins those that were created again.
    pub(super) fn tend_topics(&mut self) {
        let News { changed, forgotten, new_logs } = self.topics.news();
        if changed {
            let unreadable = &self.topics.unreadable;
            for topic in unreadable {
                tracing::error!("{topic}");
            }
            if unreadable.is_empty() {
                tracing::info!("every topic can be read again");
            }
            self.parts.reports.unreadable(unreadable);
            // Gone a second time, perhaps.
            let is_gone = |slot: &&mut Slot| unreadable.iter().any(|gone| gone.topic == slot.source().topic);
            self.slots.iter_mut().filter(is_gone).for_each(|slot| slot.begun_anew = false);
        }
        self.note_deleted_logs(&forgotten);
        self.begin_new_logs(new_logs);
        let is_deleted = |slot: &&Slot| slot.log_deleted && slot.move_to.is_none();
        let deleted: Vec<_> =
            self.slots.iter().filter(is_deleted).map(|slot| slot.source().clone()).collect();
        let mut known = locked(&self.topics.known);
        let something_is_left = !(deleted.is_empty() && known.suspected.is_empty());
        known.deleted = deleted;
        drop(known);
        if something_is_left || self.topics.in_doubt() {
            self.doubt_topics();
        }
    }

    /// Some topic cannot be read, or may be another one than the one that was: all are tried until that is over.
    pub(super) fn doubt_topics(&mut self) {
        let was_read = |slot: &&Slot| slot.epoch.committed_offset().is_some() && !slot.begun_anew;
        let committed = self.slots.iter().filter(was_read);
        let committed = committed.map(|slot| (slot.source().clone(), slot.epoch.number())).collect();
        locked(&self.topics.known).committed = committed;
        self.topics.look(&self.parts.settings);
    }
}
