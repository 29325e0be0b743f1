//! The protocols that a group can speak.

use crate::harness::Recipe;

/// How a group shares its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The classic protocol: partitions that stay where they are go on meanwhile.
    Cooperative,
    /// The classic protocol: every change takes all partitions from all members.
    Eager,
    /// The broker assigns (KIP-848).
    Broker,
}

impl Protocol {
    /// The protocol's name where a run is named after it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cooperative => "cooperative",
            Self::Eager => "eager",
            Self::Broker => "kip-848",
        }
    }

    /// The recipe of a member that speaks it.
    pub(crate) fn spoken_by(self, recipe: Recipe) -> Recipe {
        let classic = |recipe: Recipe, assignor: &str| {
            recipe.consumer("group.protocol", "classic").consumer("partition.assignment.strategy", assignor)
        };
        match self {
            Self::Cooperative => classic(recipe, "cooperative-sticky"),
            Self::Eager => classic(recipe, "range"),
            Self::Broker => recipe.assigned_by_the_brokers(),
        }
    }
}
