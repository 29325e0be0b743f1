//! The polling thread.
//!
//! It polls for as long as its pipeline lives, whatever the actions do: librdkafka runs its callbacks
//! inside `poll`, and a group throws out a member that does not poll. It never waits for a lock that a
//! commit holds and never asks the registry.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::client::consumer_config;
use super::committer::{CommitBell, CommitSettings, Committer};
use super::connect::connect;
use super::context::{RebalanceRequest, RelayConsumer, RelayContext, partition_list};
use super::reports::Reports;
use super::screen::{Screen, Screening};
use super::settings::ConsumerSettings;
use super::slots::Slots;
use super::start::StartError;
use crate::delivery::{Budget, Delivery, DeliverySettings, Lanes, Processor};
use crate::event::{DropReason, Position, Record, TopicPartition};

/// The longest a poll blocks: how soon a stop is noticed when nothing comes.
const POLL: Duration = Duration::from_millis(100);

/// The longest a poll blocks while a partition is paused: how soon it can be resumed.
const POLL_WHILE_PAUSED: Duration = Duration::from_millis(5);

/// How long to wait for room before a partition is paused. A pause throws away what librdkafka has
/// prefetched of it, so a short wait is cheaper.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(50);

/// Records between two looks at the clock while records keep coming.
const RECORDS_PER_LOOK: u32 = 256;

/// Time between two reports of what was counted.
const REPORT: Duration = Duration::from_millis(200);

/// Why a pipeline's consumer ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// librdkafka refused the configuration.
    #[error("cannot create the Kafka consumer: {0}; see connection.consumer_config in the recipe")]
    Create(KafkaError),
    /// The brokers did not answer when the pipeline started.
    #[error(
        "cannot reach Kafka at {brokers}: {source} (tried for {seconds} s); check connection.bootstrap in the recipe, or KAFKA_BOOTSTRAP_SERVER, and the security settings in connection.consumer_config"
    )]
    Unreachable {
        /// `bootstrap.servers`.
        brokers: String,
        /// How long it was tried.
        seconds: u64,
        /// The last answer.
        source: KafkaError,
    },
    /// The pipeline was told to stop before it was under way. Not a failure.
    #[error("stopped before it was under way")]
    Stopped,
    /// The topics could not be subscribed to.
    #[error("cannot subscribe: {0}")]
    Subscribe(KafkaError),
    /// A starting position could not be found.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An assignment was not taken.
    #[error("librdkafka refused an assignment: {0}")]
    Assignment(KafkaError),
    /// An error after which librdkafka delivers nothing more, such as another process with the same
    /// `group.instance.id`.
    #[error("Kafka reported a fatal error: {0}")]
    Fatal(KafkaError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

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
    /// Positions outside the log were reported and are to be looked for.
    pub(super) positions_in_doubt: bool,
    /// Where the lanes run.
    pub(super) runtime: Handle,
    /// Events wait in lane entrances.
    gathered: bool,
    /// Some partition is paused or is to be moved: look around often.
    waiting: bool,
    dropped: [u64; DropReason::COUNT],
    pauses: u64,
    trouble: bool,
    reported: Instant,
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
    let config = consumer_config(&parts.settings);
    let context = RelayContext::new(&parts.pipeline);
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
    let lanes = lanes(committer.bell().clone());
    let runtime = lanes.runtime().clone();
    let mut poll_loop = PollLoop {
        consumer,
        drain_timeout: drain_timeout(&parts.delivery, &config),
        parts,
        lanes,
        committer,
        slots: Slots::default(),
        positions_in_doubt: false,
        runtime,
        gathered: false,
        waiting: false,
        dropped: [0; DropReason::COUNT],
        pauses: 0,
        trouble: false,
        reported: Instant::now(),
    };
    let ended = poll_loop.run();
    poll_loop.shut_down(ended)
}

