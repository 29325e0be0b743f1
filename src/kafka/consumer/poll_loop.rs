//! The polling thread.
//!
//! It polls for as long as its pipeline lives, whatever the actions do: librdkafka runs its callbacks
//! inside `poll`, and a group throws out a member that does not poll. It never waits for a lock that a
//! commit holds and never asks the registry.
//!
//! It owns a `BaseConsumer`: a `StreamConsumer` would run the callbacks on a task of the async runtime,
//! where waiting deadlocks. All partitions share one queue, since a partition with a queue of its own
//! (`split_partition_queue`) can stall for ever, and has limits of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaErrorCode;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::committer::{CommitBell, CommitSettings, Committer};
use super::doubts::Doubts;
use super::idle::Idle;
use super::log_ends::watch_log_ends;
use super::reports::Reports;
use super::screen::Screen;
use super::slots::{Slot, Slots};
use super::topic_look::is_about_a_topic;
use super::topic_watch::TopicWatch;
use super::watchdog::{Watchdog, figures_of};
use crate::delivery::{Budget, DeliverySettings, Lanes, Processor};
use crate::event::{DropReason, TopicPartition};
use crate::kafka::client::{Cause, ConsumerError, RebalanceRequest, RelayConsumer, RelayContext, cause_of};
use crate::kafka::look_ups::PartitionWatch;
use crate::kafka::source::{ConsumerSettings, StartPosition, consumer_config};

/// The longest a poll blocks: how soon a stop is noticed when nothing comes.
const POLL: Duration = Duration::from_millis(100);

/// The longest a poll blocks while a partition is paused: how soon it can be resumed.
const POLL_WHILE_PAUSED: Duration = Duration::from_millis(5);

/// Records between two looks at the clock while records keep coming.
const RECORDS_PER_LOOK: u32 = 256;

/// Time between two reports of what was counted.
const REPORT: Duration = Duration::from_millis(200);

/// So often the ends of logs are looked up while a partition may stand still.
const LOOKS_AT_ENDS: u32 = 3;

/// What the consumer of one pipeline is made of.
pub struct ConsumerParts<S> {
    /// The pipeline's name.
    pub pipeline: String,
    /// How Kafka is reached and what is read.
    pub settings: ConsumerSettings,
    /// Budgets, commits, the time for a drain.
    pub delivery: DeliverySettings,
    /// What decides on a record's bytes alone.
    pub screen: S,
    /// Who is told what happens.
    pub reports: Arc<dyn Reports>,
    /// The bytes that may be held.
    pub budget: Arc<Budget>,
    /// How long a partition may stand still that has something to read and that nothing holds.
    pub stall_after: Duration,
    /// Becomes true once all else is there that processing needs: the group is not joined before.
    pub may_join: watch::Receiver<bool>,
    /// Cancelled when the pipeline has to stop.
    pub stop: CancellationToken,
}

/// The state of the polling thread.
pub(super) struct PollLoop<S, P> {
    pub(super) consumer: Arc<RelayConsumer>,
    pub(super) parts: ConsumerParts<S>,
    pub(super) lanes: Lanes<P>,
    pub(super) committer: Committer,
    pub(super) slots: Slots,
    pub(super) drain_timeout: Duration,
    /// Half of the time after which the group throws out a member that does not poll.
    pub(super) half_poll_interval: Duration,
    /// Positions that may lie outside of their log.
    pub(super) doubts: Doubts,
    /// Where a partition begins for which the group has committed nothing.
    pub(super) start: StartPosition,
    /// The next assignment that has a partition begins anew.
    pub(super) reset: bool,
    /// Notices that nothing comes any more.
    pub(super) idle: Idle,
    /// Notices partitions that stand still.
    watchdog: Watchdog,
    /// Where logs end, for the watchdog and the lag.
    pub(super) log_ends: PartitionWatch,
    /// Notices topics that cannot be read any more.
    pub(super) topics: TopicWatch,
    /// Until when a stop drains, once it does: no revocation may take longer.
    pub(super) stop_by: Option<Instant>,
    /// Where the lanes run.
    pub(super) runtime: Handle,
    /// Events wait in lane entrances.
    pub(super) gathered: bool,
    /// Some partition is paused or is to be moved: look around often.
    pub(super) waiting: bool,
    pub(super) dropped: [u64; DropReason::COUNT],
    pub(super) pauses: u64,
    trouble: bool,
    reported: Instant,
    /// Records that may still come before the next look at the clock.
    until_look: u32,
}

