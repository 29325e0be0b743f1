//! librdkafka's callbacks.
//!
//! All of them run inside `poll`, on the polling thread. The rebalance callback only notes what was
//! asked: `poll` returns right behind it, and the polling thread then drains, commits and answers with
//! `assign` or `unassign` where it owns all state without a lock. librdkafka waits for that answer.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use super::complaints::{Complaints, more, without_counts};
use super::error::ConsumerError;
use super::outage::{Outage, Told};
use crate::event::TopicPartition;
use crate::kafka::oauth::{Tokens, token_of};
use crate::kafka::source::ConsumerSettings;

/// The consumer of a pipeline.
pub(in crate::kafka) type RelayConsumer = BaseConsumer<RelayContext>;

/// What the group asks of this member.
#[derive(Debug)]
pub(in crate::kafka) enum RebalanceRequest {
    /// These partitions are ours from now on.
    Assign(Vec<TopicPartition>),
    /// These partitions go to another member.
    Revoke(Vec<TopicPartition>),
}

/// The context of one consumer.
#[derive(Debug, Default)]
pub(in crate::kafka) struct RelayContext {
    pipeline: String,
    /// Whether `requests` holds anything: looked at after every poll, so it costs no lock.
    pending: AtomicBool,
    requests: Mutex<VecDeque<RebalanceRequest>>,
    /// The polling thread is gone: nobody will answer a request, so the callback does.
    closing: AtomicBool,
    statistics: Mutex<Option<Box<Statistics>>>,
    /// Where the tokens of SASL/OAUTHBEARER come from.
    tokens: Option<Tokens>,
    /// What librdkafka last complained about.
    last_error: Mutex<Option<String>>,
    /// Kafka has refused to say who coordinates the group.
    group_refused: AtomicBool,
    /// How it is told that brokers are away.
    outages: Outages,
    complaints: Arc<Complaints>,
}

/// How a client's log tells that brokers are away.
#[derive(Debug, Default)]
enum Outages {
    /// In librdkafka's words: the client of a command, which says itself what comes of it.
    #[default]
    InItsWords,
    /// In ours. Needs the client's statistics.
    InOurs {
        /// `bootstrap.servers`.
        brokers: String,
        outage: Mutex<Outage>,
        /// Whether the log has nothing of it for now: whoever connects tells of that.
        connecting: AtomicBool,
    },
    /// Not at all: the pipeline's consumer does.
    Elsewhere,
}

/// How librdkafka marks the lines about connections that failed.
const CONNECTION_FAILED: &str = "FAIL";

impl RelayContext {
    /// The context of a client of this pipeline, which fetches tokens from here on where the settings
    /// ask for them.
    ///
    /// # Errors
    /// If the source of tokens cannot be used.
    pub(in crate::kafka) fn new(pipeline: &str, settings: &ConsumerSettings) -> Result<Self, ConsumerError> {
        let tokens = settings.oauth.clone().map(Tokens::start).transpose().map_err(ConsumerError::Tokens)?;
        Ok(Self { pipeline: pipeline.to_owned(), tokens, ..Self::default() })
    }

    /// The context of a client that takes the place of others: what they have just complained about is not logged
    /// anew.
    pub(super) fn sharing(self, complaints: &Arc<Complaints>) -> Self {
        Self { complaints: Arc::clone(complaints), ..self }
    }

    /// Tells in our own words when no broker can be reached, and when they are back.
    pub(in crate::kafka) fn telling_outages(mut self, settings: &ConsumerSettings) -> Self {
        let brokers = settings.bootstrap().to_owned();
        self.outages =
            Outages::InOurs { brokers, outage: Mutex::default(), connecting: AtomicBool::default() };
        self
    }

    /// Leaves it to the pipeline's consumer to tell of brokers that are away.
    pub(in crate::kafka) fn beside_a_consumer(mut self) -> Self {
        self.outages = Outages::Elsewhere;
        self
    }

    /// Whether the log is to have nothing of brokers that are away: whoever connects says it.
    pub(in crate::kafka) fn connecting(&self, is_connecting: bool) {
        if let Outages::InOurs { connecting, .. } = &self.outages {
            connecting.store(is_connecting, Ordering::Release);
        }
    }

