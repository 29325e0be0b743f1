//! Why a pipeline's consumer ended by itself.

use rdkafka::error::KafkaError;

use super::oauth::TokenError;
use super::start::StartError;

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
    /// The thread that commits ended by a panic, which is a defect of this program.
    #[error("the thread that commits panicked; please report this with the log")]
    CommitterPanicked,
}
