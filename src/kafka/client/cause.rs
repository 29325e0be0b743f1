//! What an error of Kafka is about: one table, from which everybody decides what to do about it.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) enum Cause {
    /// The group's coordinator, or the way to it: it is away or busy, and may answer another time.
    Coordinator,
    /// The group is changing, or takes this client for no member of it.
    Membership,
    /// This client may not use the group.
    GroupRefused,
    /// This client may not use the topic.
    TopicRefused,
    /// There is no such topic or partition: not yet, or not any more.
    Missing,
    /// The brokers, or librdkafka, cannot do this at all.
    Unsupported,
    /// There was nothing to commit.
    NoOffset,
    /// Another process has this member's identity, or the client is broken: nothing more comes of it.
    Fatal,
    /// Something else.
    Other,
}

/// Finds out what an error is about.
pub(in crate::kafka) fn cause_of(error: &KafkaError) -> Cause {
    use RDKafkaErrorCode as Code;
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Cause::Fatal;
    }
    match error.rdkafka_error_code() {
        Some(
            Code::RequestTimedOut
            | Code::OperationTimedOut
            | Code::NotCoordinator
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::WaitingForCoordinator
            | Code::BrokerTransportFailure,
        ) => Cause::Coordinator,
        Some(
            Code::RebalanceInProgress
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::AssignmentLost
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch,
        ) => Cause::Membership,
        Some(Code::GroupAuthorizationFailed) => Cause::GroupRefused,
        Some(Code::TopicAuthorizationFailed) => Cause::TopicRefused,
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => Cause::Missing,
        Some(Code::UnsupportedFeature) => Cause::Unsupported,
        Some(Code::NoOffset) => Cause::NoOffset,
        Some(Code::FencedInstanceId | Code::Fatal) => Cause::Fatal,
        _ => Cause::Other,
    }
}
