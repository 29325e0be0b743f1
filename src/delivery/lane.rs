//! Lanes: the queues and tasks in which events are processed, each in its order.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::budget::Budget;
use super::config::Ordering;
use super::epoch::PartitionEpoch;
use super::settings::{CommitMode, DeliverySettings};
use crate::event::{Outcome, Record, Route, offset_after};

/// How many events travel to a lane at once at most. Waking a task costs more than handing over an
/// event, so the polling thread gathers what is at hand, and never waits for more.
const BATCH: usize = 64;

/// An event on its way to a lane.
#[derive(Debug)]
pub struct Delivery {
    /// The assignment it was received in.
    pub epoch: Arc<PartitionEpoch>,
    /// The record.
    pub record: Record,
    /// What the record's topic carries.
    pub route: Route,
}

/// How the processing of an event ended, as far as its lane is concerned.
#[derive(Debug)]
pub enum Processed {
    /// It came to an end. All but [`Outcome::Failed`] may be committed.
    Ended(Outcome),
    /// It was put down because its partition is being given up; it comes again.
    Interrupted,
}

/// What lanes do with an event, and whom they tell. Implemented once by the pipeline and once by the
/// tests.
pub trait Processor: Send + Sync + 'static {
    /// Takes one event through all its stages. Called once per delivery, in the lane's order.
    /// Returns [`Processed::Interrupted`] when it had to wait and the epoch's `draining` was cancelled.
    fn process(&self, delivery: &Delivery) -> impl Future<Output = Processed> + Send;

    /// Something was finished that may now be committed. Called after every finished event.
    fn finished(&self);

    /// An event ended as [`Outcome::Failed`]: the pipeline has to stop. The lane takes up nothing more.
    fn failed(&self, outcome: Outcome);
}

/// The lanes of one pipeline, as the polling thread sees them.
///
/// `partition` ordering has a lane per assigned partition, `key` has `concurrency` lanes chosen by a
/// hash of the entity, `unordered` one queue that `concurrency` tasks draw from. A lane's queue has no
/// limit of its own: what may be in it is bounded by the partition's budget.
pub struct Lanes<P> {
    runtime: Handle,
    processor: Arc<P>,
    budget: Arc<Budget>,
    ordering: Ordering,
    await_commit: bool,
    /// The lanes that outlive assignments: none with `partition` ordering.
    shared: Vec<LaneEntrance>,
    tasks: TaskTracker,
}

/// Where events enter a lane. Gathers a few before it hands them over.
#[derive(Debug)]
pub struct LaneEntrance {
    queue: Sender<Vec<Delivery>>,
    gathered: Vec<Delivery>,
    batch: usize,
}

impl LaneEntrance {
    /// Puts an event into the lane; it may wait here until [`LaneEntrance::flush`].
    pub fn push(&mut self, delivery: Delivery) {
        self.gathered.push(delivery);
        if self.gathered.len() >= self.batch {
            self.flush();
        }
    }

    /// Hands over what was gathered.
    pub fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let gathered = std::mem::replace(&mut self.gathered, Vec::with_capacity(self.batch));
        // The queue has no limit, so it is never full; where its tasks are gone the pipeline is
        // stopping, and an event that is never started is never acknowledged.
        let _ = self.queue.try_send(gathered);
    }
}

/// What was gathered goes to the lane even so: its bytes are the budget's until the lane puts it down, also where
/// the partition is lost and nothing of it begins any more.
impl Drop for LaneEntrance {
    fn drop(&mut self) {
        self.flush();
    }
}

impl<P: Processor> Lanes<P> {
    /// Lanes that run on `runtime` and hand events to `processor`.
    pub fn new(runtime: Handle, processor: Arc<P>, budget: Arc<Budget>, settings: &DeliverySettings) -> Self {
        let concurrency = settings.concurrency;
        let mut lanes = Self {
            runtime,
            processor,
            budget,
            ordering: settings.ordering,
            await_commit: settings.commit == CommitMode::PerEvent,
            shared: Vec::new(),
            tasks: TaskTracker::new(),
        };
        let count = concurrency.unwrap_or(DeliverySettings::DEFAULT_CONCURRENCY);
        lanes.shared = match settings.ordering {
            Ordering::Partition => Vec::new(),
            Ordering::Key => (0..count).map(|_| lanes.open(1, BATCH)).collect(),
            // One at a time: a batch would wait behind its first event while other tasks idle.
            Ordering::Unordered => vec![lanes.open(count, 1)],
        };
        lanes
    }