impl<S: Screen, P: Processor> PollLoop<S, P> {
    fn run(&mut self) -> Result<(), ConsumerError> {
        let stop = &self.parts.stop;
        connect(&self.consumer, &self.parts.settings, &|| stop.is_cancelled())?;
        self.parts.reports.connected();
        let topics: Vec<&str> = self.parts.settings.topics.iter().map(|(topic, _)| topic.as_str()).collect();
        self.consumer.subscribe(&topics).map_err(ConsumerError::Subscribe)?;
        let consumer = Arc::clone(&self.consumer);
        let mut until_look = 0;
        loop {
            let message = consumer.poll(self.patience());
            let idle = message.is_none();
            match message {
                Some(Ok(message)) => self.receive(&message),
                Some(Err(error)) => self.take_error(error)?,
                None => {}
            }
            while let Some(request) = consumer.context().take_request() {
                self.rebalance(request)?;
            }
            if !idle && until_look > 0 {
                until_look -= 1;
                continue;
            }
            until_look = RECORDS_PER_LOOK;
            self.flush();
            self.look_around()?;
            if self.parts.stop.is_cancelled() {
                return Ok(());
            }
        }
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

    /// Takes one record: drops it on the spot, or copies it and hands it to its lane.
    fn receive(&mut self, message: &BorrowedMessage<'_>) {
        let Some(index) = self.slots.index_of(message) else { return };
        let Some(slot) = self.slots.at(index) else { return };
        let offset = message.offset();
        // What was prefetched before a pause comes again after it: it was received already.
        if offset < slot.next || slot.move_to.is_some() || !slot.epoch.is_live() {
            return;
        }
        slot.next = crate::event::offset_after(offset);
        slot.received += 1;
        let screening = match message.payload() {
            None => Screening::Drop(DropReason::Tombstone),
            Some(value) => self.parts.screen.screen(slot.route, value),
        };
        let entity = match screening {
            Screening::Drop(reason) => {
                // One store: no lock, no entry, no message to anybody.
                slot.epoch.received(offset);
                self.dropped[reason as usize] += 1;
                return;
            }
            Screening::Hand(entity) => entity,
        };
        let record = owned_record(message, slot.source());
        self.parts.budget.take(record.held_bytes());
        let uncommitted = slot.epoch.hand(offset);
        slot.epoch.received(offset);
        let lane = match &mut slot.lane {
            Some(lane) => Some(lane),
            None => {
                let hash = entity.unwrap_or_else(|| hash_of(record.key.as_deref(), slot.source().partition));
                self.lanes.shared(hash)
            }
        };
        let delivery = Delivery { epoch: Arc::clone(&slot.epoch), record, route: slot.route };
        match lane {
            Some(lane) => lane.push(delivery),
            // There is a lane for every ordering: an event without one is at least not lost.
            None => slot.epoch.abandon(offset),
        }
        self.gathered = true;
        let limit = self.parts.delivery.max_uncommitted;
        if uncommitted == limit.div_ceil(2) {
            self.committer.hurry();
        }
        if uncommitted >= limit || self.parts.budget.is_spent() {
            self.make_room(index);
        }
    }

    /// A budget is spent: waits briefly for room, and pauses the partition if none appears.
    fn make_room(&mut self, index: usize) {
        self.flush();
        self.committer.hurry();
        let Some(slot) = self.slots.at(index) else { return };
        let limit = self.parts.delivery.max_uncommitted;
        let budget = &self.parts.budget;
        let has_room = || budget.has_room() && slot.epoch.uncommitted() <= limit / 2;
        // Where others are paused already there was no room a moment ago: a topic of a thousand
        // partitions must not wait a thousand times.
        let patience = if self.waiting { Duration::ZERO } else { WAIT_FOR_ROOM };
        if slot.paused || budget.wait_for(patience, has_room) {
            return;
        }
        match self.consumer.pause(&partition_list(std::slice::from_ref(slot.source()))) {
            Ok(()) => {
                slot.paused = true;
                self.waiting = true;
                self.pauses += 1;
            }
            Err(error) => tracing::warn!(source = %slot.source(), %error, "cannot pause a partition"),
        }
    }

    /// Resumes what was paused and has room again.
    fn resume(&mut self) {
        let limit = self.parts.delivery.max_uncommitted;
        if !self.parts.budget.has_room() {
            return;
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.paused) {
            if slot.epoch.uncommitted() > limit / 2 {
                continue;
            }
            match self.consumer.resume(&partition_list(std::slice::from_ref(slot.source()))) {
                Ok(()) => slot.paused = false,
                Err(error) => tracing::warn!(source = %slot.source(), %error, "cannot resume a partition"),
            }
        }
    }

    /// Hands over what lane entrances have gathered.
    pub(super) fn flush(&mut self) {
        if !std::mem::take(&mut self.gathered) {
            return;
        }
        self.lanes.flush();
        self.slots.iter_mut().filter_map(|slot| slot.lane.as_mut()).for_each(|lane| lane.flush());
    }

    /// What is done between records: resume, report, move lost positions, notice a dead committer.
    fn look_around(&mut self) -> Result<(), ConsumerError> {
        if self.waiting {
            self.resume();
            self.mend_positions()?;
            self.waiting = self.positions_in_doubt || self.slots.any_waiting();
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
        let reports = &self.parts.reports;
        reports.polling();
        for slot in self.slots.iter_mut().filter(|slot| slot.received > 0) {
            let records = std::mem::take(&mut slot.received);
            reports.received(&slot.source().topic, records);
        }
        for reason in DropReason::ALL {
            let records = std::mem::take(&mut self.dropped[reason as usize]);
            if records > 0 {
                reports.dropped(reason, records);
            }
        }
        let events = self.slots.iter().map(|slot| slot.epoch.uncommitted()).sum();
        reports.in_flight(events, self.parts.budget.held_bytes());
        let paused = self.slots.iter().filter(|slot| slot.paused).count();
        reports.paused(paused, std::mem::take(&mut self.pauses));
        if let Some(statistics) = self.consumer.context().take_statistics() {
            for slot in self.slots.iter() {
                let source = slot.source();
                let topic = statistics.topics.get(&*source.topic);
                let end =
                    topic.and_then(|topic| topic.partitions.get(&source.partition)).map(|p| p.ls_offset);
                if let Some(end) = end.filter(|end| *end >= 0) {
                    reports.position(source, slot.epoch.committed_offset(), end);
                }
            }
            let reachable = statistics.brokers.values().any(|broker| broker.state == "UP");
            if reachable && std::mem::take(&mut self.trouble) {
                reports.trouble(None);
            }
        }
    }

    /// An error from `poll`: most pass by themselves and are counted; a fatal one ends the pipeline, so
    /// that no live process reads nothing.
    pub(super) fn take_error(&mut self, error: KafkaError) -> Result<(), ConsumerError> {
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            return Err(ConsumerError::Fatal(error));
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::FencedInstanceId) => {
                Err(ConsumerError::Fatal(error))
            }
            // rdkafka's error names no partition, so all are looked at.
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                self.positions_in_doubt = true;
                self.waiting = true;
                Ok(())
            }
            _ => {
                self.trouble = true;
                self.parts.reports.trouble(Some(&error));
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

/// How long a drain may take: the user's limit, and well below the time after which the group throws
/// out a member that does not poll.
fn drain_timeout(delivery: &DeliverySettings, config: &ClientConfig) -> Duration {
    let max_poll_interval = config.get("max.poll.interval.ms").and_then(|ms| ms.parse().ok());
    let max_poll_interval = Duration::from_millis(max_poll_interval.unwrap_or(300_000));
    delivery.drain_timeout.min(max_poll_interval / 2)
}

/// The hash that chooses a lane where no entity could be read: of the record's key, else the partition.
fn hash_of(key: Option<&[u8]>, partition: i32) -> u64 {
    let mut hasher = DefaultHasher::new();
    match key {
        Some(key) => key.hash(&mut hasher),
        None => partition.hash(&mut hasher),
    }
    hasher.finish()
}

fn owned_record(message: &BorrowedMessage<'_>, source: &TopicPartition) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Record {
        position: Position { source: source.clone(), offset: message.offset() },
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
