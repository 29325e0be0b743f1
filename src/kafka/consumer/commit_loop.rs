//! What the committer's thread does: a pass over the assignments, and what comes of a failed one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rdkafka::consumer::{CommitMode as Request, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::commit_error::{CommitDirective, classify};
use super::committer::{Command, CommitSettings, Committable};
use super::refusals::Refusals;
use super::reports::{CommitsFail, Reports};
use crate::delivery::{Budget, CommitMode};
use crate::kafka::client::RelayConsumer;

/// How soon progress is committed that consists of dropped records alone. Nothing would act again if it
/// were lost, so it need not cost a request each time.
const DROPPED_ONLY: Duration = Duration::from_millis(250);

/// The wait after a commit that the group refused because it is changing.
const REFUSED: Duration = Duration::from_millis(100);

/// The wait after a commit that failed; it doubles up to the user's cap.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(600);

/// What runs on the thread.
pub(super) struct CommitLoop {
    pub(super) consumer: Arc<RelayConsumer>,
    pub(super) settings: CommitSettings,
    pub(super) budget: Arc<Budget>,
    pub(super) reports: Arc<dyn Reports>,
    pub(super) inbox: Receiver<Command>,
    pub(super) rung: Arc<AtomicBool>,
    pub(super) hurried: Arc<AtomicBool>,
    pub(super) live: Arc<Mutex<Vec<Committable>>>,
    /// Failed passes in a row. One partition that cannot be committed makes a pass fail, whatever becomes of
    /// the others, unless Kafka takes no commit for it.
    pub(super) failures: u32,
    /// The partitions for which Kafka takes no commit. They make no pass fail.
    pub(super) refusals: Refusals,
    /// Somebody was told of failures or refusals.
    pub(super) told: bool,
}

/// How a pass over the assignments ended.
#[derive(Debug)]
enum Pass {
    /// Whatever could be committed is.
    Done,
    /// The group is changing: what is left is committed after that.
    Later,
    /// Something could not be committed and has to be tried again; others may have been. Not for those alone
    /// that were refused: they are noted.
    Failed(Failure),
    /// The pipeline has to end.
    End(KafkaError),
}

/// What was not committed in a pass that failed.
#[derive(Debug)]
struct Failure {
    error: KafkaError,
    directive: CommitDirective,
    /// Whether something else was committed.
    others_confirmed: bool,
}

