//! The one thread that commits.
//!
//! It takes the progress of all live assignments, commits it synchronously in one request, and
//! repeats: what finishes while a commit is under way rides on the next one. It is a thread of its own
//! since a synchronous commit has no time-out (frozen brokers made one last 150 s): neither the polling
//! thread nor the async runtime may wait in one, and no lock is held across it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rdkafka::consumer::{CommitMode as Request, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::commit_error::{CommitDirective, classify};
use super::reports::Reports;
use crate::delivery::{Budget, CommitMode, PartitionEpoch};
use crate::kafka::client::RelayConsumer;
use crate::mutant::{self, Mutant};

/// How soon progress is committed that consists of dropped records alone. Nothing would act again if it
/// were lost, so it need not cost a request each time.
const DROPPED_ONLY: Duration = Duration::from_millis(250);

/// The wait after a commit that the group refused because it is changing.
const REFUSED: Duration = Duration::from_millis(100);

/// The wait after a commit that failed; it doubles up to the user's cap.
const FIRST_BACKOFF: Duration = Duration::from_millis(600);

/// An assignment whose progress the committer commits.
#[derive(Debug, Clone)]
pub(super) struct Committable {
    /// The assignment.
    pub(super) epoch: Arc<PartitionEpoch>,
    /// What each of its commits carries.
    pub(super) metadata: Arc<str>,
}

/// How commits are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommitSettings {
    /// When to commit.
    pub(super) mode: CommitMode,
    /// Failed attempts in a row after which a warning says so.
    pub(super) attempts: u32,
    /// The longest wait between two attempts.
    pub(super) backoff_cap: Duration,
}

/// Wakes the committer. Cheap to call once per event.
#[derive(Debug, Clone)]
pub struct CommitBell {
    rung: Arc<AtomicBool>,
    hurried: Arc<AtomicBool>,
    commands: Sender<Command>,
}

impl CommitBell {
    /// Something was finished that may be committed.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Fails only when the committer has ended, and then nothing is to be committed.
            let _ = self.commands.send(Command::Look);
        }
    }

    /// The same, at once, whatever the interval.
    fn hurry(&self) {
        if !self.hurried.swap(true, Ordering::AcqRel) {
            let _ = self.commands.send(Command::Hurry);
        }
    }
}

/// What the committer is asked.
#[derive(Debug)]
enum Command {
    /// There may be something to commit.
    Look,
    /// A budget runs out: commit now, whatever the interval.
    Hurry,
    /// Commit these a last time, and say so when all of it is committed.
    Final { assignments: Vec<Committable>, done: Sender<()>, deadline: Instant },
    /// End.
    Stop,
}

/// The handle of the committer thread.
pub(super) struct Committer {
    bell: CommitBell,
    live: Arc<Mutex<Vec<Committable>>>,
    thread: JoinHandle<Result<(), KafkaError>>,
}

impl Committer {
    /// Starts the thread. It keeps `consumer` alive until it has ended.
    pub(super) fn start(
        consumer: Arc<RelayConsumer>,
        settings: CommitSettings,
        budget: Arc<Budget>,
        reports: Arc<dyn Reports>,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = crossbeam_channel::unbounded();
        let bell = CommitBell { rung: Arc::default(), hurried: Arc::default(), commands };
        let live = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker {
            consumer,
            settings,
            budget,
            reports,
            inbox,
            rung: Arc::clone(&bell.rung),
            hurried: Arc::clone(&bell.hurried),
            live: Arc::clone(&live),
            failures: 0,
        };
        let thread = std::thread::Builder::new().name("commit".to_owned()).spawn(move || worker.run())?;
        Ok(Self { bell, live, thread })
    }

    /// Wakes the committer when something is finished.
    pub(super) fn bell(&self) -> &CommitBell {
        &self.bell
    }

    /// Commits at once, whatever the interval: a partition has used half of its budget.
    pub(super) fn hurry(&self) {
        self.bell.hurry();
    }

