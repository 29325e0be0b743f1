//! One assignment of one partition: what the polling thread, the lanes and the committer share.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::tracker::Tracker;
use crate::event::{TopicPartition, offset_after};
use crate::mutant::{self, Mutant};

/// Numbers the epochs of this process. An identity, not a state: nobody reads it back.
static NEXT_EPOCH: AtomicU64 = AtomicU64::new(0);

/// In place of an offset: none was confirmed.
const NOTHING: i64 = -1;

/// One assignment of one partition to this process.
///
/// librdkafka lets a commit succeed for a partition that another member owns by now. So every
/// acknowledgement is keyed by the assignment it belongs to: each assignment gets a fresh
/// `PartitionEpoch`, and what finishes under an old one changes nothing any more.
#[derive(Debug)]
pub struct PartitionEpoch {
    source: TopicPartition,
    number: u64,
    phase: AtomicU8,
    /// Behind the last record received. Written by the polling thread alone, once per record.
    received: AtomicI64,
    tracker: Mutex<Tracker>,
    log: Mutex<Log>,
    /// What the group has committed for this partition, as far as this process knows.
    committed: watch::Sender<Option<i64>>,
    /// What Kafka has confirmed last, though it may have to be committed once more. -1: nothing.
    confirmed: AtomicI64,
    /// Cancelled when the partition is being given up: nothing new starts, retries stop waiting.
    draining: CancellationToken,
    /// Cancelled when the partition is given up: running attempts are dropped.
    closed: CancellationToken,
}

/// What has become of the log that an assignment reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Log {
    /// It is there.
    Read,
    /// It was deleted with its topic.
    Deleted,
    /// Another one has taken its place.
    Replaced {
        /// The first record that this one holds.
        first: i64,
    },
}

/// How an assignment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The partition is ours.
    Live = 0,
    /// It is being given up: running events are finished, then committed a last time.
    Draining = 1,
    /// It is not ours any more: nothing of it is started, finished or committed.
    Closed = 2,
}

impl PartitionEpoch {
    /// A fresh assignment that begins at `start`. `committed` is what the group has committed, if
    /// anything: where it is `None`, the committer owes a commit of `start` and
    /// [`PartitionEpoch::anchored`] waits for it.
    pub fn new(source: TopicPartition, start: i64, committed: Option<i64>) -> Self {
        Self {
            source,
            number: NEXT_EPOCH.fetch_add(1, Ordering::Relaxed),
            phase: AtomicU8::new(Phase::Live as u8),
            received: AtomicI64::new(start),
            tracker: Mutex::new(Tracker::default()),
            log: Mutex::new(Log::Read),
            committed: watch::Sender::new(committed),
            confirmed: AtomicI64::new(committed.unwrap_or(NOTHING)),
            draining: CancellationToken::new(),
            closed: CancellationToken::new(),
        }
    }

    /// The partition.
    pub fn source(&self) -> &TopicPartition {
        &self.source
    }

    /// The number of this assignment, unique in this process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the partition is ours and not being given up.
    pub fn is_live(&self) -> bool {
        self.phase() == Phase::Live as u8
    }

    /// Whether progress of this assignment may still be committed.
    pub fn may_commit(&self) -> bool {
        self.phase() < Phase::Closed as u8
    }

    /// Called by the polling thread for every record: everything up to `offset` has been received.
    /// A record that is handed on must be given to [`PartitionEpoch::hand`] before.
    pub fn received(&self, offset: i64) {
        // Release: whoever reads this offset also sees the entries of all events below it.
        self.received.store(offset_after(offset), Ordering::Release);
    }

    /// The offset of the next record that is expected.
    pub fn next_offset(&self) -> i64 {
        self.received.load(Ordering::Acquire)
    }

    /// An event is about to be handed to a lane. Returns how many are handed on and not yet committed,
    /// or `None` if this offset was handed on before: the event must not be handed on again.
    pub fn hand(&self, offset: i64) -> Option<usize> {
        let mut tracker = self.tracker();
        tracker.hand(offset).then(|| tracker.uncommitted())
    }

    /// A lane asks to begin with an event. While the partition is being given up only events below
    /// the highest started one may begin, and once it is given up none; the lane then abandons it.
    pub fn try_start(&self, offset: i64) -> bool {
        let mut tracker = self.tracker();
        // Read under the lock: `drain` takes it too, so none slips in behind a drain that saw nothing.
        let phase = self.phase();
        let allowed = phase == Phase::Live as u8
            || (phase == Phase::Draining as u8 && tracker.may_start_while_draining(offset));
        allowed && tracker.start(offset)
    }

    /// An event is finished. `false` if this assignment is over: nothing was acknowledged.
    pub fn finish(&self, offset: i64) -> bool {
        let mut tracker = self.tracker();
        self.phase() < Phase::Closed as u8 && tracker.finish(offset)
    }

    /// An event is put down unfinished; it comes again after the next assignment.
    pub fn abandon(&self, offset: i64) {
        self.tracker().abandon(offset);
    }

