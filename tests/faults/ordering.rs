//! Within what events are worked on in order, and how many at a time.

use std::time::Duration;

use crate::harness::{Answer, OrderedBy, Place, Recipe};
use crate::run::Run;

/// How many events are worked on at a time where order is not that of partitions.
const CONCURRENCY: usize = 8;
/// So many that those of one partition fill all lanes.
const ENTITIES_PER_PARTITION: u32 = 20;

/// `ordering` of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ordering {
    /// Each partition's events one after the other: the default.
    Partition,
    /// Each entity's.
    Key,
    /// Whatever is free takes the next one.
    Unordered,
}

impl Ordering {
    /// The name of a row that is run with it.
    pub(crate) fn name(self, row: &str) -> String {
        match self {
            Self::Partition => row.to_owned(),
            Self::Key => format!("{row}-by-key"),
            Self::Unordered => format!("{row}-unordered"),
        }
    }

    /// Within what the first deliveries have to be in order.
    pub(crate) fn unit(self) -> OrderedBy {
        match self {
            Self::Partition => OrderedBy::Partition,
            Self::Key => OrderedBy::Entity,
            Self::Unordered => OrderedBy::Nothing,
        }
    }

    /// The recipe of a run with it.
    pub(crate) fn kept_by(self, recipe: Recipe) -> Recipe {
        match self {
            Self::Partition => recipe,
            Self::Key => recipe.option("ordering", "key").option("concurrency", CONCURRENCY),
            Self::Unordered => recipe.option("ordering", "unordered").option("concurrency", CONCURRENCY),
        }
    }

    /// Sees to it that a run's partitions have something to do for every lane.
    pub(crate) fn prepare(self, run: &mut Run<'_>) {
        if self != Self::Partition {
            run.feeder().set_entities_per_partition(ENTITIES_PER_PARTITION);
        }
    }

    /// How an endpoint answers: at different speeds, so that what begins later ends sooner wherever it may.
    pub(crate) fn answer(self, place: &Place, usual: Duration) -> Answer {
        match self {
            Self::Partition => Answer::ConfirmAfter(usual),
            Self::Key | Self::Unordered => Answer::ConfirmAfter(usual * (place.offset % 4) as u32),
        }
    }
}
