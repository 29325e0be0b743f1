//! Positions that lie outside of their log, and partitions that librdkafka has stopped reading.
//!
//! `auto.offset.reset` is `error`, so librdkafka reports a position that it cannot read from, and stops
//! reading that partition. rdkafka's error names no partition: all of them are in doubt, and are looked
//! at one by one between polls.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer, RebalanceProtocol};
use rdkafka::error::KafkaError;

use super::consumer::PollLoop;
use super::context::{answer_assignment, answer_revocation};
use super::error::ConsumerError;
use super::screen::Screen;
use super::slots::Slot;
use crate::delivery::Processor;
use crate::event::TopicPartition;

/// The time-out of a look at a partition's watermarks. Short: nothing is polled meanwhile.
const WATERMARKS: Duration = Duration::from_secs(1);

/// The wait after a look that failed, and between two rounds: a partition that cannot be read (a corrupt
/// batch) is reported again as soon as it is assigned again.
const PAUSE: Duration = Duration::from_secs(1);

/// Partitions whose position is in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    sources: VecDeque<TopicPartition>,
    not_before: Option<Instant>,
}

impl Doubts {
    /// These partitions have to be looked at.
    pub(super) fn raise(&mut self, sources: impl Iterator<Item = TopicPartition>) {
        for source in sources {
            if !self.sources.contains(&source) {
                self.sources.push_back(source);
            }
        }
    }

    /// Whether any partition has to be looked at.
    pub(super) fn any(&self) -> bool {
        !self.sources.is_empty()
    }

    /// The next partition to look at, unless it is too early for it.
    fn next(&mut self) -> Option<TopicPartition> {
        if self.not_before.is_some_and(|not_before| Instant::now() < not_before) {
            return None;
        }
        self.not_before = None;
        self.sources.pop_front()
    }

    fn later(&mut self) {
        self.not_before = Some(Instant::now() + PAUSE);
    }
}

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Looks at one position in doubt, and assigns again what has to be: once everything received
    /// before is finished. What is with the lanes would otherwise be acknowledged nowhere and, where
    /// the log has moved on, never come again.
    pub(super) fn mend_positions(&mut self) -> Result<(), ConsumerError> {
        if let Some(source) = self.doubts.next() {
            self.look_at(&source);
        }
        let moves = self.slots.moves();
        if moves.is_empty() {
            return Ok(());
        }
        let sources: Vec<TopicPartition> = moves.iter().map(|start| start.source.clone()).collect();
        self.resume_before_leaving(&sources);
        for slot in self.slots.remove(&sources) {
            slot.epoch.close();
        }
        let slots: Vec<Slot> = moves.iter().map(|start| self.open_slot(start)).collect();
        self.slots.add(slots);
        self.committer.watch(self.slots.committables());
        self.reassign(&sources).map_err(ConsumerError::Assignment)
    }

    /// Compares a position with its log, and reports a gap.
    fn look_at(&mut self, source: &TopicPartition) {
        self.parts.reports.polling();
        let slot = self.slots.iter_mut().find(|slot| slot.source() == source && slot.move_to.is_none());
        let Some(slot) = slot else { return };
        let limits = self.consumer.fetch_watermarks(&source.topic, source.partition, WATERMARKS);
        let (low, high) = match limits {
            Ok(limits) => limits,
            Err(error) => {
                tracing::warn!(partition = %source, %error, "cannot look up the log's limits, trying again");
                self.doubts.raise(std::iter::once(source.clone()));
                self.doubts.later();
                return;
            }
        };
        if (low..=high).contains(&slot.next) {
            // librdkafka may have stopped reading this one although it could be read (a leader has
            // changed, or a batch is corrupt), and begins again only where it is assigned again.
            slot.move_to = Some(slot.next);
            self.doubts.later();
            return;
        }
        // Below the log: retention took what lies between. Beyond its end: that is another log (a
        // recreated topic), and all that it holds is new.
        self.parts.reports.gap(source, slot.next, low);
        tracing::warn!(
            partition = %source,
            from = slot.next,
            to = low,
            "records vanished before they were read: going on at the start of what the log holds"
        );
        slot.move_to = Some(low);
    }

    /// Tells librdkafka the new positions of these partitions. `seek` fails in this state, so they are
    /// assigned again; this is the one assignment outside of a rebalance.
    fn reassign(&self, sources: &[TopicPartition]) -> Result<(), KafkaError> {
        let incremental = matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if incremental {
            answer_revocation(&self.consumer, sources)?;
        }
        // An eager assignment replaces the whole list: the others stay where they are.
        let positions: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| !incremental || sources.contains(slot.source()))
            .map(|slot| (slot.source().clone(), slot.next))
            .collect();
        answer_assignment(&self.consumer, &positions)
    }
}
