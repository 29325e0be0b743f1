//! The first contact: are the brokers there, and do they have the topics?

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::poll_loop::PollLoop;
use super::screen::Screen;
use crate::delivery::Processor;
use crate::kafka::client::{ConsumerError, RelayConsumer, partition_count};
use crate::kafka::source::SourceKind;

/// The time-out of one attempt.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The wait between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// How soon a stop, an answer and the word to join are noticed.
const NOTICE: Duration = Duration::from_millis(50);

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Waits until the brokers answer and the group may be joined, for as long as the recipe allows. A
    /// topic that does not exist is warned about and waited for: it is consumed once somebody creates it.
    pub(super) fn connect(&mut self) -> Result<(), ConsumerError> {
        self.tell_what_is_special();
        let began = Instant::now();
        let mut inquiry = None;
        let mut reached = false;
        let mut told = false;
        self.consumer.context().connecting(true);
        let mut not_before = began;
        loop {
            if self.parts.stop.is_cancelled() {
                return Err(ConsumerError::Stopped);
            }
            if reached && *self.parts.may_join.borrow() {
                return Ok(());
            }
            if !reached && inquiry.is_none() && Instant::now() >= not_before {
                inquiry = Some(self.inquire(began)?);
            }
            // Nothing is consumed yet, but librdkafka fetches tokens and tells of errors inside a poll.
            if let Some(Err(error)) = self.consumer.poll(NOTICE) {
                // Long before the question has timed out.
                let all_away = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
                if all_away && !reached && !std::mem::replace(&mut told, true) {
                    self.tell_unreachable(&error);
                }
                self.take_error(error)?;
            }
            self.parts.reports.polling();
            let Some(finished) = inquiry.take_if(|inquiry| inquiry.is_finished()) else { continue };
            match finished.join().map_err(|_| ConsumerError::InquiryPanicked)? {
                Ok(topics) => {
                    reached = true;
                    self.consumer.context().connecting(false);
                    if told {
                        let (brokers, seconds) = (self.parts.settings.bootstrap(), began.elapsed().as_secs());
                        tracing::info!(brokers, "Kafka answers, after {seconds} s");
                    }
                    self.parts.reports.trouble(None);
                    self.take_topics(&topics);
                }
                Err(source) => {
                    if !std::mem::replace(&mut told, true) {
                        self.tell_unreachable(&source);
                    }
                    self.judge(source, began.elapsed())?;
                    not_before = Instant::now() + PAUSE;
                }
            }
        }
    }

    /// Asks for the metadata of every topic on a thread of its own: the question blocks, and whoever
    /// blocks here would notice neither a stop nor what librdkafka wants. One that is left behind ends
    /// with its time-out.
    fn inquire(&self, began: Instant) -> Result<Inquiry, ConsumerError> {
        let consumer = Arc::clone(&self.consumer);
        let topics: Vec<String> = self.parts.settings.topics.iter().map(|(topic, _)| topic.clone()).collect();
        let left =
            self.parts.settings.start_patience.map(|patience| patience.saturating_sub(began.elapsed()));
        let timeout = left.map_or(ATTEMPT, |left| left.clamp(NOTICE, ATTEMPT));
        let inquiry = std::thread::Builder::new().name("connect".to_owned());
        inquiry.spawn(move || ask(&consumer, topics, timeout)).map_err(ConsumerError::Thread)
    }

    /// The brokers have answered: which topics are there, and what is `wrong` with the others?
    fn take_topics(&mut self, wrong: &[(String, RDKafkaErrorCode)]) {
        let mut doubtful = false;
        for (topic, _) in &self.parts.settings.topics {
            match wrong.iter().find(|(wrong, _)| wrong == topic) {
                None => self.topics.exists(&topic.as_str().into()),
                Some((_, error)) if warn_about(topic, *error) => {}
                Some(_) => doubtful = true,
            }
        }
        // Only now is it known which topics are there.
        if doubtful {
            self.doubt_topics();
        }
    }

    /// An attempt has failed: is there time for another one?
    fn judge(&self, source: KafkaError, tried: Duration) -> Result<(), ConsumerError> {
        let settings = &self.parts.settings;
        match settings.start_patience {
            Some(patience) if tried >= patience => Err(ConsumerError::Unreachable {
                brokers: settings.bootstrap().to_owned(),
                seconds: patience.as_secs(),
                answer: self.consumer.context().last_error().unwrap_or_else(|| source.to_string()),
                source: Box::new(source),
            }),
            _ => Ok(()),
        }
    }

    /// Says that Kafka does not answer, and for how long it is tried.
    fn tell_unreachable(&self, error: &KafkaError) {
        let settings = &self.parts.settings;
        let brokers = settings.bootstrap();
        let answer = self.consumer.context().last_error().unwrap_or_else(|| error.to_string());
        match settings.start_patience {
            Some(patience) => tracing::warn!(
                brokers,
                "cannot reach Kafka, trying for {} s in all: {answer}",
                patience.as_secs()
            ),
            None => tracing::warn!(brokers, "cannot reach Kafka, trying on (infinite_retry): {answer}"),
        }
    }

    fn tell_what_is_special(&self) {
        let settings = &self.parts.settings;
        if settings.kind == SourceKind::DatahubCloud {
            let brokers = settings.bootstrap();
            tracing::info!(
                brokers,
                "a source of type datahub-cloud reads from the Kafka of source.config.connection or of the environment here, not from DataHub Cloud"
            );
        }
        if settings.reset_offsets {
            tracing::warn!(
                group = settings.group_id,
                "reset_offsets is on: what the group has committed is ignored, and every start of this process begins anew; turn it off once that is done"
            );
        }
    }
}

/// Under way to the brokers; answers with the topics that have an error.
type Inquiry = JoinHandle<Result<Vec<(String, RDKafkaErrorCode)>, KafkaError>>;

fn ask(
    consumer: &RelayConsumer,
    topics: Vec<String>,
    timeout: Duration,
) -> Result<Vec<(String, RDKafkaErrorCode)>, KafkaError> {
    let mut wrong = Vec::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(&topic), timeout)?;
        wrong.extend(partition_count(&metadata, &topic).err().map(|error| (topic, error)));
    }
    Ok(wrong)
}

/// Says what is wrong with a topic, and whether it is only not there yet.
fn warn_about(topic: &str, error: RDKafkaErrorCode) -> bool {
    let is_missing =
        matches!(error, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic);
    if is_missing {
        tracing::warn!(
            topic,
            "the topic does not exist; it is consumed once it does. Is its name right (topic_routes)?"
        );
    } else {
        tracing::warn!(topic, %error, "the topic cannot be read");
    }
    is_missing
}
