//! The way out: drain, last commit, leave the group, drop the consumer, each with a deadline.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use tokio::runtime::Handle;

use super::drain::DrainWatch;
use super::poll_loop::PollLoop;
use super::rebalance::LAST_COMMIT;
use super::screen::Screen;
use crate::delivery::Processor;
use crate::event::TopicPartition;
use crate::kafka::client::{ConsumerError, RelayConsumer, StartError, partition_list};

/// How long to wait for each of: the lanes, the committer, the group, the end of the consumer.
const GOODBYE: Duration = Duration::from_secs(5);

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Stops intake, finishes what runs, commits, and leaves the group. Returns why the loop `ended`,
    /// or why the committer did.
    pub(super) fn shut_down(mut self, ended: Result<(), ConsumerError>) -> Result<(), ConsumerError> {
        self.parts.stop.cancel();
        self.parts.reports.draining();
        // What is known after a panic may be wrong: nothing more is finished or committed.
        if !matches!(ended, Err(ConsumerError::Fatal(_) | ConsumerError::PollingPanicked)) {
            let deadline = Instant::now() + self.drain_timeout;
            self.stop_by = Some(deadline);
            self.drain_while_polling(deadline);
            // The last commit gets its time also where the drain has used all of it.
            self.commit_last(|_| true, deadline.max(Instant::now() + LAST_COMMIT));
        }
        self.slots.iter().for_each(|slot| slot.epoch.close());
        self.report();
        // Before the committer is stopped: all epochs are closed, so it begins no commit any more that could reach
        // into another member's time. Waiting first for one that hangs would keep the partitions from the others, and
        // the revocation that is answered on the way out still asks the committer.
        self.leave_group();
        let Self { consumer, lanes, committer, slots, log_ends, runtime, .. } = self;
        drop(slots);
        // Its thread holds the consumer too.
        drop(log_ends);
        wait_for_lanes(&runtime, lanes.close());
        let committed = join(committer.stop());
        consumer.context().close();
        drop_consumer(consumer);
        match committed {
            _ if matches!(ended, Err(ConsumerError::Stopped | ConsumerError::Start(StartError::Stopped))) => {
                Ok(())
            }
            Joined::Returned(Err(error)) if ended.is_ok() => Err(ConsumerError::Fatal(error)),
            Joined::Panicked if ended.is_ok() => Err(ConsumerError::CommitterPanicked),
            Joined::Hangs => {
                tracing::warn!("a commit hangs and is left behind; what it covers may come again");
                ended
            }
            _ => ended,
        }
    }

    /// Waits for running actions while it goes on polling, so that the group keeps this member and a
    /// rebalance is answered.
    fn drain_while_polling(&mut self, deadline: Instant) {
        self.flush();
        self.slots.iter().for_each(|slot| slot.epoch.drain());
        self.committer.hurry();
        let sources: Vec<TopicPartition> = self.slots.iter().map(|slot| slot.source().clone()).collect();
        if let Err(error) = self.consumer.pause(&partition_list(&sources)) {
            tracing::debug!(%error, "cannot pause for the drain");
        }
        let mut watch = DrainWatch::new(deadline);
        while !self.slots.iter().all(|slot| slot.epoch.is_drained()) && Instant::now() < deadline {
            watch.look(&*self.parts.reports, self.slots.iter().map(|slot| &slot.epoch));
            // Records that still come are not taken: their epoch is draining.
            self.poll_for_requests(Duration::from_millis(20));
        }
    }

    /// Leaves the group and waits until its revocation is answered.
    fn leave_group(&mut self) {
        self.consumer.unsubscribe();
        let deadline = Instant::now() + GOODBYE;
        while self.slots.len() > 0 && Instant::now() < deadline {
            self.poll_for_requests(Duration::from_millis(20));
        }
    }

    /// Polls for what the group asks; records that come are left alone.
    fn poll_for_requests(&mut self, patience: Duration) {
        let consumer = Arc::clone(&self.consumer);
        if let Some(Err(error)) = consumer.poll(patience) {
            self.parts.reports.trouble(Some(&error));
        }
        while let Some(request) = consumer.context().take_request() {
            if let Err(error) = self.rebalance(request) {
                tracing::warn!(%error, "a rebalance during the stop was not answered");
            }
        }
        self.parts.reports.polling();
    }
}

/// Waits for the lanes: their epochs are closed, so each is at its last await point.
fn wait_for_lanes(runtime: &Handle, lanes: tokio_util::task::TaskTracker) {
    let waited = runtime.block_on(async { tokio::time::timeout(GOODBYE, lanes.wait()).await });
    if waited.is_err() {
        tracing::warn!("an action does not let itself be cancelled and is left behind");
    }
}

/// How a thread ended.
enum Joined<T> {
    Returned(T),
    Panicked,
    Hangs,
}

/// Joins a thread, unless it does not end in time.
fn join<T>(thread: JoinHandle<T>) -> Joined<T> {
    let deadline = Instant::now() + GOODBYE;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            return Joined::Hangs;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    thread.join().map_or(Joined::Panicked, Joined::Returned)
}

/// Drops the consumer on a thread of its own: dropping polls and may wait without end. It does so for sure
/// while a partition list lives that was obtained from the consumer, so none is kept anywhere.
fn drop_consumer(consumer: Arc<RelayConsumer>) {
    let closing = std::thread::Builder::new().name("close".to_owned()).spawn(move || drop(consumer));
    match closing.map(join) {
        Ok(Joined::Returned(())) => {}
        Ok(Joined::Panicked | Joined::Hangs) => {
            tracing::warn!("the consumer does not close and is left behind")
        }
        Err(error) => tracing::warn!(%error, "cannot start the closing thread"),
    }
}
