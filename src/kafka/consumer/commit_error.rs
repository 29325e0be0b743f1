//! What a failed commit means: one table, from Kafka's error code to what is done about it.

use rdkafka::types::RDKafkaErrorCode;

/// What to do about a failed commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitDirective {
    /// The coordinator was away or busy: ask again.
    Retry,
    /// The group is changing. Give up this request, not the watermark: while the partition is still
    /// assigned (a cooperative rebalance keeps partitions without delivering them again) it stays to
    /// be committed and is committed after the rebalance.
    LeaveForLater,
    /// There was nothing to commit.
    Nothing,
    /// Another process has this member's identity, or the client is broken: the pipeline ends.
    EndPipeline,
}

/// Classifies the error of a commit.
pub(super) fn classify(code: RDKafkaErrorCode) -> CommitDirective {
    use RDKafkaErrorCode as Code;
    match code {
        Code::NoOffset => CommitDirective::Nothing,
        Code::FencedInstanceId
        | Code::Fatal
        | Code::GroupAuthorizationFailed
        | Code::TopicAuthorizationFailed => CommitDirective::EndPipeline,
        Code::RebalanceInProgress
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::AssignmentLost
        | Code::FencedMemberEpoch
        | Code::StaleMemberEpoch => CommitDirective::LeaveForLater,
        // Timed out, not coordinator, coordinator not available or loading, waiting for coordinator,
        // transport; and whatever is not known: another attempt at a commit harms nobody.
        _ => CommitDirective::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_directive_it_needs() {
        use RDKafkaErrorCode as Code;
        let table = [
            (
                CommitDirective::Retry,
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
            (
                CommitDirective::LeaveForLater,
                vec![
                    Code::RebalanceInProgress,
                    Code::IllegalGeneration,
                    Code::UnknownMemberId,
                    Code::AssignmentLost,
                    Code::StaleMemberEpoch,
                ],
            ),
            (CommitDirective::EndPipeline, vec![Code::FencedInstanceId, Code::Fatal]),
            (CommitDirective::Nothing, vec![Code::NoOffset]),
        ];
        for (directive, codes) in table {
            for code in codes {
                assert_eq!(classify(code), directive, "{code:?}");
            }
        }
    }
}