    /// Replaces the assignments whose progress is committed.
    pub(super) fn watch(&self, live: Vec<Committable>) {
        let mut watched = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if mutant::is(Mutant::AcknowledgeAfterRevoke) {
            watched.extend(live);
        } else {
            *watched = live;
        }
        drop(watched);
        self.bell.ring();
    }

    /// Commits these assignments a last time and waits for the answer, until `deadline` at most.
    /// `false` if not all of it was confirmed in time: what is uncommitted comes again.
    pub(super) fn commit_finally(&self, assignments: Vec<Committable>, deadline: Instant) -> bool {
        if assignments.iter().all(|one| one.epoch.uncommitted_watermark().is_none()) {
            return true;
        }
        let (done, answer) = crossbeam_channel::bounded(1);
        let sent = self.bell.commands.send(Command::Final { assignments, done, deadline });
        sent.is_ok() && answer.recv_deadline(deadline).is_ok()
    }

    /// Whether the thread has ended by itself: the pipeline must end too.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Tells the thread to end, and returns it: it may hang in a commit, so whoever joins it must
    /// know when to give up. It returns the error that ended it, if one did.
    pub(super) fn stop(self) -> JoinHandle<Result<(), KafkaError>> {
        let _ = self.bell.commands.send(Command::Stop);
        self.thread
    }
}

/// What runs on the thread.
struct Worker {
    consumer: Arc<RelayConsumer>,
    settings: CommitSettings,
    budget: Arc<Budget>,
    reports: Arc<dyn Reports>,
    inbox: Receiver<Command>,
    rung: Arc<AtomicBool>,
    hurried: Arc<AtomicBool>,
    live: Arc<Mutex<Vec<Committable>>>,
    /// Failed attempts in a row.
    failures: u32,
}

/// How a pass over the assignments ended.
#[derive(Debug)]
enum Pass {
    /// Whatever could be committed is.
    Done,
    /// Something has to be tried again after this wait.
    Again(Duration),
    /// The pipeline has to end.
    End(KafkaError),
}

