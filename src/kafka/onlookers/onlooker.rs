//! A client that looks at topics and at a group from outside: it joins no group, and commits only where
//! somebody asks for exactly that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::log_reader::Stretch;
use crate::event::{Route, TopicPartition};
use crate::kafka::client::{
    ConsumerError, RelayConsumer, RelayContext, StartError, onlooker_config, partition_count,
};
use crate::kafka::look_ups::{self, LookUps, Membership, Terms};
use crate::kafka::source::{ConsumerSettings, StartPosition};

/// The time-out of one attempt to reach the brokers.
const ATTEMPT: Duration = Duration::from_secs(2);

/// How long a look-up is tried again before it fails.
const LOOK_UP: Duration = Duration::from_secs(20);

/// How long what librdkafka has to say is listened to.
const HEARING: Duration = Duration::from_millis(20);

/// Looks at the topics and the group of one pipeline, without joining the group.
pub struct Onlooker {
    pub(super) consumer: RelayConsumer,
    pub(super) group: String,
    topics: Vec<KnownTopic>,
    brokers: Vec<String>,
    /// How long a look-up is tried.
    look_up: Duration,
}

/// A topic of the pipeline, as the brokers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTopic {
    /// Its name.
    pub name: Arc<str>,
    /// What it carries.
    pub route: Route,
    /// How many partitions it has, or why the brokers do not say.
    pub partitions: Result<i32, RDKafkaErrorCode>,
}

/// Where the group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The partition.
    pub source: TopicPartition,
    /// What the topic carries.
    pub route: Route,
    /// The offset at which the group goes on, if it has committed one.
    pub committed: Option<i64>,
    /// The offset of the first record that the log holds.
    pub start: i64,
    /// The offset behind the last one.
    pub end: i64,
    /// Whether `committed` is a position in a log that is gone, at which a pipeline waits before this one.
    pub before_another_log: bool,
    /// What a commit of this partition has to carry.
    pub(super) metadata: Arc<str>,
}

impl Onlooker {
    /// Reaches the brokers, trying for `patience`, and asks for the topics.
    ///
    /// # Errors
    /// If librdkafka refuses the settings, or no broker answers.
    pub fn connect(
        name: &str,
        settings: &ConsumerSettings,
        patience: Duration,
    ) -> Result<Self, ConsumerError> {
        let consumer: RelayConsumer = onlooker_config(settings)
            .create_with_context(RelayContext::new(name, settings)?)
            .map_err(ConsumerError::Create)?;
        let began = Instant::now();
        let mut topics = Vec::with_capacity(settings.topics.len());
        let mut brokers = Vec::new();
        for (topic, route) in &settings.topics {
            let metadata = loop {
                listen(&consumer);
                match consumer.fetch_metadata(Some(topic), ATTEMPT.min(patience)) {
                    Ok(metadata) => break metadata,
                    Err(source) if began.elapsed() >= patience => {
                        listen(&consumer);
                        let brokers = settings.bootstrap().to_owned();
                        return Err(ConsumerError::Unreachable {
                            brokers,
                            seconds: patience.as_secs(),
                            answer: consumer.context().last_error().unwrap_or_else(|| source.to_string()),
                            source: Box::new(source),
                        });
                    }
                    // librdkafka goes on connecting, and has waited for it.
                    Err(_) => {}
                }
            };
            let partitions = partition_count(&metadata, topic);
            brokers = metadata
                .brokers()
                .iter()
                .map(|broker| format!("{}:{}", broker.host(), broker.port()))
                .collect();
            topics.push(KnownTopic { name: topic.as_str().into(), route: route.clone(), partitions });
        }
        let group = settings.group_id.clone();
        Ok(Self { consumer, group, topics, brokers, look_up: LOOK_UP })
    }

