//! The partitions for which Kafka takes no commit, whoever the coordinator is: each is asked for again by itself,
//! so that it slows no other down.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use super::commit_error::{CommitDirective, classify};
use super::commit_loop::backoff;
use super::committer::Committable;
use crate::delivery::PartitionEpoch;

/// How long a topic may be unknown before a last commit is given up for it: a coordinator that has just started
/// may know it in a moment.
const UNKNOWN: Duration = Duration::from_secs(2);

/// The assignments whose last commit was refused.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<Refusal>);

#[derive(Debug)]
struct Refusal {
    epoch: Arc<PartitionEpoch>,
    /// Why, the last time.
    error: KafkaError,
    since: Instant,
    /// Refused so often in a row.
    times: u32,
    not_before: Instant,
}

impl Refusals {
    /// Notes one more refusal. How many that are in a row.
    pub(super) fn note(&mut self, one: &Committable, error: &KafkaError, cap: Duration) -> u32 {
        let now = Instant::now();
        let place = self.place(&one.epoch).unwrap_or_else(|| {
            let (epoch, error) = (Arc::clone(&one.epoch), error.clone());
            self.0.push(Refusal { epoch, error, since: now, times: 0, not_before: now });
            self.0.len() - 1
        });
        let refusal = &mut self.0[place];
        refusal.error = error.clone();
        refusal.times = refusal.times.saturating_add(1);
        refusal.not_before = now + backoff(refusal.times, cap);
        refusal.times
    }

    /// Forgets all but those of `live` that still have something to commit.
    pub(super) fn keep(&mut self, live: &[Committable]) {
        self.0.retain(|refusal| {
            refusal.epoch.uncommitted_watermark().is_some()
                && live.iter().any(|one| Arc::ptr_eq(&one.epoch, &refusal.epoch))
        });
    }

    /// A commit of this one was taken.
    pub(super) fn confirmed(&mut self, one: &Committable) {
        self.0.retain(|refusal| !Arc::ptr_eq(&refusal.epoch, &one.epoch));
    }

    /// Lets these be asked for at once.
    pub(super) fn hurry(&mut self, assignments: &[Committable]) {
        let now = Instant::now();
        for one in assignments {
            if let Some(place) = self.place(&one.epoch) {
                self.0[place].not_before = now;
            }
        }
    }

    /// When this one may be asked for again, if it was refused.
    pub(super) fn not_before(&self, one: &Committable) -> Option<Instant> {
        self.place(&one.epoch).map(|place| self.0[place].not_before)
    }

    /// When the next one may be asked for again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|refusal| refusal.not_before).min()
    }

    /// Why a last commit of this one is in vain, if it is: for want of a right at once, for want of the topic
    /// when that has lasted.
    pub(super) fn in_vain(&self, one: &Committable) -> Option<&KafkaError> {
        let refusal = &self.0[self.place(&one.epoch)?];
        let denied = classify(&refusal.error) == CommitDirective::AwaitRight;
        (denied || refusal.since.elapsed() >= UNKNOWN).then_some(&refusal.error)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, epoch: &Arc<PartitionEpoch>) -> Option<usize> {
        self.0.iter().position(|refusal| Arc::ptr_eq(&refusal.epoch, epoch))
    }
}
