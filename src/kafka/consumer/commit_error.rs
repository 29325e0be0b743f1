//! What a failed commit means: from what its error is about to what is done about it.

use rdkafka::error::KafkaError;

use crate::kafka::client::{Cause, cause_of};

/// What to do about a failed commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitDirective {
    /// The coordinator was away or busy: ask again. No other partition of the group would fare better.
    AwaitCoordinator,
    /// Kafka takes no commit for this topic, which this client may not read: ask again. The others go on
    /// meanwhile.
    AwaitRight,
    /// Kafka takes no commit for this topic or partition, which is gone, or which a coordinator that has just
    /// started does not know yet: ask again. The others go on meanwhile.
    AwaitTopic,
    /// Nobody knows: ask again, since another attempt harms nobody.
    Retry,
    /// The group is changing. Give up this request, not the watermark: while the partition is still
    /// assigned (a cooperative rebalance keeps partitions without delivering them again) it stays to
    /// be committed and is committed after the rebalance.
    LeaveForLater,
    /// There was nothing to commit.
    Nothing,
    /// Another process has this member's identity, the group may not be used, or the client is broken: the
    /// pipeline ends.
    EndPipeline,
}

impl CommitDirective {
    /// Whether Kafka takes no commit for the partition, while it may take those for others.
    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Self::AwaitRight | Self::AwaitTopic)
    }
}

/// Classifies the error of a commit.
pub(super) fn classify(error: &KafkaError) -> CommitDirective {
    match cause_of(error) {
        Cause::NoOffset => CommitDirective::Nothing,
        Cause::Fatal | Cause::GroupRefused => CommitDirective::EndPipeline,
        Cause::Membership => CommitDirective::LeaveForLater,
        Cause::Coordinator => CommitDirective::AwaitCoordinator,
        // Readiness says so, and the right may be granted again.
        Cause::TopicRefused => CommitDirective::AwaitRight,
        Cause::Missing => CommitDirective::AwaitTopic,
        Cause::Unsupported | Cause::Other => CommitDirective::Retry,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::types::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn every_code_has_the_directive_it_needs() {
        use RDKafkaErrorCode as Code;
        let table = [
            (
                CommitDirective::AwaitCoordinator,
                vec![
                    Code::RequestTimedOut,
                    Code::OperationTimedOut,
                    Code::NotCoordinator,
                    Code::CoordinatorNotAvailable,
                    Code::CoordinatorLoadInProgress,
                    Code::WaitingForCoordinator,
                    Code::BrokerTransportFailure,
                ],
            ),
            (CommitDirective::AwaitRight, vec![Code::TopicAuthorizationFailed]),
            (CommitDirective::AwaitTopic, vec![Code::UnknownTopicOrPartition]),
            (CommitDirective::Retry, vec![Code::InvalidCommitOffsetSize]),
            (
                CommitDirective::LeaveForLater,
                vec![
                    Code::RebalanceInProgress,
                    Code::IllegalGeneration,
                    Code::UnknownMemberId,
                    Code::AssignmentLost,
                    Code::FencedMemberEpoch,
                    Code::StaleMemberEpoch,
                ],
            ),
            (
                CommitDirective::EndPipeline,
                vec![Code::FencedInstanceId, Code::Fatal, Code::GroupAuthorizationFailed],
            ),
            (CommitDirective::Nothing, vec![Code::NoOffset]),
        ];
        for (directive, codes) in table {
            for code in codes {
                assert_eq!(classify(&KafkaError::ConsumerCommit(code)), directive, "{code:?}");
            }
        }
    }
}
