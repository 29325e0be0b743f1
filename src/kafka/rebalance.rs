//! Partitions come and go: assignment, revocation, and positions that lie outside of their log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer, RebalanceProtocol};
use rdkafka::error::KafkaError;

use super::consumer::{ConsumerError, PollLoop};
use super::context::{answer_assignment, answer_revocation};
use super::reports::RebalanceKind;
use super::screen::Screen;
use super::slots::Slot;
use super::start::{self, Start};
use crate::delivery::{LaneEntrance, Processor};
use crate::event::{Route, TopicPartition};

/// The time-out of a look at a partition's watermarks.
const WATERMARKS: Duration = Duration::from_secs(5);

/// How often a drain shows that this thread lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Takes newly assigned partitions: finds where each begins, opens a fresh epoch for it, and tells
    /// librdkafka. An empty list is legal and is answered too.
    pub(super) fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        let stop = &self.parts.stop;
        if stop.is_cancelled() {
            // Nothing would be read any more; the group is left in a moment.
            return answer_assignment(&self.consumer, &[]).map_err(ConsumerError::Assignment);
        }
        let policy = self.parts.settings.start;
        let reports = &self.parts.reports;
        // Asked between two attempts: a long outage is no reason to take this thread for stuck.
        let stopped = || {
            reports.polling();
            stop.is_cancelled()
        };
        let found = start::look_up(&self.consumer, partitions, policy, &stopped);
        let starts = match found {
            Ok(starts) => starts,
            Err(error) => {
                // librdkafka waits for an answer, also from a pipeline that is about to leave.
                answer_assignment(&self.consumer, &[]).map_err(ConsumerError::Assignment)?;
                return Err(error.into());
            }
        };
        let slots: Vec<Slot> = starts.iter().map(|start| self.open_slot(start)).collect();
        for slot in &slots {
            tracing::info!(
                partition = %slot.source(),
                offset = slot.next,
                committed = slot.epoch.committed_offset(),
                "assigned"
            );
        }
        self.slots.add(slots);
        let positions: Vec<_> = starts.into_iter().map(|start| (start.source, start.offset)).collect();
        // Watched before the first record can come: a fresh group's starting position is committed
        // before the first event begins.
        self.committer.watch(self.slots.committables());
        answer_assignment(&self.consumer, &positions).map_err(ConsumerError::Assignment)?;
        self.parts.reports.rebalanced(RebalanceKind::Assigned, self.slots.len());
        Ok(())
    }

    /// Gives partitions up: finishes what runs, commits it a last time, and tells librdkafka, all
    /// within the drain's deadline. What is not finished by then comes again, to whoever gets it.
    pub(super) fn revoke(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        let lost = self.consumer.assignment_lost();
        if lost {
            tracing::warn!(partitions = partitions.len(), "assignment lost: nothing of it is committed");
        } else {
            let given_up = |slot: &Slot| partitions.contains(slot.source());
            self.drain_and_commit(given_up, Instant::now() + self.drain_timeout);
        }
        let removed = self.slots.remove(partitions);
        for slot in &removed {
            slot.epoch.close();
            self.parts.reports.forgotten(slot.source());
        }
        self.committer.watch(self.slots.committables());
        answer_revocation(&self.consumer, partitions).map_err(ConsumerError::Assignment)?;
        let kind = if lost { RebalanceKind::Lost } else { RebalanceKind::Revoked };
        self.parts.reports.rebalanced(kind, self.slots.len());
        Ok(())
    }

    /// Lets what runs on these partitions finish and commits it. Nothing of them begins any more but
    /// events below the highest started one.
    pub(super) fn drain_and_commit(&mut self, given_up: impl Fn(&Slot) -> bool, deadline: Instant) {
        // Events below the highest started one may still wait in an entrance.
        self.flush();
        let epochs: Vec<_> =
            self.slots.iter().filter(|slot| given_up(slot)).map(|slot| Arc::clone(&slot.epoch)).collect();
        epochs.iter().for_each(|epoch| epoch.drain());
        let drained = || epochs.iter().all(|epoch| epoch.is_drained());
        while !drained() && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            self.parts.budget.wait_for(left.min(SIGN_OF_LIFE), drained);
            self.parts.reports.polling();
        }
        if !drained() {
            tracing::warn!("actions did not finish within the drain time; their events come again");
        }
        let last = self.slots.iter().filter(|slot| given_up(slot)).map(Slot::committable).collect();
        if !self.committer.commit_finally(last, deadline) {
            tracing::warn!("the last commit was not confirmed in time; what it covered may come again");
        }
    }

    /// Looks for positions that lie outside of their log, after librdkafka reported one, and moves them
    /// once everything received before is finished: what is with the lanes would otherwise be
    /// acknowledged nowhere and, since the log has moved on, never come again.
    pub(super) fn mend_positions(&mut self) -> Result<(), ConsumerError> {
        if std::mem::take(&mut self.positions_in_doubt) {
            self.find_lost_positions();
        }
        let moves = self.slots.moves();
        if moves.is_empty() {
            return Ok(());
        }
        let sources: Vec<TopicPartition> = moves.iter().map(|start| start.source.clone()).collect();
        for slot in self.slots.remove(&sources) {
            slot.epoch.close();
        }
        let slots: Vec<Slot> = moves.iter().map(|start| self.open_slot(start)).collect();
        self.slots.add(slots);
        self.committer.watch(self.slots.committables());
        self.reassign(&sources).map_err(ConsumerError::Assignment)
    }

    /// Compares every position with its log and reports the gaps.
    fn find_lost_positions(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.move_to.is_none()) {
            let source = slot.epoch.source();
            let (low, high) = match self.consumer.fetch_watermarks(
                &source.topic,
                source.partition,
                WATERMARKS,
            ) {
                Ok(watermarks) => watermarks,
                Err(error) => {
                    tracing::warn!(partition = %source, %error, "cannot look up the log's limits, trying again");
                    self.positions_in_doubt = true;
                    continue;
                }
            };
            if (low..=high).contains(&slot.next) {
                continue;
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

    fn open_slot(&self, start: &Start) -> Slot {
        let routes = &self.parts.settings.topics;
        let route = routes.iter().find(|(topic, _)| **topic == *start.source.topic).map(|(_, route)| *route);
        // Only subscribed topics are assigned, and every subscribed topic has a route.
        let route = route.unwrap_or(Route::ChangeLog);
        let lane: Option<LaneEntrance> =
            self.lanes.one_per_partition().then(|| self.lanes.open_for_partition());
        Slot::new(start, route, lane)
    }
}