impl Worker {
    fn run(mut self) -> Result<(), KafkaError> {
        let mut wanted = false;
        let mut last = Instant::now();
        let mut not_before = last;
        loop {
            let wake_at = if wanted { not_before } else { not_before.max(last + self.period()) };
            match self.inbox.recv_deadline(wake_at) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Command::Final { assignments, done, deadline }) => {
                    if self.commit_until(&assignments, deadline)? {
                        let _ = done.send(());
                    }
                    continue;
                }
                Ok(Command::Look) => wanted |= self.commits_at_once(),
                Ok(Command::Hurry) | Err(RecvTimeoutError::Timeout) => wanted = true,
            }
            // The inbox need never be empty: an interval that is over counts, whatever comes.
            let now = Instant::now();
            wanted |= now >= last + self.period();
            if !wanted || now < not_before {
                continue;
            }
            // Cleared before the watermarks are read: what finishes from here on rings again.
            self.rung.store(false, Ordering::Release);
            self.hurried.store(false, Ordering::Release);
            wanted = false;
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match self.pass(&live) {
                Pass::Done => {}
                Pass::Again(wait) => {
                    wanted = true;
                    not_before = Instant::now() + wait;
                }
                Pass::End(error) => return Err(error),
            }
            last = Instant::now();
        }
    }

    /// How often to look without being woken.
    fn period(&self) -> Duration {
        match self.settings.mode {
            CommitMode::Interval(interval) => interval,
            CommitMode::Group | CommitMode::PerEvent => DROPPED_ONLY,
        }
    }

    /// Whether something finished is to be committed now: always but with an interval, and then too
    /// where a fresh group's starting position is owed, since no event begins before it.
    fn commits_at_once(&self) -> bool {
        if !matches!(self.settings.mode, CommitMode::Interval(_)) {
            return true;
        }
        self.rung.store(false, Ordering::Release);
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().any(|one| one.epoch.committed_offset().is_none())
    }

    /// The last commit of assignments that are being given up. Whether all of it was confirmed.
    fn commit_until(&mut self, assignments: &[Committable], deadline: Instant) -> Result<bool, KafkaError> {
        while Instant::now() < deadline {
            match self.pass(assignments) {
                Pass::Done => return Ok(true),
                Pass::Again(wait) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    // Shorter than elsewhere: the partitions go away at the deadline.
                    std::thread::sleep(wait.min(REFUSED).min(left));
                }
                Pass::End(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Commits the progress of these assignments: in one request, and after a failure one by one,
    /// since a request of several partitions reports the error of one of them.
    fn pass(&mut self, assignments: &[Committable]) -> Pass {
        let due: Vec<(&Committable, i64)> =
            assignments.iter().filter_map(|one| Some((one, one.epoch.uncommitted_watermark()?))).collect();
        if due.is_empty() {
            return Pass::Done;
        }
        if self.failures == 0 || due.len() == 1 {
            return self.request(&due);
        }
        let mut slowest = Pass::Done;
        for (one, _) in due {
            // Asked again: each request may take long, and the partition may be another member's by
            // now. librdkafka would let the commit succeed.
            let Some(offset) = one.epoch.uncommitted_watermark() else { continue };
            match self.request(&[(one, offset)]) {
                Pass::Done => {}
                Pass::Again(wait) => slowest = Pass::Again(wait),
                Pass::End(error) => return Pass::End(error),
            }
        }
        slowest
    }

    fn request(&mut self, due: &[(&Committable, i64)]) -> Pass {
        let began = Instant::now();
        let error = match self.send(due) {
            Ok(()) => {
                self.failures = 0;
                self.reports.commit_confirmed(began.elapsed());
                for (one, offset) in due {
                    one.epoch.committed(*offset);
                }
                self.budget.ring();
                return Pass::Done;
            }
            Err(error) => error,
        };
        let directive = error.rdkafka_error_code().map_or(CommitDirective::Retry, classify);
        if directive == CommitDirective::Nothing {
            return Pass::Done;
        }
        self.reports.commit_failed(began.elapsed(), &error);
        match directive {
            CommitDirective::LeaveForLater => {
                tracing::debug!(%error, "the group is changing, this commit waits for the end of it");
                Pass::Again(REFUSED)
            }
            CommitDirective::EndPipeline => Pass::End(error),
            CommitDirective::Retry | CommitDirective::Nothing => {
                self.failures = self.failures.saturating_add(1);
                let wait = backoff(self.failures, self.settings.backoff_cap);
                if self.failures.is_multiple_of(self.settings.attempts.max(1)) {
                    tracing::warn!(%error, failures = self.failures, "cannot commit, trying again");
                }
                Pass::Again(wait)
            }
        }
    }

    fn send(&self, due: &[(&Committable, i64)]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(due.len());
        for (one, offset) in due {
            let source = one.epoch.source();
            let mut element = list.add_partition(&source.topic, source.partition);
            // The watermark is the next offset to read already: nothing is added to it here.
            element.set_offset(Offset::Offset(*offset))?;
            element.set_metadata(&one.metadata);
        }
        self.consumer.commit(&list, Request::Sync)
    }
}

/// The wait after so many failed attempts in a row.
fn backoff(failures: u32, cap: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_BACKOFF.saturating_mul(1 << doublings).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_after_a_failed_commit_doubles_up_to_the_cap() {
        let cap = Duration::from_secs(10);
        assert_eq!(backoff(1, cap), Duration::from_millis(600));
        assert_eq!(backoff(2, cap), Duration::from_millis(1200));
        assert_eq!(backoff(5, cap), Duration::from_millis(9600));
        assert_eq!(backoff(6, cap), cap);
        assert_eq!(backoff(u32::MAX, cap), cap);
    }
}