    /// The same, with this much time for each look-up instead of 20 s.
    pub fn with_patience(self, look_up: Duration) -> Self {
        Self { look_up, ..self }
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The brokers of the cluster, `host:port`, as it names them itself.
    pub fn brokers(&self) -> &[String] {
        &self.brokers
    }

    /// The pipeline's topics.
    pub fn topics(&self) -> &[KnownTopic] {
        &self.topics
    }

    /// How many partitions another topic has, or why the brokers do not say. Asking creates none.
    pub fn partitions_of(&self, topic: &str) -> Result<i32, RDKafkaErrorCode> {
        match self.consumer.fetch_metadata(Some(topic), ATTEMPT) {
            Ok(metadata) => partition_count(&metadata, topic),
            Err(error) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        }
    }

    /// What the logs hold, of each partition of each topic that exists: all of it, up to where it ends now.
    ///
    /// # Errors
    /// [`StartError::LookUp`] if the brokers refuse, or do not answer in time.
    pub fn whole_logs(&self) -> Result<Vec<Stretch>, StartError> {
        let look_ups = self.look_ups();
        let mut stretches = Vec::new();
        for KnownTopic { name, route, partitions } in &self.topics {
            let sources = sources_of(name, partitions.unwrap_or_default());
            let watermarks = look_ups.watermarks(&sources)?;
            for (source, (from, end)) in sources.into_iter().zip(watermarks) {
                stretches.push(Stretch { source, route: route.clone(), from, until: Some(end) });
            }
        }
        Ok(stretches)
    }

    /// Where the group stands, in each partition of each topic that exists.
    ///
    /// # Errors
    /// [`StartError::LookUp`] if the brokers refuse, or do not answer in time.
    pub fn standings(&self) -> Result<Vec<Standing>, StartError> {
        self.of_group(|look_ups| {
            let mut standings = Vec::new();
            for KnownTopic { name, route, partitions } in &self.topics {
                let Ok(count) = *partitions else { continue };
                let sources = sources_of(name, count);
                let committed = look_ups.committed(&sources)?;
                let first_count = committed.values().filter_map(|found| found.first_partition_count).min();
                let metadata = look_ups::commit_metadata(first_count.unwrap_or(count));
                let watermarks = look_ups.watermarks(&sources)?;
                for (source, (start, end)) in sources.into_iter().zip(watermarks) {
                    let found = committed.get(&source);
                    let metadata = Arc::clone(&metadata);
                    standings.push(Standing {
                        source,
                        route: route.clone(),
                        committed: found.and_then(|found| found.offset),
                        before_another_log: found.is_some_and(|found| found.before_another_log),
                        start,
                        end,
                        metadata,
                    });
                }
            }
            Ok(standings)
        })
    }

    /// The offsets at which each of `partitions` would be read from `position` on, in their order.
    ///
    /// # Errors
    /// [`StartError::LookUp`] if the brokers refuse, or do not answer in time.
    pub fn offsets_at(
        &self,
        partitions: &[TopicPartition],
        position: StartPosition,
    ) -> Result<Vec<i64>, StartError> {
        self.look_ups().by_policy(partitions, position)
    }

    /// Where the pipeline with these settings would go on: at what its group has committed, or, with
    /// `reset_offsets` and where nothing is committed, where its start policy says.
    ///
    /// # Errors
    /// [`StartError::LookUp`] if the brokers refuse, or do not answer in time.
    pub fn would_begin(
        &self,
        standings: &[Standing],
        settings: &ConsumerSettings,
    ) -> Result<Vec<i64>, StartError> {
        let sources: Vec<TopicPartition> = standings.iter().map(|standing| standing.source.clone()).collect();
        if sources.is_empty() || settings.reset_offsets {
            // Whether the group has members does not matter to somebody who only looks.
            return self.offsets_at(&sources, settings.start);
        }
        let terms = Terms {
            group: &self.group,
            policy: settings.start,
            reset: false,
            had_commit: &[],
            at_most: self.look_up,
        };
        let starts = look_ups::look_up(&self.consumer, &sources, terms, &|| false)?;
        Ok(starts.into_iter().map(|start| start.offset).collect())
    }

    /// Who is in the group.
    ///
    /// # Errors
    /// [`StartError::LookUp`] if the brokers refuse, or do not answer in time; [`StartError::NoMembers`] on the
    /// embedded broker.
    pub fn members(&self) -> Result<Membership, StartError> {
        self.of_group(|look_ups| look_ups.members(&self.group))
    }

    /// Whether Kafka lets this client know nothing of the group.
    pub(super) fn group_is_refused(&self) -> bool {
        listen(&self.consumer);
        self.consumer.context().group_was_refused()
    }

    /// Asks about the group. A refusal is told as one, and at once: librdkafka itself waits in vain.
    fn of_group<T>(&self, ask: impl FnOnce(&LookUps<'_>) -> Result<T, StartError>) -> Result<T, StartError> {
        let refusal = || StartError::LookUp {
            what: "the group's committed offsets".to_owned(),
            source: KafkaError::Global(RDKafkaErrorCode::GroupAuthorizationFailed),
        };
        let refused = || self.group_is_refused();
        if refused() {
            return Err(refusal());
        }
        match ask(&LookUps { stopped: &refused, ..self.look_ups() }) {
            Err(StartError::Stopped) => Err(refusal()),
            answer => answer,
        }
    }

    pub(super) fn look_ups(&self) -> LookUps<'_> {
        LookUps { consumer: &self.consumer, stopped: &|| false, deadline: Instant::now() + self.look_up }
    }
}

/// Hears what librdkafka has to say: nothing is assigned, so that is an error or a request for a token. The
/// context keeps the errors.
fn listen(consumer: &RelayConsumer) {
    // Not zero: a poll that handles a log line on its way returns once its time is up.
    while consumer.poll(HEARING).is_some() {}
}

impl KnownTopic {
    /// Whether the brokers say that there is no such topic: it was deleted, or was never created.
    pub fn is_missing(&self) -> bool {
        matches!(
            self.partitions,
            Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
        )
    }
}

impl Standing {
    /// How many records the group has still to read, of those that the log holds; `None` if it has
    /// committed nothing.
    pub fn lag(&self) -> Option<i64> {
        self.committed.map(|committed| (self.end - committed.max(self.start)).max(0))
    }
}

/// All partitions of a topic that has so many.
fn sources_of(topic: &Arc<str>, count: i32) -> Vec<TopicPartition> {
    (0..count).map(|partition| TopicPartition { topic: Arc::clone(topic), partition }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(committed: Option<i64>, start: i64, end: i64) -> Standing {
        let source = TopicPartition { topic: "t".into(), partition: 0 };
        Standing {
            source,
            route: Route::ChangeLog,
            committed,
            before_another_log: false,
            start,
            end,
            metadata: "".into(),
        }
    }

    #[test]
    fn what_the_log_no_longer_holds_is_no_lag() {
        assert_eq!(standing(Some(7), 0, 10).lag(), Some(3));
        assert_eq!(standing(Some(2), 5, 10).lag(), Some(5));
        assert_eq!(standing(Some(20), 5, 10).lag(), Some(0));
        assert_eq!(standing(None, 0, 10).lag(), None);
    }
}
