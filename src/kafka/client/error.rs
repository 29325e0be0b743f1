//! Why a client of Kafka cannot go on, and why a question to Kafka has no answer.

use crate::kafka::oauth::TokenError;
use rdkafka::error::KafkaError;

/// Why a pipeline's consumer ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// librdkafka refused the configuration.
    #[error("cannot create the Kafka client: {0}; see connection.consumer_config in the recipe")]
    Create(KafkaError),
    /// The source of OAUTHBEARER tokens cannot be used.
    #[error("cannot log in to Kafka: {0}")]
    Tokens(TokenError),
    /// The brokers did not answer when the pipeline started.
    #[error(
        "cannot reach Kafka at {brokers}, tried for {seconds} s: {answer}; check connection.bootstrap in the recipe, or KAFKA_BOOTSTRAP_SERVER, and the security settings in connection.consumer_config"
    )]
    Unreachable {
        /// `bootstrap.servers`.
        brokers: String,
        /// How long it was tried.
        seconds: u64,
        /// The last answer, in librdkafka's words.
        answer: String,
        /// What the last attempt ended with, which says less.
        source: Box<KafkaError>,
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
    /// The thread that asks for the brokers ended by a panic, which is a defect of this program.
    #[error("the thread that connects panicked; please report this with the log")]
    InquiryPanicked,
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The thread that polls ended by a panic, which is a defect of this program.
    #[error("the thread that polls panicked; please report this with the log")]
    PollingPanicked,
    /// The thread that commits ended by a panic, which is a defect of this program.
    #[error("the thread that commits panicked; please report this with the log")]
    CommitterPanicked,
}

/// Why a starting position could not be found.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Kafka gave no answer that could be used.
    #[error(
        "cannot look up {what}: {source}; see whether the brokers are reachable and the group may read its offsets"
    )]
    LookUp {
        /// What was asked for.
        what: String,
        /// Kafka's answer.
        source: KafkaError,
    },
    /// `reset_offsets` would take back what other members of the group have done.
    #[error(
        "reset_offsets is on and this process is not alone in the group {group} ({members}): beginning anew would take back what the others have done; stop them first (one that was killed counts until its session is over), or turn reset_offsets off"
    )]
    OtherMembers {
        /// The group.
        group: String,
        /// Its members, this process included.
        members: String,
    },
    /// A member of the group does not see itself in it.
    #[error(
        "reset_offsets is on, and Kafka does not say whether the group {group} has other members; let this user describe the group, or turn reset_offsets off"
    )]
    MembersUnseen {
        /// The group.
        group: String,
    },
    /// The embedded broker answers "the end" for every time, which would skip what there is.
    #[error(
        "the embedded broker cannot look up offsets by time, so lookback_days and a time in start_position need a real Kafka; begin at `earliest` or `latest` here"
    )]
    NoTimes,
    /// The embedded broker does not know this question.
    #[error(
        "the embedded broker cannot list the members of a group, so whatever needs to know them needs a real Kafka"
    )]
    NoMembers,
    /// The pipeline was told to stop meanwhile.
    #[error("stopped while looking up where to begin")]
    Stopped,
}
