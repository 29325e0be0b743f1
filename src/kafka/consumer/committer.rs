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

use crossbeam_channel::Sender;
use rdkafka::error::KafkaError;

use super::commit_loop::CommitLoop;
use super::refusals::Refusals;
use super::reports::Reports;
use crate::delivery::{Budget, CommitMode, PartitionEpoch};
use crate::kafka::client::RelayConsumer;
use crate::mutant::{self, Mutant};

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
    /// Failed attempts in a row after which a warning and readiness say so.
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
pub(super) enum Command {
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
        let commit_loop = CommitLoop {
            consumer,
            settings,
            budget,
            reports,
            inbox,
            rung: Arc::clone(&bell.rung),
            hurried: Arc::clone(&bell.hurried),
            live: Arc::clone(&live),
            failures: 0,
            refusals: Refusals::default(),
            told: false,
        };
        let thread =
            std::thread::Builder::new().name("commit".to_owned()).spawn(move || commit_loop.run())?;
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