    /// The offset that the group should commit, if it differs from what is committed and this
    /// assignment may still commit. What finishes of a log that is gone says nothing of the one in its place.
    pub fn uncommitted_watermark(&self) -> Option<i64> {
        // Before the tracker is locked: entries of everything below this offset are in it by then.
        let received = self.next_offset();
        let mut tracker = self.tracker();
        let mut watermark = tracker.watermark(received);
        if mutant::is(Mutant::CommitBeforeAcknowledge) {
            tracker.committed(received);
            watermark = received;
        }
        drop(tracker);
        match self.log() {
            Log::Read => {}
            Log::Deleted => return None,
            Log::Replaced { first } => watermark = first,
        }
        (self.may_commit() && *self.committed.borrow() != Some(watermark)).then_some(watermark)
    }

    /// Kafka confirmed a commit of this partition at `offset`.
    pub fn committed(&self, offset: i64) {
        self.tracker().committed(offset);
        self.confirmed.store(offset, Ordering::Release);
        self.committed.send_replace(Some(offset));
    }

    /// Kafka may have forgotten what was committed: the watermark has to be committed once more.
    pub fn commit_again(&self) {
        self.committed.send_replace(None);
    }

    /// The log that was read is gone with its topic, and with it what the group had committed. What was received of
    /// it is finished all the same; none of that is committed, since it would be the position in a log that may
    /// come in its place.
    pub fn log_is_deleted(&self) {
        self.log_becomes(Log::Deleted);
    }

    /// Another log is in the place of the one that was read. The group goes on at its `first` record, whatever
    /// finishes of the other one: that is what is committed from now on, and at once.
    pub fn log_is_replaced(&self, first: i64) {
        self.log_becomes(Log::Replaced { first });
    }

    fn log_becomes(&self, log: Log) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = log;
        // Owed anew, and told to whoever waits for a commit that does not come any more.
        self.committed.send_replace(None);
    }

    fn log(&self) -> Log {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the group has committed, as far as this process knows.
    pub fn committed_offset(&self) -> Option<i64> {
        *self.committed.borrow()
    }

    /// What Kafka has confirmed last for this partition, also if it has forgotten that since.
    pub fn last_confirmed(&self) -> Option<i64> {
        Some(self.confirmed.load(Ordering::Acquire)).filter(|offset| *offset != NOTHING)
    }

    /// Whether another log is in the place of the one that was read.
    pub fn is_replaced(&self) -> bool {
        matches!(self.log(), Log::Replaced { .. })
    }

    /// Waits until the group has a committed offset for this partition, or its log is gone, so that a crash after the
    /// first event cannot make a fresh group begin behind it. `false` if the partition was given up.
    pub async fn anchored(&self) -> bool {
        self.committed_offset().is_some() || self.committed_from(i64::MIN).await
    }

    /// Waits until `offset` or more is committed, or its log is gone. `false` if the partition was given up before.
    pub async fn committed_from(&self, offset: i64) -> bool {
        let mut committed = self.committed.subscribe();
        tokio::select! {
            biased;
            reached = committed.wait_for(|committed| {
                committed.is_some_and(|committed| committed >= offset) || self.log() != Log::Read
            }) => reached.is_ok(),
            () = self.closed.cancelled() => false,
        }
    }

    /// How many events were handed on and are not yet committed.
    pub fn uncommitted(&self) -> usize {
        self.tracker().uncommitted()
    }

    /// How many events were handed on and are not finished.
    pub fn unfinished(&self) -> usize {
        self.tracker().unfinished()
    }

    /// How many events are finished and come again if this assignment ends now, since one below them is
    /// not finished.
    pub fn finished_above(&self) -> usize {
        self.tracker().finished_above()
    }

    /// Whether everything that was handed on is finished.
    pub fn is_idle(&self) -> bool {
        let received = self.next_offset();
        self.tracker().watermark(received) == received
    }

    /// The partition is being given up: from now on only events below the highest started begin.
    pub fn drain(&self) {
        if mutant::is(Mutant::AcknowledgeAfterRevoke) {
            return;
        }
        let _tracker = self.tracker();
        self.phase.fetch_max(Phase::Draining as u8, Ordering::AcqRel);
        self.draining.cancel();
    }

    /// Whether a drain has nothing left to wait for: also once the partition is given up, since
    /// nothing that ends then changes anything.
    pub fn is_drained(&self) -> bool {
        !self.may_commit() || mutant::is(Mutant::AcknowledgeAfterRevoke) || self.tracker().is_drained()
    }

    /// How many events a drain waits for.
    pub fn drains(&self) -> usize {
        self.tracker().drains()
    }

    /// The partition is given up: nothing of it is started, finished or committed any more.
    pub fn close(&self) {
        if mutant::is(Mutant::AcknowledgeAfterRevoke) {
            return;
        }
        let _tracker = self.tracker();
        self.phase.fetch_max(Phase::Closed as u8, Ordering::AcqRel);
        self.draining.cancel();
        self.closed.cancel();
    }

    /// Cancelled once the partition is being given up.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled once the partition is given up.
    pub fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Acquire)
    }

    /// The tracker holds no invariant that a panic of another thread could leave broken half-way:
    /// each of its methods is complete before it returns.
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
