//! Positions that cannot be read from, and partitions that librdkafka has stopped reading.
//!
//! `auto.offset.reset` is `error`, so librdkafka reports a position that it cannot read from, and stops
//! reading that partition. rdkafka's error names no partition: all of them are in doubt, and are looked
//! at one by one between polls. What lies outside of its log, or is corrupt, is a gap: it is reported, and
//! then passed or waited at, as `on_gap` says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;

use super::poll_loop::PollLoop;
use super::screen::Screen;
use super::slots::Slot;
use super::watchdog::figures_of;
use crate::delivery::{OnGap, Processor};
use crate::event::TopicPartition;
use crate::kafka::client::{ConsumerError, answer_assignment, answer_revocation};
use crate::kafka::gaps::{Found, Gap, GapCause, Search, watch_acknowledgements};
use crate::kafka::look_ups::{Start, before_another_log};

/// The time-out of a look at a partition's watermarks. Short: nothing is polled meanwhile.
const WATERMARKS: Duration = Duration::from_secs(1);

/// So many times a partition is assigned again at the same offset before its record is tried by itself.
const ASSIGN_AGAIN: u32 = 3;

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Looks at one position in doubt, which may take as long as [`WATERMARKS`]. Nothing is assigned again
    /// in this turn of the loop.
    pub(super) fn mend_positions(&mut self) {
        if let Some(source) = self.doubts.next() {
            self.look_at(&source);
        }
        self.take_search();
    }

    /// Assigns again what has to be: once everything received before is finished. What is with the lanes
    /// would otherwise be acknowledged nowhere and, where the log has moved on, never come again.
    ///
    /// Called directly behind a poll that found no request of the group, and never else. librdkafka takes
    /// the next `assign` or `unassign` for the answer to a request that it has queued, whatever partitions
    /// it is of, and counts the assignment as not lost from then on. Before it queues one it throws away the
    /// records that wait in front of it, so the poll would have found it. What is left open is the moment
    /// between that poll and the call: librdkafka has no call that is refused while a request waits.
    pub(super) fn assign_again(&mut self) -> Result<(), ConsumerError> {
        let moves = self.slots.moves();
        if moves.is_empty() {
            return Ok(());
        }
        let sources: Vec<TopicPartition> = moves.iter().map(|start| start.source.clone()).collect();
        self.resume_before_leaving(&sources);
        self.report_received();
        let mut replaced = BTreeSet::new();
        for slot in self.slots.remove(&sources) {
            if slot.epoch.is_replaced() {
                replaced.insert(slot.source().clone());
            }
            slot.epoch.close();
        }
        for Start { source, offset, .. } in &moves {
            tracing::info!(partition = %source, offset, "assigned again");
            self.doubts.has_moved(source, *offset);
        }
        let open =
            |start: &Start| Slot { begun_anew: replaced.contains(&start.source), ..self.open_slot(start) };
        let slots: Vec<Slot> = moves.iter().map(open).collect();
        self.slots.add(slots);
        self.committer.watch(self.slots.committables());
        self.reassign(&sources).map_err(ConsumerError::Assignment)
    }

    /// Finds partitions that librdkafka has stopped reading without anybody knowing: it says so once, in an
    /// error that stands in its queue, and a pause empties the queue.
    pub(super) fn find_stopped(&mut self, statistics: &Statistics) {
        let is_stopped = |slot: &&Slot| {
            let meant = slot.paused || slot.move_to.is_some() || self.doubts.cannot_be_read(slot);
            let figures = figures_of(statistics, slot.source());
            !meant && figures.is_some_and(|figures| matches!(&*figures.fetch_state, "none" | "stopped"))
        };
        let stopped: Vec<_> =
            self.slots.iter().filter(is_stopped).map(|slot| slot.source().clone()).collect();
        if self.doubts.found_stopped(stopped.into_iter(), Instant::now()) {
            self.waiting = true;
        }
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
            match watch_acknowledgements(&self.parts.settings) {
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
            if acknowledgements.of(slot.source()) == Some(slot.next) {
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
        // In a new log nothing is read on, whatever it holds by now.
        let may_move = |slot: &Slot| slot.move_to.is_none() && !slot.log_deleted;
        let is_meant = |slot: &&mut Slot| {
            slot.source() == source && may_move(slot) && (slot.gap.is_none() || slot.acknowledged)
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
            if matches!(gap.cause, GapCause::AnotherLog { .. }) {
                // Its other partitions may be others too, and hold the positions.
                self.topics.suspect(&source.topic);
            }
            self.found(gap);
        } else if let Some(gap) = slot.gap.clone() {
            // Acknowledged, and within the log: what was found corrupt is passed. Anything else was found outside of a
            // log, so this is another one.
            self.found(match gap.cause {
                GapCause::Corrupt => gap,
                _ => Gap { to: log.0, cause: GapCause::AnotherLog { end: log.1 }, ..gap },
            });
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
        self.doubts.forget_where(&source);
        let stands = |slot: &&mut Slot| slot.source() == &source && slot.next == from && !slot.log_deleted;
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
    pub(super) fn found(&mut self, gap: Gap) {
        let Some(slot) = self.slots.iter_mut().find(|slot| *slot.source() == gap.source) else { return };
        let passes = self.parts.delivery.on_gap == OnGap::Continue || slot.acknowledged;
        if let Some(records) = self.doubts.untold(&gap) {
            self.parts.reports.gap(&gap, records);
        }
        if passes {
            tracing::warn!(from = gap.from, to = gap.to, "{gap}: going on at {}", gap.to);
            match gap.cause {
                GapCause::AnotherLog { .. } => slot.begin_new_log(gap.to),
                GapCause::Deleted | GapCause::Corrupt => slot.move_to = Some(gap.to),
            }
            slot.gap = None;
        } else {
            // Kafka forgets what was committed of a topic that is deleted. Committed again, the position shows the
            // gap to whoever acknowledges it, and to this pipeline after a restart, also once the log holds it.
            if matches!(gap.cause, GapCause::AnotherLog { .. }) {
                slot.metadata = before_another_log(&slot.metadata);
            }
            slot.epoch.commit_again();
            tracing::error!(
                from = gap.from,
                to = gap.to,
                "{gap}: waiting (on_gap: wait) until `datahub-relay offsets acknowledge` says that this is known"
            );
            slot.gap = Some(gap);
        }
        // With what each commit carries now.
        self.committer.watch(self.slots.committables());
        self.committer.hurry();
    }

    /// The logs that these assignments were reading are gone with their topic: see
    /// [`News::forgotten`](super::topic_watch::News). One that waits at a gap goes on to wait.
    pub(super) fn note_deleted_logs(&mut self, epochs: &BTreeSet<u64>) {
        let was_read = |slot: &&mut Slot| epochs.contains(&slot.epoch.number()) && slot.gap.is_none();
        for slot in self.slots.iter_mut().filter(was_read) {
            slot.log_deleted = true;
            // It may have been about to begin again where it stands.
            slot.move_to = None;
            slot.epoch.log_is_deleted();
        }
    }

    /// Begins topics that were deleted and are there again at their first records, where nobody has asked for their
    /// partitions back in between: librdkafka goes on at the position in the log that is gone, which the new one
    /// may hold. `logs` are the limits of the new ones.
    pub(super) fn begin_new_logs(&mut self, logs: BTreeMap<TopicPartition, (i64, i64)>) {
        for (source, (low, end)) in logs {
            let waits =
                |slot: &&mut Slot| *slot.source() == source && slot.log_deleted && slot.move_to.is_none();
            let Some(slot) = self.slots.iter_mut().find(waits) else { continue };
            self.waiting = true;
            // Nothing that can be read is passed over, so nobody has to say that it is known.
            slot.acknowledged = true;
            let gap = Gap { source, from: slot.next, to: low, cause: GapCause::AnotherLog { end } };
            if gap.from == gap.to {
                // Nothing to tell of either, but that it has to be committed anew.
                slot.begin_new_log(low);
                self.committer.hurry();
            } else {
                self.found(gap);
            }
        }
    }

    /// Tells librdkafka the new positions of these partitions. `seek` fails in this state, so they are
    /// assigned again; this is the one assignment outside of a rebalance.
    fn reassign(&self, sources: &[TopicPartition]) -> Result<(), KafkaError> {
        let incremental = matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if incremental {
            answer_revocation(&self.consumer, sources)?;
        }
        // An eager assignment replaces the whole list: the others stay where they are, but those that
        // cannot be read from would only be reported anew, and put all others in doubt with them.
        let positions: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| {
                sources.contains(slot.source()) || !(incremental || self.doubts.cannot_be_read(slot))
            })
            .map(|slot| (slot.source().clone(), slot.next))
            .collect();
        answer_assignment(&self.consumer, &positions)
    }
}