    /// The oldest request of the group that was not answered yet.
    pub(in crate::kafka) fn take_request(&self) -> Option<RebalanceRequest> {
        if !self.pending.load(Ordering::Acquire) {
            return None;
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let request = requests.pop_front();
        self.pending.store(!requests.is_empty(), Ordering::Release);
        request
    }

    /// The newest statistics, once.
    pub(in crate::kafka) fn take_statistics(&self) -> Option<Box<Statistics>> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What librdkafka last complained about, in its words. They name the broker and what went wrong,
    /// where an error code says no more than that it did.
    pub(in crate::kafka) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether Kafka does not let this client know its group. librdkafka tells it here alone: a question about
    /// the group then waits for a coordinator that nobody names, and times out.
    pub(in crate::kafka) fn group_was_refused(&self) -> bool {
        self.group_refused.load(Ordering::Acquire)
    }

    /// From now on the callback answers by itself: dropping the consumer polls on whatever thread
    /// drops the last handle, and must not wait for a polling thread that has ended.
    pub(in crate::kafka) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Tells of an error in librdkafka's words, or not at all, where the log has it.
    fn complain(&self, error: &dyn Display, reason: &str) {
        let pipeline = self.pipeline.as_str();
        match self.complaints.note(&without_counts(reason)) {
            Some(left_out) => {
                tracing::warn!(target: "librdkafka", pipeline, %error, "{reason}{}", more(left_out));
            }
            None => tracing::debug!(target: "librdkafka", pipeline, %error, "{reason}"),
        }
    }

    /// A connection failed, or all brokers are away.
    fn tell_outage(&self, error: &KafkaError, reason: &str, all: bool) {
        let pipeline = self.pipeline.as_str();
        match &self.outages {
            Outages::InItsWords => return self.complain(error, reason),
            Outages::InOurs { brokers, outage, connecting } if !connecting.load(Ordering::Acquire) => {
                let mut outage = outage.lock().unwrap_or_else(PoisonError::into_inner);
                if !all {
                    outage.connection_failed(reason, Instant::now());
                } else if outage.all_away(Instant::now()) {
                    let why = self.last_error().unwrap_or_else(|| reason.to_owned());
                    tracing::warn!(
                        "Kafka is away, none of its brokers can be reached at {brokers}: {why}; it goes on by itself once they are back"
                    );
                }
            }
            Outages::InOurs { .. } | Outages::Elsewhere => {}
        }
        tracing::debug!(target: "librdkafka", pipeline, %error, "{reason}");
    }

    /// Tells what the statistics show of an outage.
    fn look_for_end_of_outage(&self, statistics: &Statistics) {
        let Outages::InOurs { brokers, outage, .. } = &self.outages else { return };
        let connected = statistics.brokers.values().any(|broker| broker.state == "UP");
        let told = outage.lock().unwrap_or_else(PoisonError::into_inner).look(connected, Instant::now());
        match told {
            Some(Told::Back(after)) => {
                tracing::info!("Kafka is back after {} s, at {brokers}", after.as_secs());
            }
            Some(Told::OneIsAway(reason)) => self.complain(&"a broker is away, others are there", &reason),
            None => {}
        }
    }
}

impl ClientContext for RelayContext {
    // Called inside `poll`. A thread of its own fetches the tokens, so nothing here waits for the network.
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token_of(self.tokens.as_ref())
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Debug, Info, Notice};
        let pipeline = self.pipeline.as_str();
        let is_trouble = !matches!(level, Notice | Info | Debug);
        // What says worse than a warning comes as an error too.
        let is_told = facility == CONNECTION_FAILED && !matches!(self.outages, Outages::InItsWords);
        if is_told && is_trouble && !matches!(level, RDKafkaLogLevel::Warning) {
            tracing::debug!(target: "librdkafka", pipeline, facility, "{message}");
            return;
        }
        // Word for word: what is said of another partition is something else.
        let more = match is_trouble.then(|| self.complaints.note(message)) {
            Some(None) => {
                tracing::debug!(target: "librdkafka", pipeline, facility, "{message}");
                return;
            }
            Some(Some(left_out)) => more(left_out),
            None => String::new(),
        };
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::error!(target: "librdkafka", pipeline, facility, "{message}{more}");
            }
            RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "librdkafka", pipeline, facility, "{message}{more}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", pipeline, facility, "{message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", pipeline, facility, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.look_for_end_of_outage(&statistics);
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(statistics));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Also returned by `poll` or retried by librdkafka: here for the log alone.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
            self.group_refused.store(true, Ordering::Release);
        }
        let all = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if all || error.rdkafka_error_code().is_some_and(is_about_a_connection) {
            self.tell_outage(&error, reason, all);
        } else {
            self.complain(&error, reason);
        }
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        // That all are down says less than why the last one is.
        if last.is_none() || !all {
            *last = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for RelayContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigning = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            // librdkafka waits for an answer to both before it leaves the group, and takes any for one that gives
            // everything up.
            let answer = if assigning {
                answer_assignment(consumer, &[])
            } else {
                answer_revocation(consumer, &source_partitions(partitions))
            };
            if let Err(error) = answer {
                tracing::warn!(pipeline = self.pipeline, %error, "a rebalance while closing was not answered");
            }
            return;
        }
        let partitions = source_partitions(partitions);
        let request = if assigning {
            RebalanceRequest::Assign(partitions)
        } else {
            RebalanceRequest::Revoke(partitions)
        };
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push_back(request);
        self.pending.store(true, Ordering::Release);
    }
}

/// Whether an error says no more than that a broker is away. While one is, librdkafka says so many times a second.
fn is_about_a_connection(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
    )
}

/// Tells librdkafka that these partitions begin at these offsets. By protocol: an incremental
/// assignment adds to what is assigned, an eager one replaces it.
pub(in crate::kafka) fn answer_assignment(
    consumer: &RelayConsumer,
    partitions: &[(TopicPartition, i64)],
) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (source, offset) in partitions {
        list.add_partition_offset(&source.topic, source.partition, Offset::Offset(*offset))?;
    }
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(&list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&list),
    }
}

/// Tells librdkafka that these partitions are given up. An eager revocation is of all there are.
pub(in crate::kafka) fn answer_revocation(
    consumer: &RelayConsumer,
    partitions: &[TopicPartition],
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(&partition_list(partitions)),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

/// A list of partitions without offsets.
pub(in crate::kafka) fn partition_list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for source in partitions {
        list.add_partition(&source.topic, source.partition);
    }
    list
}

fn source_partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements()
        .iter()
        .map(|element| TopicPartition { topic: element.topic().into(), partition: element.partition() })
        .collect()
}
