//! How a person lets a pipeline go on behind a gap (`on_gap: wait`) without stopping it.
//!
//! While the group has members, Kafka takes commits from nobody else. So the acknowledgement is a commit in
//! a group of its own, beside the pipeline's: the position at which a partition waits. Whoever waits there
//! looks for it. It needs nothing but Kafka, works from any machine and with any number of replicas, is
//! found after a restart too, and lets no gap at another position pass. (One at the very same position would
//! have to be in a log that was recreated since.)

use std::collections::HashMap;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::gap::{Gap, GapCause};
use super::readability::is_readable;
use crate::event::{TopicPartition, offset_after};
use crate::kafka::client::{ConsumerError, RelayConsumer, client_beside};
use crate::kafka::look_ups::{PartitionWatch, committed_offsets};
use crate::kafka::onlookers::Standing;
use crate::kafka::source::ConsumerSettings;

/// How often a pipeline that waits looks for an acknowledgement.
const LOOK: Duration = Duration::from_secs(1);

/// The time-out of one request.
const REQUEST: Duration = Duration::from_secs(10);

/// The group that holds the acknowledgements of `group`.
pub fn acknowledgement_group(group: &str) -> String {
    format!("{group}.acknowledged-gaps")
}

/// What looks at a pipeline's gaps from outside, and acknowledges them.
pub struct GapKeeper {
    settings: ConsumerSettings,
    group: RelayConsumer,
    acknowledgements: RelayConsumer,
}

impl GapKeeper {
    /// Clients for the group of these settings, and for its acknowledgements.
    ///
    /// # Errors
    /// If librdkafka refuses the settings.
    pub fn new(settings: &ConsumerSettings) -> Result<Self, ConsumerError> {
        Ok(Self {
            group: client_beside(settings, &settings.group_id)?,
            acknowledgements: client_beside(settings, &acknowledgement_group(&settings.group_id))?,
            settings: settings.clone(),
        })
    }

    /// The gaps before which a group stands: positions outside of their logs, and records that cannot be
    /// read (their gap ends behind the first: how far it goes, the pipeline finds out).
    pub fn gaps(&self, standings: &[Standing]) -> Vec<Gap> {
        let gap_of = |standing: &Standing| {
            let Standing { source, committed, end, .. } = standing;
            let next = (*committed)?;
            gap_before(standing).or_else(|| {
                let corrupt = next < *end && is_readable(&self.settings, source, next) == Some(false);
                let (to, cause) = (offset_after(next), GapCause::Corrupt);
                corrupt.then(|| Gap { source: source.clone(), from: next, to, cause })
            })
        };
        standings.iter().filter_map(gap_of).collect()
    }

    /// Whether each of these gaps was acknowledged already, so that a pipeline passes it when it starts.
    ///
    /// # Errors
    /// Kafka's, if it gives no usable answer.
    pub fn are_acknowledged(&self, gaps: &[Gap]) -> KafkaResult<Vec<bool>> {
        let sources: Vec<TopicPartition> = gaps.iter().map(|gap| gap.source.clone()).collect();
        let positions = committed(&self.acknowledgements, &sources)?;
        Ok(gaps.iter().map(|gap| positions.get(&gap.source) == Some(&gap.from)).collect())
    }

    /// Lets the pipeline go on behind these gaps.
    ///
    /// # Errors
    /// Kafka's, if it does not take the commit.
    pub fn acknowledge(&self, gaps: &[Gap]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(gaps.len());
        for gap in gaps {
            let source = &gap.source;
            list.add_partition_offset(&source.topic, source.partition, Offset::Offset(gap.from))?;
        }
        drop(self.acknowledgements.poll(Duration::ZERO));
        self.acknowledgements.commit(&list, CommitMode::Sync)
    }

