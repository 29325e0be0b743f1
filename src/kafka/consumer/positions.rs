//! Positions that cannot be read from, and partitions that librdkafka has stopped reading.
//!
//! `auto.offset.reset` is `error`, so librdkafka reports a position that it cannot read from, and stops
//! reading that partition. rdkafka's error names no partition: all of them are in doubt, and are looked
//! at one by one between polls. What lies outside of its log, or is corrupt, is a gap: it is reported, and
//! then passed or waited at, as `on_gap` says.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer, RebalanceProtocol};
use rdkafka::error::KafkaError;

use super::poll_loop::PollLoop;
use super::screen::Screen;
use super::slots::Slot;
use crate::delivery::{OnGap, Processor};
use crate::event::TopicPartition;
use crate::kafka::client::{ConsumerError, answer_assignment, answer_revocation};
use crate::kafka::gaps::{Acknowledgements, Found, Gap, GapCause, Search};

/// The time-out of a look at a partition's watermarks. Short: nothing is polled meanwhile.
const WATERMARKS: Duration = Duration::from_secs(1);

/// The wait after a look that failed, and before a partition is assigned again that has not moved since
/// it was: it is reported as soon as it is.
const PAUSE: Duration = Duration::from_secs(1);

/// So many times a partition is assigned again at the same offset before its record is tried by itself.
const ASSIGN_AGAIN: u32 = 3;

/// Partitions whose position is in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    sources: VecDeque<TopicPartition>,
    not_before: Option<Instant>,
    /// Where a partition stood at its last look, and how often in a row it stood there.
    stood: HashMap<TopicPartition, (i64, u32)>,
    search: Option<Search>,
    acknowledgements: Option<Acknowledgements>,
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

    /// Whether any partition has to be looked at soon.
    pub(super) fn any(&self) -> bool {
        !self.sources.is_empty() || self.search.is_some()
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

    /// How often in a row a partition was found at this offset.
    fn stands(&mut self, source: &TopicPartition, offset: i64) -> u32 {
        let stood = self.stood.entry(source.clone()).or_insert((offset, 0));
        *stood = if stood.0 == offset { (offset, stood.1 + 1) } else { (offset, 1) };
        stood.1
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
        self.take_search();
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

    /// Says which partitions wait at a gap, and looks for acknowledgements of those.
    pub(super) fn tend_gaps(&mut self) {
        let waiting: Vec<&Gap> = self.slots.iter().filter_map(|slot| slot.gap.as_ref()).collect();
        if waiting.is_empty() {
            if self.doubts.acknowledgements.take().is_some() {
                self.parts.reports.waits_at(&[]);
            }
            return;
        }
        self.parts.reports.waits_at(&waiting);
        if self.doubts.acknowledgements.is_none() {
            match Acknowledgements::watch(&self.parts.settings) {
                Ok(watching) => self.doubts.acknowledgements = Some(watching),
                Err(error) => {
                    tracing::warn!(%error, "cannot look for acknowledgements of gaps, trying again")
                }
            }
        }
        let Some(acknowledgements) = &self.doubts.acknowledgements else { return };
        acknowledgements.want(waiting.iter().map(|gap| gap.source.clone()).collect());
        let mut again = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| slot.gap.is_some() && !slot.acknowledged) {
            if acknowledgements.has(slot.source(), slot.next) {
                tracing::info!(partition = %slot.source(), position = slot.next, "the gap was acknowledged");
                slot.acknowledged = true;
                again.push(slot.source().clone());
            }
        }
        if !again.is_empty() {
            // Meanwhile the log may have lost more.
            self.doubts.raise(again.into_iter());
            self.waiting = true;
        }
    }

    /// Compares a position with its log.
    fn look_at(&mut self, source: &TopicPartition) {
        self.parts.reports.polling();
        let is_meant = |slot: &&mut Slot| {
            slot.source() == source && slot.move_to.is_none() && (slot.gap.is_none() || slot.acknowledged)
        };
        let Some(slot) = self.slots.iter_mut().find(is_meant) else { return };
        let log = match self.consumer.fetch_watermarks(&source.topic, source.partition, WATERMARKS) {
            Ok(log) => log,
            Err(error) => {
                tracing::warn!(partition = %source, %error, "cannot look up the log's limits, trying again");
                self.doubts.raise(std::iter::once(source.clone()));
                self.doubts.later();
                return;
            }
        };
        if let Some(gap) = Gap::between(source, slot.next, log) {
            self.found(gap);
        } else if let Some(gap) = slot.gap.clone() {
            // Acknowledged, and within the log: what was found corrupt is passed.
            self.found(gap);
        } else {
            self.begin_again(source, log.1);
        }
    }

    /// A position within its log. librdkafka may have stopped reading it although it could be read (a
    /// leader has changed, or a batch is corrupt), and begins again only where it is assigned again.
    fn begin_again(&mut self, source: &TopicPartition, end: i64) {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.source() == source) else { return };
        // Only one that should have moved and has not can be corrupt.
        let should_move = slot.next < end && !slot.paused && slot.epoch.unfinished() == 0;
        let times = if should_move { self.doubts.stands(source, slot.next) } else { 0 };
        if times <= ASSIGN_AGAIN {
            slot.move_to = Some(slot.next);
            if times > 1 {
                self.doubts.later();
            }
            return;
        }
        if self.doubts.search.is_some() {
            // One after the other.
            self.doubts.raise(std::iter::once(source.clone()));
            self.doubts.later();
            return;
        }
        match Search::start(&self.parts.settings, source, (slot.next, end)) {
            Ok(search) => self.doubts.search = Some(search),
            Err(error) => {
                tracing::warn!(partition = %source, %error, "cannot look for a corrupt batch, assigning again");
                slot.move_to = Some(slot.next);
                self.doubts.later();
            }
        }
    }

    /// What a search has found, if it is over.
    fn take_search(&mut self) {
        let Some(found) = self.doubts.search.as_ref().and_then(Search::found) else { return };
        let Some(Search { source, from, .. }) = self.doubts.search.take() else { return };
        self.doubts.stood.remove(&source);
        let stands = |slot: &&mut Slot| slot.source() == &source && slot.next == from;
        let Some(slot) = self.slots.iter_mut().find(stands) else { return };
        match found {
            Found::Corrupt { next_readable: to } => {
                self.found(Gap { source, from, to, cause: GapCause::Corrupt });
            }
            Found::Readable | Found::Unknown => {
                slot.move_to = Some(slot.next);
                self.doubts.later();
            }
        }
    }

    /// Reports a gap, and passes it or waits at it.
    fn found(&mut self, gap: Gap) {
        let Some(slot) = self.slots.iter_mut().find(|slot| *slot.source() == gap.source) else { return };
        let passes = self.parts.delivery.on_gap == OnGap::Continue || slot.acknowledged;
        // What was told when the partition began to wait is not counted twice.
        let told = slot.gap.as_ref().map_or(0, Gap::records);
        if told < gap.records() || slot.gap.is_none() {
            self.parts.reports.gap(&gap, gap.records().saturating_sub(told));
        }
        if passes {
            tracing::warn!(from = gap.from, to = gap.to, "{gap}: going on at {}", gap.to);
            slot.move_to = Some(gap.to);
            slot.gap = None;
        } else {
            tracing::error!(
                from = gap.from,
                to = gap.to,
                "{gap}: waiting (on_gap: wait) until `datahub-relay offsets acknowledge` says that this is known"
            );
            slot.gap = Some(gap);
        }
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