impl CommitLoop {
    /// Commits until it is told to end, or an error means that the pipeline has to.
    pub(super) fn run(mut self) -> Result<(), KafkaError> {
        let mut wanted = false;
        let mut last = Instant::now();
        let mut not_before = last;
        loop {
            let wake_at = if wanted { not_before } else { not_before.max(self.next_look(last)) };
            match self.inbox.recv_deadline(wake_at) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Command::Final { assignments, done, deadline }) => {
                    if self.commit_until(&assignments, deadline)? {
                        let _ = done.send(());
                    }
                    // What could not be committed is nobody's any more: whether that was all is to be seen.
                    wanted |= self.failures > 0 || !self.refusals.is_empty();
                    continue;
                }
                Ok(Command::Look) => wanted |= self.commits_at_once(),
                Ok(Command::Hurry) | Err(RecvTimeoutError::Timeout) => wanted = true,
            }
            // The inbox need never be empty: an interval that is over counts, whatever comes.
            let now = Instant::now();
            wanted |= now >= self.next_look(last);
            if !wanted || now < not_before {
                continue;
            }
            // Cleared before the watermarks are read: what finishes from here on rings again.
            self.rung.store(false, Ordering::Release);
            self.hurried.store(false, Ordering::Release);
            wanted = false;
            if let Some(wait) = self.look()? {
                wanted = true;
                not_before = Instant::now() + wait;
            }
            last = Instant::now();
        }
    }

    /// Commits the progress of all live assignments. `Some` if something is left: how long to wait before
    /// it is tried again.
    pub(super) fn look(&mut self) -> Result<Option<Duration>, KafkaError> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.refusals.keep(&live);
        match self.pass(&live) {
            Pass::Done => {
                // Also where nothing was left to commit, since its partition has gone to another member.
                self.failures = 0;
                if self.refusals.is_empty() && std::mem::take(&mut self.told) {
                    self.reports.commits_fail(None);
                }
                Ok(None)
            }
            Pass::Later => Ok(Some(REFUSED)),
            Pass::Failed(failure) => {
                let wait = self.failed(&failure.error);
                // One partition's trouble must not slow the others down.
                Ok(Some(if failure.others_confirmed { FIRST_BACKOFF } else { wait }))
            }
            Pass::End(error) => Err(error),
        }
    }

    /// When to look without being woken: the interval is over, or a refused commit is to be tried again.
    fn next_look(&self, last: Instant) -> Instant {
        let over = last + self.period();
        self.refusals.next().map_or(over, |next| next.min(over))
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
        // One whose log is gone has none and owes none.
        let owes = |one: &Committable| {
            one.epoch.committed_offset().is_none() && one.epoch.uncommitted_watermark().is_some()
        };
        live.iter().any(owes)
    }

    /// The last commit of assignments that are being given up. Whether all of it was confirmed. The polling
    /// thread waits for it: what Kafka takes no commit for is not asked about for long.
    pub(super) fn commit_until(
        &mut self,
        assignments: &[Committable],
        deadline: Instant,
    ) -> Result<bool, KafkaError> {
        let mut left = assignments.to_vec();
        let mut counted = false;
        self.refusals.hurry(&left);
        while Instant::now() < deadline {
            let pass = self.pass(&left);
            left.retain(|one| {
                let in_vain = self.refusals.in_vain(one);
                if let Some(error) = in_vain {
                    tracing::warn!(
                        partition = %one.epoch.source(), %error,
                        "given up without a last commit, which Kafka does not take for this topic; what it would cover comes again, if the topic does"
                    );
                }
                in_vain.is_none()
            });
            match pass {
                Pass::Done => {
                    if left.iter().all(|one| self.refusals.not_before(one).is_none()) {
                        return Ok(left.len() == assignments.len());
                    }
                }
                Pass::Later => {}
                // Once: it is asked more often than elsewhere, and neither what is told nor the next wait is to
                // grow by that.
                Pass::Failed(Failure { error, .. }) => {
                    if !std::mem::replace(&mut counted, true) {
                        self.failed(&error);
                    }
                }
                Pass::End(error) => return Err(error),
            }
            // Shorter than elsewhere: the partitions go away at the deadline.
            std::thread::sleep(REFUSED.min(deadline.saturating_duration_since(Instant::now())));
        }
        Ok(false)
    }

    /// Commits the progress of these assignments: in one request, and after a failure one by one,
    /// since a request of several partitions reports the error of one of them. Those that were refused
    /// before are asked for one by one in any case, each when its wait is over.
    fn pass(&mut self, assignments: &[Committable]) -> Pass {
        let now = Instant::now();
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        for one in assignments {
            let Some(offset) = one.epoch.uncommitted_watermark() else { continue };
            match self.refusals.not_before(one) {
                None => together.push((one, offset)),
                Some(not_before) if not_before <= now => alone.push(one),
                Some(_) => {}
            }
        }
        let mut confirmed = false;
        if self.failures == 0 && together.len() > 1 {
            match self.request(&together) {
                Pass::Done => {
                    confirmed = true;
                    together.clear();
                }
                // The error does not say which one it is of.
                Pass::Failed(failure) if failure.directive.is_refusal() => {}
                other => return other,
            }
        }
        let one_by_one = together.into_iter().map(|(one, _)| one).chain(alone);
        self.one_by_one(one_by_one, confirmed)
    }

    /// Commits each with a request of its own. `confirmed` tells whether something was committed before.
    fn one_by_one<'a>(
        &mut self,
        assignments: impl Iterator<Item = &'a Committable>,
        mut confirmed: bool,
    ) -> Pass {
        let mut worst = Pass::Done;
        for one in assignments {
            // Asked again: each request may take long, and the partition may be another member's by
            // now. librdkafka would let the commit succeed.
            let Some(offset) = one.epoch.uncommitted_watermark() else { continue };
            match self.request(&[(one, offset)]) {
                Pass::Done => {
                    confirmed = true;
                    self.refusals.confirmed(one);
                }
                // It would be the same for the others. With the coordinator away each request lasts as long as
                // a session, and whoever gives partitions up waits behind all of them.
                Pass::Later => {
                    if matches!(worst, Pass::Done) {
                        worst = Pass::Later;
                    }
                    break;
                }
                Pass::Failed(Failure { error, directive, .. }) if directive.is_refusal() => {
                    let times = self.refusals.note(one, &error, self.settings.backoff_cap);
                    self.tell(times, &error);
                }
                Pass::Failed(failure) => {
                    let is_over = failure.directive == CommitDirective::AwaitCoordinator;
                    worst = Pass::Failed(failure);
                    if is_over {
                        break;
                    }
                }
                end @ Pass::End(_) => return end,
            }
        }
        if let Pass::Failed(failure) = &mut worst {
            failure.others_confirmed = confirmed;
        }
        worst
    }

    fn request(&self, due: &[(&Committable, i64)]) -> Pass {
        let began = Instant::now();
        let error = match self.send(due) {
            Ok(()) => {
                self.reports.commit_confirmed(began.elapsed());
                for (one, offset) in due {
                    one.epoch.committed(*offset);
                }
                self.budget.ring();
                return Pass::Done;
            }
            Err(error) => error,
        };
        let directive = classify(&error);
        if directive == CommitDirective::Nothing {
            return Pass::Done;
        }
        self.reports.commit_failed(began.elapsed(), &error);
        match directive {
            CommitDirective::LeaveForLater => {
                tracing::debug!(%error, "the group is changing, this commit waits for the end of it");
                Pass::Later
            }
            CommitDirective::EndPipeline => Pass::End(error),
            directive => Pass::Failed(Failure { error, directive, others_confirmed: false }),
        }
    }

    /// Counts a failed pass. How long to wait before the next one.
    fn failed(&mut self, error: &KafkaError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.tell(self.failures, error);
        backoff(self.failures, self.settings.backoff_cap)
    }

    /// Says that commits fail, where so many in a row are worth it.
    fn tell(&mut self, in_a_row: u32, error: &KafkaError) {
        if in_a_row.is_multiple_of(self.settings.attempts.max(1)) {
            tracing::warn!(%error, failures = in_a_row, "cannot commit, trying again");
            self.told = true;
            self.reports.commits_fail(Some(CommitsFail { in_a_row, error }));
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
pub(super) fn backoff(failures: u32, cap: Duration) -> Duration {
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