/// Runs the consumer of one pipeline on the calling thread until it is stopped or fails, then drains,
/// commits and leaves the group. `lanes` makes the lanes once there is a bell for finished events.
///
/// # Errors
/// [`ConsumerError`]: the pipeline cannot go on. Transient errors are counted and waited out.
pub fn consume<S: Screen, P: Processor>(
    parts: ConsumerParts<S>,
    lanes: impl FnOnce(CommitBell) -> Lanes<P>,
) -> Result<(), ConsumerError> {
    // Every line of this thread names its pipeline.
    let _span = tracing::error_span!("consume", pipeline = parts.pipeline).entered();
    let mut poll_loop = PollLoop::new(parts, lanes)?;
    // Without a way out the lanes would work on and the committer commit for a pipeline that is gone.
    let ended =
        catch_unwind(AssertUnwindSafe(|| poll_loop.run())).unwrap_or(Err(ConsumerError::PollingPanicked));
    poll_loop.shut_down(ended)
}

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Makes the client and starts the committer; nothing is asked of Kafka yet.
    pub(super) fn new(
        parts: ConsumerParts<S>,
        lanes: impl FnOnce(CommitBell) -> Lanes<P>,
    ) -> Result<Self, ConsumerError> {
        let config = consumer_config(&parts.settings);
        let context = RelayContext::new(&parts.pipeline, &parts.settings)?.telling_outages(&parts.settings);
        let consumer: RelayConsumer = config.create_with_context(context).map_err(ConsumerError::Create)?;
        let consumer = Arc::new(consumer);
        let commits = CommitSettings {
            mode: parts.delivery.commit,
            attempts: parts.settings.commit_attempts,
            backoff_cap: parts.settings.commit_backoff_cap,
        };
        let committer = Committer::start(
            Arc::clone(&consumer),
            commits,
            Arc::clone(&parts.budget),
            Arc::clone(&parts.reports),
        )
        .map_err(ConsumerError::Thread)?;
        let log_ends = watch_log_ends(Arc::clone(&consumer), parts.stall_after / LOOKS_AT_ENDS)
            .map_err(ConsumerError::Thread)?;
        let half_poll_interval = max_poll_interval(&config) / 2;
        let lanes = lanes(committer.bell().clone());
        let runtime = lanes.runtime().clone();
        Ok(Self {
            consumer,
            start: parts.settings.start.fixed_at(SystemTime::now()),
            reset: parts.settings.reset_offsets,
            idle: Idle::new(parts.settings.idle_timeout, Instant::now()),
            drain_timeout: parts.delivery.drain_timeout.min(half_poll_interval),
            watchdog: Watchdog::new(parts.stall_after),
            log_ends,
            topics: TopicWatch::default(),
            parts,
            lanes,
            committer,
            slots: Slots::default(),
            doubts: Doubts::default(),
            stop_by: None,
            half_poll_interval,
            runtime,
            gathered: false,
            waiting: false,
            dropped: [0; DropReason::COUNT],
            pauses: 0,
            trouble: false,
            reported: Instant::now(),
            until_look: 0,
        })
    }

    fn run(&mut self) -> Result<(), ConsumerError> {
        self.connect()?;
        self.idle.came();
        self.parts.reports.connected();
        let topics: Vec<&str> = self.parts.settings.topics.iter().map(|(topic, _)| topic.as_str()).collect();
        self.consumer.subscribe(&topics).map_err(ConsumerError::Subscribe)?;
        let consumer = Arc::clone(&self.consumer);
        while !self.turn(&consumer)? {}
        Ok(())
    }

    /// One poll, and what is to be done behind it. Whether that was the last one.
    pub(super) fn turn(&mut self, consumer: &RelayConsumer) -> Result<bool, ConsumerError> {
        let message = consumer.poll(self.patience());
        let idle = message.is_none();
        match message {
            Some(Ok(message)) => {
                self.idle.came();
                self.receive(&message);
            }
            Some(Err(error)) => self.take_error(error)?,
            None => {}
        }
        let mut asked = false;
        while let Some(request) = consumer.context().take_request() {
            asked = true;
            self.rebalance(request)?;
        }
        if !idle && self.until_look > 0 {
            self.until_look -= 1;
            return Ok(false);
        }
        self.until_look = RECORDS_PER_LOOK;
        if self.waiting && !asked {
            self.assign_again()?;
        }
        self.flush();
        self.look_around()?;
        Ok(self.parts.stop.is_cancelled() || self.has_idled())
    }

    /// Whether the recipe lets the pipeline end because nothing comes any more, and nothing is in flight.
    fn has_idled(&mut self) -> bool {
        let trouble = self.trouble || self.topics.in_doubt();
        if self.waiting || trouble || self.slots.iter().any(|slot| slot.gap.is_some()) {
            // Nothing could come, or not from a partition that waits at a gap.
            self.idle.came();
        }
        let over = self.idle.is_over(Instant::now()) && self.slots.iter().all(|slot| slot.epoch.is_idle());
        if over {
            let seconds = self.parts.settings.idle_timeout.unwrap_or_default().as_secs_f64();
            tracing::info!("no record came for {seconds} s: ending (kill_after_idle_timeout)");
        }
        over
    }

    /// How long the next poll may block: not at all while events wait to be handed over.
    fn patience(&self) -> Duration {
        if self.gathered {
            Duration::ZERO
        } else if self.waiting {
            POLL_WHILE_PAUSED
        } else {
            POLL
        }
    }

    /// What is done between records: resume, look at positions in doubt, report, notice a dead committer.
    fn look_around(&mut self) -> Result<(), ConsumerError> {
        if self.waiting {
            self.resume();
            self.mend_positions();
            self.waiting = self.doubts.any() || self.slots.any_waiting();
        }
        if self.reported.elapsed() >= REPORT {
            self.report();
            if self.committer.has_ended() {
                // `shut_down` finds out why.
                self.parts.stop.cancel();
            }
        }
        Ok(())
    }

    /// Tells what was counted.
    pub(super) fn report(&mut self) {
        self.reported = Instant::now();
        self.report_received();
        let reports = &self.parts.reports;
        reports.polling();
        for reason in DropReason::ALL {
            let records = std::mem::take(&mut self.dropped[reason as usize]);
            if records > 0 {
                reports.dropped(reason, records);
            }
        }
        reports.screened(self.parts.screen.take_counts());
        let events = self.slots.iter().map(|slot| slot.epoch.unfinished()).sum();
        reports.in_flight(events, self.parts.budget.held_bytes());
        let paused = self.slots.iter().filter(|slot| slot.paused).count();
        reports.paused(paused, std::mem::take(&mut self.pauses));
        self.tend_gaps();
        if self.stop_by.is_none() {
            self.tend_topics();
        }
        if let Some(statistics) = self.consumer.context().take_statistics() {
            self.report_statistics(&statistics);
        }
    }

    /// Tells how many records came. A slot takes what it has not told along when it goes.
    pub(super) fn report_received(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.received > 0) {
            let records = std::mem::take(&mut slot.received);
            self.parts.reports.received(&slot.source().topic, records);
        }
    }

    fn report_statistics(&mut self, statistics: &Statistics) {
        self.log_ends.want(self.slots.iter().map(|slot| slot.source().clone()).collect());
        let reports = &self.parts.reports;
        for slot in self.slots.iter() {
            let source = slot.source();
            // Negative until librdkafka knows it.
            let known = |offset: i64| Some(offset).filter(|offset| *offset >= 0);
            if let Some(figures) = figures_of(statistics, source)
                && let Some(end) = known(figures.ls_offset).max(self.log_ends.of(source))
            {
                reports.position(source, slot.epoch.committed_offset(), known(figures.lo_offset), end);
            }
        }
        let connected = statistics.brokers.values().any(|broker| broker.state == "UP");
        if connected && std::mem::take(&mut self.trouble) {
            reports.trouble(None);
        }
        // A topic that cannot be read is told as such.
        let readable = self.slots.iter().filter(|slot| !self.topics.is_unreadable(&slot.source().topic));
        let ends = |source: &TopicPartition| self.log_ends.of(source);
        let searched = |slot: &Slot| self.doubts.is_searched(slot);
        if let Some(changed) = self.watchdog.look(readable, statistics, connected, ends, searched) {
            reports.stalled(changed);
        }
        self.find_stopped(statistics);
    }

    /// An error from `poll`: most pass by themselves and are counted; a fatal one ends the pipeline, so
    /// that no live process reads nothing.
    pub(super) fn take_error(&mut self, error: KafkaError) -> Result<(), ConsumerError> {
        if cause_of(&error) == Cause::Fatal {
            return Err(ConsumerError::Fatal(error));
        }
        match error.rdkafka_error_code() {
            // rdkafka's error names no partition, so all are looked at.
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                self.doubts.raise(self.slots.iter().map(|slot| slot.source().clone()));
                self.waiting = true;
                Ok(())
            }
            code => {
                self.trouble = true;
                self.parts.reports.trouble(Some(&error));
                if code.is_some_and(is_about_a_topic) {
                    self.doubt_topics();
                }
                Ok(())
            }
        }
    }

    /// Answers what the group asked for.
    pub(super) fn rebalance(&mut self, request: RebalanceRequest) -> Result<(), ConsumerError> {
        match request {
            RebalanceRequest::Assign(partitions) => self.assign(&partitions),
            RebalanceRequest::Revoke(partitions) => self.revoke(&partitions),
        }
    }
}

/// The time after which the group throws out a member that does not poll; librdkafka's default is 300 s.
fn max_poll_interval(config: &ClientConfig) -> Duration {
    let set = config.get("max.poll.interval.ms").and_then(|ms| ms.parse().ok());
    Duration::from_millis(set.unwrap_or(300_000))
}