    /// Waits until the group has left these gaps behind, `at_most` so long. Returns those it has not.
    ///
    /// # Errors
    /// Kafka's, if it gives no usable answer.
    pub fn wait_until_left(&self, gaps: &[Gap], at_most: Duration) -> KafkaResult<Vec<Gap>> {
        let deadline = Instant::now() + at_most;
        loop {
            let sources: Vec<TopicPartition> = gaps.iter().map(|gap| gap.source.clone()).collect();
            let positions = committed(&self.group, &sources)?;
            let stays = |gap: &&Gap| positions.get(&gap.source) == Some(&gap.from);
            let left: Vec<Gap> = gaps.iter().filter(stays).cloned().collect();
            if left.is_empty() || Instant::now() >= deadline {
                return Ok(left);
            }
            thread::sleep(LOOK / 2);
        }
    }
}

/// The gap before which a group stands, if its position lies outside of the log.
pub fn gap_before(standing: &Standing) -> Option<Gap> {
    let Standing { source, committed, before_another_log, start, end, .. } = standing;
    let (from, to) = ((*committed)?, *start);
    let another = || Gap { source: source.clone(), from, to, cause: GapCause::AnotherLog { end: *end } };
    Gap::between(source, from, (to, *end)).or_else(|| before_another_log.then(another))
}

/// Starts to look for acknowledgements of a pipeline's gaps: the positions that were acknowledged last.
pub(in crate::kafka) fn watch_acknowledgements(
    settings: &ConsumerSettings,
) -> std::io::Result<PartitionWatch> {
    let group = acknowledgement_group(&settings.group_id);
    let settings = settings.clone();
    let (mut client, mut told) = (None, false);
    PartitionWatch::start("gaps", LOOK, move |sources| {
        let looked = look(&mut client, || client_beside(&settings, &group), sources);
        looked
            .inspect_err(|error| {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "cannot look for acknowledgements of gaps, trying again");
                }
            })
            .ok()
    })
}

/// What a group has committed, asked through a client that is made when there is none yet: one that cannot be
/// made now may be later.
fn look(
    client: &mut Option<RelayConsumer>,
    make: impl FnOnce() -> Result<RelayConsumer, ConsumerError>,
    sources: &[TopicPartition],
) -> Result<HashMap<TopicPartition, i64>, Box<dyn Error>> {
    let consumer = match client {
        Some(consumer) => consumer,
        None => client.insert(make()?),
    };
    Ok(committed(consumer, sources)?)
}

/// What a group has committed, where it has.
fn committed(
    consumer: &RelayConsumer,
    sources: &[TopicPartition],
) -> KafkaResult<HashMap<TopicPartition, i64>> {
    // Nothing is assigned: what comes is a request for a token, if anything.
    drop(consumer.poll(Duration::ZERO));
    let found = committed_offsets(consumer, sources, REQUEST)?;
    Ok(found.into_iter().filter_map(|(source, found)| Some((source, found.offset?))).collect())
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::kafka::client::RelayContext;

    #[test]
    fn a_client_that_cannot_be_made_is_made_at_a_later_look_and_then_kept() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let source = TopicPartition { topic: "t".into(), partition: 0 };
        let client_of = |group: &str| -> Result<RelayConsumer, ConsumerError> {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", group);
            config.create_with_context(RelayContext::default()).map_err(ConsumerError::Create)
        };
        let mut acknowledged = TopicPartitionList::new();
        acknowledged.add_partition_offset("t", 0, Offset::Offset(7)).unwrap();
        client_of("acknowledged").unwrap().commit(&acknowledged, CommitMode::Sync).unwrap();

        let mut client = None;
        let sources = [source.clone()];
        let refused = || Err(ConsumerError::Stopped);
        assert!(look(&mut client, refused, &sources).is_err());
        let found = look(&mut client, || client_of("acknowledged"), &sources).unwrap();
        assert_eq!(found, HashMap::from([(source, 7)]));
        assert!(look(&mut client, || panic!("there is one"), &sources).is_ok());
    }
}