    /// Where the lanes run.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Whether each partition needs a lane of its own, from [`Lanes::open_for_partition`].
    pub fn one_per_partition(&self) -> bool {
        self.ordering == Ordering::Partition
    }

    /// Opens the lane of a newly assigned partition. It ends when its entrance is dropped.
    pub fn open_for_partition(&self) -> LaneEntrance {
        self.open(1, BATCH)
    }

    /// The lane for events with this hash, where lanes are shared by partitions.
    pub fn shared(&mut self, hash: u64) -> Option<&mut LaneEntrance> {
        let count = self.shared.len() as u64;
        let index = hash.checked_rem(count)?;
        self.shared.get_mut(usize::try_from(index).ok()?)
    }

    /// Hands over what all shared lanes have gathered.
    pub fn flush(&mut self) {
        self.shared.iter_mut().for_each(LaneEntrance::flush);
    }

    /// Closes the shared lanes and returns what waits until the last task has ended.
    pub fn close(self) -> TaskTracker {
        self.tasks.close();
        self.tasks
    }

    fn open(&self, tasks: usize, batch: usize) -> LaneEntrance {
        let (queue, deliveries) = async_channel::unbounded();
        for _ in 0..tasks {
            let lane = Lane {
                deliveries: deliveries.clone(),
                processor: Arc::clone(&self.processor),
                budget: Arc::clone(&self.budget),
                await_commit: self.await_commit,
                barred: HashMap::new(),
                stopped: false,
            };
            self.tasks.spawn_on(lane.run(), &self.runtime);
        }
        LaneEntrance { queue, gathered: Vec::new(), batch }
    }
}

/// One task that draws events from a queue.
struct Lane<P> {
    deliveries: Receiver<Vec<Delivery>>,
    processor: Arc<P>,
    budget: Arc<Budget>,
    await_commit: bool,
    /// Assignments of which this lane has put an event down: nothing behind it may overtake it. Those that
    /// have ended begin nothing anyway, and are forgotten.
    barred: HashMap<u64, Arc<PartitionEpoch>>,
    stopped: bool,
}

impl<P: Processor> Lane<P> {
    async fn run(mut self) {
        while let Ok(batch) = self.deliveries.recv().await {
            for delivery in batch {
                let offset = delivery.record.position.offset;
                if !self.take_up(&delivery).await {
                    delivery.epoch.abandon(offset);
                    self.bar(Arc::clone(&delivery.epoch));
                }
                self.budget.release(delivery.record.held_bytes());
            }
        }
    }

    fn bar(&mut self, epoch: Arc<PartitionEpoch>) {
        self.barred.retain(|_, barred| !barred.closed().is_cancelled());
        self.barred.insert(epoch.number(), epoch);
    }

    /// Takes an event as far as it gets. `false`: it is to be put down unfinished.
    async fn take_up(&mut self, delivery: &Delivery) -> bool {
        let epoch = &delivery.epoch;
        let offset = delivery.record.position.offset;
        if self.stopped || self.barred.contains_key(&epoch.number()) || !epoch.anchored().await {
            return false;
        }
        if !epoch.try_start(offset) {
            return false;
        }
        let processed = tokio::select! {
            biased;
            processed = self.processor.process(delivery) => processed,
            () = epoch.closed().cancelled() => Processed::Interrupted,
        };
        match processed {
            Processed::Ended(failed @ Outcome::Failed(..)) => {
                self.stopped = true;
                self.processor.failed(failed);
                false
            }
            Processed::Ended(outcome) => self.acknowledge(delivery, &outcome).await,
            Processed::Interrupted => false,
        }
    }

    async fn acknowledge(&self, delivery: &Delivery, outcome: &Outcome) -> bool {
        let offset = delivery.record.position.offset;
        if !delivery.epoch.finish(offset) {
            return false;
        }
        self.processor.finished();
        // What was dropped did nothing that could be done twice: it rides along with the next commit.
        if self.await_commit && !matches!(outcome, Outcome::Dropped(..)) {
            delivery.epoch.committed_from(offset_after(offset)).await;
        }
        true
    }
}

#[cfg(test)]
mod tests;
