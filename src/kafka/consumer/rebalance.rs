//! Partitions come and go: assignment and revocation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::drain::{self, DrainWatch};
use super::poll_loop::{ConsumerParts, PollLoop};
use super::reports::RebalanceKind;
use super::screen::Screen;
use super::slots::Slot;
use crate::delivery::{LaneEntrance, Processor};
use crate::event::{Route, TopicPartition};
use crate::kafka::client::{ConsumerError, StartError, answer_assignment, answer_revocation, partition_list};
use crate::kafka::gaps::{Gap, GapCause};
use crate::kafka::look_ups::{self, Start, Terms};

/// What the last commit gets of the time for a drain, so that one slow action does not cost what all
/// others have finished.
pub(super) const LAST_COMMIT: Duration = Duration::from_secs(2);

/// How often a drain shows that this thread lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Takes newly assigned partitions: finds where each begins, opens a fresh epoch for it, and tells
    /// librdkafka. An empty list is legal and is answered too.
    pub(super) fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        let stop = &self.parts.stop;
        if stop.is_cancelled() {
            // Nothing would be read any more; the group is left in a moment.
            tracing::info!(partitions = partitions.len(), "assigned during a stop: not taken");
            return answer_assignment(&self.consumer, &[]).map_err(ConsumerError::Assignment);
        }
        // Once per process, with the first partitions it gets: at a later rebalance the group's offsets
        // are what this process has committed.
        let reset = self.reset && !partitions.is_empty();
        let starts = match self.beginnings(partitions, reset) {
            Ok(starts) => starts,
            Err(error) => {
                // librdkafka waits for an answer, also from a pipeline that is about to leave.
                answer_assignment(&self.consumer, &[]).map_err(ConsumerError::Assignment)?;
                return Err(error.into());
            }
        };
        self.reset &= !reset;
        self.warn_of_older_offsets(&starts);
        let slots: Vec<Slot> = starts.iter().map(|start| self.open_slot(start)).collect();
        for slot in &slots {
            self.topics.exists(&slot.source().topic);
            tracing::info!(
                partition = %slot.source(),
                offset = slot.next,
                committed = slot.epoch.committed_offset(),
                "assigned"
            );
        }
        self.slots.add(slots);
        for Start { source, offset, another_log, .. } in &starts {
            if let Some((low, end)) = *another_log {
                let cause = GapCause::AnotherLog { end };
                self.found(Gap { source: source.clone(), from: *offset, to: low, cause });
                self.waiting = true;
            }
        }
        let positions: Vec<_> = starts.into_iter().map(|start| (start.source, start.offset)).collect();
        // Watched before the first record can come: a fresh group's starting position is committed
        // before the first event begins.
        self.committer.watch(self.slots.committables());
        answer_assignment(&self.consumer, &positions).map_err(ConsumerError::Assignment)?;
        self.idle.assigned();
        self.parts.reports.rebalanced(RebalanceKind::Assigned, self.slots.len());
        Ok(())
    }

    /// Looks up where each of these partitions begins.
    fn beginnings(&self, partitions: &[TopicPartition], reset: bool) -> Result<Vec<Start>, StartError> {
        let ConsumerParts { reports, stop, settings, .. } = &self.parts;
        // Asked before each question: neither a long outage nor a topic of many partitions is a reason to
        // take this thread for stuck.
        let stopped = || {
            reports.polling();
            stop.is_cancelled()
        };
        // Of all that was held of these topics: a topic that is created again may be shared out otherwise.
        let had_commit = self.slots.left_of(&partitions.iter().map(|source| &*source.topic).collect());
        let terms = Terms {
            group: &settings.group_id,
            policy: self.start,
            reset,
            had_commit: &had_commit,
            at_most: self.half_poll_interval,
        };
        look_ups::look_up(&self.consumer, partitions, terms, &stopped)
    }

    /// Says where the group stands before what this process knows to be committed. Commits of a member never go
    /// back, so somebody else has moved the group, or Kafka has lost some of what it had confirmed: either way
    /// what lies between acts again, and nobody else can say why.
    fn warn_of_older_offsets(&self, starts: &[Start]) {
        for Start { source, committed, .. } in starts {
            if let (Some(known), Some(committed)) = (self.slots.left_at(source), *committed)
                && committed < known
            {
                tracing::warn!(
                    partition = %source,
                    committed,
                    known,
                    "the group stands {} records before what Kafka had confirmed to this process: somebody reset the group, the topic was created again, or Kafka lost commits; these records come again",
                    known - committed
                );
            }
        }
    }

    /// Gives partitions up: finishes what runs, commits it a last time, and tells librdkafka, all
    /// within the drain's deadline. What is not finished by then comes again, to whoever gets it.
    pub(super) fn revoke(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        let lost = self.consumer.assignment_lost();
        if lost {
            tracing::warn!(
                partitions = partitions.len(),
                "assignment lost: the group has given this member up, which was away for longer than its session; whoever gets these partitions goes on from what is committed, and what was not comes again"
            );
        } else {
            // What a stop has closed has had its last commit, or is not to have one.
            let given_up =
                |slot: &Slot| partitions.contains(slot.source()) && !slot.epoch.closed().is_cancelled();
            let deadline = Instant::now() + self.drain_timeout;
            let deadline = self.stop_by.map_or(deadline, |stop_by| stop_by.min(deadline));
            let time = deadline.saturating_duration_since(Instant::now());
            if self.stop_by.is_none() {
                tracing::info!(partitions = partitions.len(), "giving up partitions: finishing what runs");
            }
            self.drain(given_up, deadline - LAST_COMMIT.min(time / 4));
            self.commit_last(given_up, deadline);
        }
        self.resume_before_leaving(partitions);
        self.report_received();
        let removed = self.slots.remove(partitions);
        for slot in &removed {
            slot.epoch.close();
            self.parts.reports.forgotten(slot.source());
            if slot.epoch.last_confirmed().is_none() {
                tracing::warn!(partition = %slot.source(), "given up before its starting position could be committed");
            }
        }
        self.log_ends.forget(partitions);
        self.idle.came();
        self.committer.watch(self.slots.committables());
        // librdkafka asks back all that the group gave. It refuses the whole answer, and never leaves the group, if
        // that names a partition that was not taken, as one that came during a stop.
        let given_back: Vec<TopicPartition> = removed.iter().map(|slot| slot.source().clone()).collect();
        answer_revocation(&self.consumer, &given_back).map_err(ConsumerError::Assignment)?;
        let kind = if lost { RebalanceKind::Lost } else { RebalanceKind::Revoked };
        self.parts.reports.rebalanced(kind, self.slots.len());
        Ok(())
    }

    /// Ends the pauses of partitions that go away. librdkafka keeps a pause through unassign and
    /// assign: should the partition come back, nobody would know that it is paused.
    pub(super) fn resume_before_leaving(&self, partitions: &[TopicPartition]) {
        let paused = self.slots.iter().filter(|slot| slot.paused && partitions.contains(slot.source()));
        let paused: Vec<TopicPartition> = paused.map(|slot| slot.source().clone()).collect();
        if paused.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.resume(&partition_list(&paused)) {
            tracing::warn!(%error, "cannot resume partitions that are given up");
        }
    }

    /// Lets what runs on these partitions finish. Nothing of them begins any more but events below the highest
    /// started one.
    fn drain(&mut self, given_up: impl Fn(&Slot) -> bool, until: Instant) {
        // Events below the highest started one may still wait in an entrance.
        self.flush();
        let epochs: Vec<_> =
            self.slots.iter().filter(|slot| given_up(slot)).map(|slot| Arc::clone(&slot.epoch)).collect();
        epochs.iter().for_each(|epoch| epoch.drain());
        self.committer.hurry();
        let drained = || epochs.iter().all(|epoch| epoch.is_drained());
        let mut watch = DrainWatch::new(until);
        while !drained() && Instant::now() < until {
            watch.look(&*self.parts.reports, epochs.iter());
            let left = until.saturating_duration_since(Instant::now());
            self.parts.budget.wait_for(left.min(SIGN_OF_LIFE), drained);
            self.parts.reports.polling();
        }
    }

    /// Commits a last time what is finished of these partitions, which are drained or have had the time for it, and
    /// says what comes again.
    pub(super) fn commit_last(&self, given_up: impl Fn(&Slot) -> bool, deadline: Instant) {
        let given_up: Vec<&Slot> = self.slots.iter().filter(|slot| given_up(slot)).collect();
        drain::tell(&*self.parts.reports, given_up.iter().map(|slot| &slot.epoch), None);
        for slot in &given_up {
            let events = slot.epoch.finished_above();
            if events > 0 {
                tracing::warn!(
                    partition = %slot.source(), events,
                    "finished events come again: one below them is not finished, it waits for its next attempt or takes too long"
                );
            }
        }
        let last = given_up.iter().map(|slot| slot.committable()).collect();
        if !self.committer.commit_finally(last, deadline) {
            tracing::warn!("the last commit was not confirmed in time; what it covered may come again");
        }
    }

    pub(super) fn open_slot(&self, start: &Start) -> Slot {
        let routes = &self.parts.settings.topics;
        let route =
            routes.iter().find(|(topic, _)| **topic == *start.source.topic).map(|(_, route)| route.clone());
        // Only subscribed topics are assigned, and every subscribed topic has a route.
        let route = route.unwrap_or(Route::ChangeLog);
        let lane: Option<LaneEntrance> =
            self.lanes.one_per_partition().then(|| self.lanes.open_for_partition());
        Slot::new(start, route, lane)
    }
}
