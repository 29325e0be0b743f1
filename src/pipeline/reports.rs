//! What the Kafka side tells, passed on to metrics, health and the summary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::tally::Tally;
use crate::event::{DropReason, TopicPartition};
use crate::kafka::{CommitsFail, DrainWaits, Gap, RebalanceKind, Reports, ScreenCounts, UnreadableTopic};
use crate::telemetry::{
    Condition, EarlyFilter, LONG, PipelineHealth, PipelineMetrics, PipelineState, Rebalance,
};

/// Passes on what the polling thread and the committer of one pipeline tell.
pub(super) struct PipelineReports {
    pub(super) metrics: Arc<PipelineMetrics>,
    pub(super) health: Arc<PipelineHealth>,
    pub(super) tally: Arc<Tally>,
    /// Where the brokers are looked for.
    pub(super) brokers: String,
    /// Whether the log has it that an event is in its action for long.
    pub(super) slow_told: AtomicBool,
}

impl PipelineReports {
    /// Says once that an action takes long, and once that none does any more: readiness has it meanwhile. To be called
    /// again and again, whatever happens.
    fn tell_slow_action(&self) {
        let slow = self.health.in_action().about_long();
        match (slow, self.slow_told.load(Ordering::Relaxed)) {
            (Some(text), false) => {
                self.slow_told.store(true, Ordering::Relaxed);
                tracing::warn!("{text}; /readyz shows for how long it goes on");
            }
            (None, true) => {
                self.slow_told.store(false, Ordering::Relaxed);
                tracing::info!("no event is in its action for longer than {} s any more", LONG.as_secs());
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}

impl Reports for PipelineReports {
    fn polling(&self) {
        self.health.heartbeat();
        self.tell_slow_action();
    }

    fn connected(&self) {
        self.health.holds(Condition::Brokers);
        self.health.enter(PipelineState::Running);
    }

    fn draining(&self) {
        self.health.enter(PipelineState::Draining);
    }

    fn drain_waits(&self, DrainWaits { events, partitions, left }: DrainWaits<'_>) {
        let oldest = self.health.in_action().about_oldest(|source| partitions.contains(source));
        let oldest = oldest.map(|oldest| format!("; {oldest}")).unwrap_or_default();
        let events = if events == 1 { "1 event".to_owned() } else { format!("{events} events") };
        match left {
            Some(left) => tracing::info!(
                "waiting for {events} to finish, {} s more at most (drain_timeout_seconds){oldest}",
                left.as_secs()
            ),
            None => tracing::warn!(
                "actions did not finish within the drain time; their events come again: {events}{oldest}"
            ),
        }
    }

    fn received(&self, topic: &str, records: u64) {
        self.metrics.received(topic, records);
        self.tally.received(records);
    }

    fn dropped(&self, reason: DropReason, records: u64) {
        self.metrics.dropped(reason, records);
        self.tally.dropped(records);
    }

    fn screened(&self, counts: ScreenCounts) {
        let ScreenCounts { passed, rejected, entirely_rejected } = counts;
        for (decision, records) in [
            (EarlyFilter::Passed, passed),
            (EarlyFilter::Rejected, rejected),
            (EarlyFilter::EntirelyRejected, entirely_rejected),
        ] {
            if records > 0 {
                self.metrics.early_filter(decision, records);
            }
        }
    }

    fn stalled(&self, why: Option<String>) {
        match why {
            Some(why) => self.health.is_stuck(why),
            None => self.health.moves_again(),
        }
    }

    fn in_flight(&self, events: usize, bytes: usize) {
        self.metrics.in_flight(events, bytes);
    }

    fn rebalanced(&self, kind: RebalanceKind, partitions: usize) {
        self.metrics.rebalanced(match kind {
            RebalanceKind::Assigned => Rebalance::Assigned,
            RebalanceKind::Revoked => Rebalance::Revoked,
            RebalanceKind::Lost => Rebalance::Lost,
        });
        self.metrics.assigned_partitions(partitions);
        match kind {
            // Also where there is none: the group has said so.
            RebalanceKind::Assigned | RebalanceKind::Revoked => self.health.holds(Condition::Assignment),
            RebalanceKind::Lost => {
                self.health
                    .lacks(Condition::Assignment, "the group has given this member up; it joins again");
            }
        }
    }

    fn forgotten(&self, source: &TopicPartition) {
        self.metrics.forget(source);
    }

    fn paused(&self, partitions: usize, new: u64) {
        self.metrics.paused_partitions(partitions);
        for _ in 0..new {
            self.metrics.paused();
        }
    }

    fn position(&self, source: &TopicPartition, committed: Option<i64>, begin: Option<i64>, end: i64) {
        if let Some(committed) = committed {
            self.metrics.committed_offset(source, committed);
        }
        // Nothing is done yet for a group without commits: it lags by all that the log holds.
        if let Some(done) = committed.or(begin) {
            self.metrics.lag(source, (end - done).max(0));
        }
    }

    fn gap(&self, gap: &Gap, records: u64) {
        self.metrics.gap(&gap.source.topic, gap.cause.as_str(), records);
        self.health.warn(gap.to_string());
    }

    fn waits_at(&self, gaps: &[&Gap]) {
        if gaps.is_empty() {
            self.health.holds(Condition::Records);
            return;
        }
        let gaps: Vec<String> = gaps.iter().map(ToString::to_string).collect();
        let text =
            format!("{}; once this is known: datahub-relay offsets acknowledge -c RECIPE", gaps.join("; "));
        self.health.lacks(Condition::Records, text);
    }

    fn unreadable(&self, topics: &[UnreadableTopic]) {
        if topics.is_empty() {
            self.health.holds(Condition::Topics);
            return;
        }
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        self.health.lacks(Condition::Topics, topics.join("; "));
    }

    fn commit_confirmed(&self, took: Duration) {
        self.metrics.committed(took);
    }

    fn commit_failed(&self, took: Duration, _error: &KafkaError) {
        self.metrics.commit_failed(took);
    }

    fn commits_fail(&self, failing: Option<CommitsFail<'_>>) {
        let Some(CommitsFail { in_a_row, error }) = failing else {
            self.health.holds(Condition::Commits);
            return;
        };
        let text = format!(
            "{in_a_row} commits in a row failed, the last with: {error}; it is tried on. What is acted on meanwhile comes again after a restart, and a partition with max_uncommitted of it waits. See whether the group's coordinator is reachable (the brokers' logs), and whether this user may commit: READ on the group and on its topics"
        );
        self.health.lacks(Condition::Commits, text);
    }

    fn trouble(&self, trouble: Option<&KafkaError>) {
        let Some(error) = trouble else {
            self.health.holds(Condition::Brokers);
            return;
        };
        self.metrics.poll_failed();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                let text = format!(
                    "none can be reached at {}: {error}; it goes on by itself once one can (does `connection.bootstrap` name them, and do its TLS and SASL settings fit? `validate --connect` says more)",
                    self.brokers
                );
                self.health.lacks(Condition::Brokers, text);
            }
            // Asked again until it is allowed. A member that has partitions learns of it when it commits.
            Some(code @ RDKafkaErrorCode::GroupAuthorizationFailed) => self.health.still_lacks(
                Condition::Assignment,
                format!("the group may not be joined: {code}; allow this client's user READ on the group"),
            ),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{HealthBoard, Metrics};

    fn reports(metrics: &Metrics, board: &HealthBoard) -> PipelineReports {
        PipelineReports {
            metrics: metrics.pipeline("p"),
            health: board.pipeline("p"),
            tally: Arc::new(Tally::new()),
            brokers: "b:9092".to_owned(),
            slow_told: AtomicBool::default(),
        }
    }

    #[test]
    fn the_frameworks_counters_tell_errors_from_messages_and_how_the_early_filter_decided() {
        let (metrics, board) = (Metrics::new(), HealthBoard::new(Duration::from_secs(60)));
        let reports = reports(&metrics, &board);
        reports.received("t", 6);
        reports.trouble(Some(&KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure)));
        reports.trouble(None);
        reports.screened(ScreenCounts { passed: 1, rejected: 2, entirely_rejected: 3 });
        let text = metrics.text(&board).unwrap();
        for line in [
            r#"kafka_messages_total{error="False",pipeline_name="p"} 6"#,
            r#"kafka_messages_total{error="True",pipeline_name="p"} 1"#,
            r#"kafka_mcl_early_filter_total{pipeline_name="p",result="passed"} 1"#,
            r#"kafka_mcl_early_filter_total{pipeline_name="p",result="rejected"} 2"#,
            r#"kafka_mcl_early_filter_total{pipeline_name="p",result="entirely_rejected"} 3"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_group_without_commits_lags_by_all_that_the_log_holds() {
        let (metrics, board) = (Metrics::new(), HealthBoard::new(Duration::from_secs(60)));
        let reports = reports(&metrics, &board);
        let source = TopicPartition { topic: "t".into(), partition: 0 };
        let shown = |committed, begin| {
            reports.position(&source, committed, begin, 50);
            let text = metrics.text(&board).unwrap();
            let value = |series: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(series));
                line.map(|value| value.trim().to_owned())
            };
            let lag = value(r#"datahub_relay_lag_records{partition="0",pipeline="p",topic="t"}"#);
            let of_topic = value(r#"kafka_consumer_lag{pipeline_name="p",topic="t"}"#);
            assert_eq!(lag, of_topic);
            lag
        };
        assert_eq!(shown(None, None), None, "where the log begins is not known yet");
        assert_eq!(shown(None, Some(20)).as_deref(), Some("30"));
        assert_eq!(shown(Some(45), Some(20)).as_deref(), Some("5"));
    }
}
