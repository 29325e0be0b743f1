//! What Kafka itself says about a group.

use std::sync::Arc;
use std::time::Duration;

use super::QuickstartError;
use crate::event::{Position, TopicPartition};
use crate::kafka::{self, ConsumerSettings, Onlooker};

/// The broker is inside this process: it answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for a group's committed offsets, with a client that never joins the group.
pub(super) struct GroupOffsets {
    onlooker: Arc<Onlooker>,
}

/// Where the group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The partition.
    pub(super) source: TopicPartition,
    /// The committed offset: the next one to be read. 0 where nothing is committed.
    pub(super) committed: i64,
    /// The offset behind the last record.
    pub(super) end: i64,
}

impl GroupOffsets {
    /// Of the pipeline with these settings.
    pub(super) async fn of(settings: ConsumerSettings) -> Result<Self, QuickstartError> {
        let connect = move || Onlooker::connect(&settings.group_id, &settings, PATIENCE);
        let onlooker = beside(connect).await??.with_patience(PATIENCE);
        Ok(Self { onlooker: Arc::new(onlooker) })
    }

    /// Where the group stands now, in each partition.
    pub(super) async fn ask(&self) -> Result<Vec<Standing>, QuickstartError> {
        let onlooker = Arc::clone(&self.onlooker);
        let standings = beside(move || onlooker.standings()).await??;
        let standing = |kafka::Standing { source, committed, end, .. }| Standing {
            source,
            committed: committed.unwrap_or(0),
            end,
        };
        Ok(standings.into_iter().map(standing).collect())
    }
}

/// Lets something block beside the runtime: librdkafka waits until the broker has answered.
async fn beside<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> Result<T, QuickstartError> {
    tokio::task::spawn_blocking(wait).await.map_err(|_| QuickstartError::LookUpEnded)
}

impl Standing {
    /// How many records the group has not committed.
    pub(super) fn uncommitted(&self) -> i64 {
        self.end - self.committed
    }

    /// Whether the group has committed the record at `position`.
    pub(super) fn is_past(&self, position: &Position) -> bool {
        self.source == position.source && self.committed > position.offset
    }
}
