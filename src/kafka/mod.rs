//! Records from Kafka.
//!
//! One operating-system thread polls for as long as its pipeline lives ([`consume`]), and another one
//! commits. What the two and the lanes share is one [`PartitionEpoch`](crate::delivery::PartitionEpoch)
//! per assigned partition.
//!
//! [`Onlooker`] and [`LogReader`] look at topics and groups from outside, for commands that show
//! something and stay out of the group.

mod acknowledgement;
mod client;
mod commit_error;
mod committer;
mod config;
mod connect;
mod consumer;
mod consumer_properties;
mod context;
mod environment_properties;
mod error;
mod gap;
mod idle;
mod intake;
mod jaas;
mod log_reader;
mod members;
mod onlooker;
mod oauth;
mod positions;
mod readability;
mod rebalance;
mod producer;
mod reports;
mod reset;
mod resolve;
mod screen;
mod settings;
mod shutdown;
mod slots;
mod sole_member;
mod start;
mod start_policy;
#[cfg(test)]
mod tests;
mod topic_selection;
mod topics;
mod watchdog;

pub use acknowledgement::{GapKeeper, acknowledgement_group};
pub use committer::CommitBell;
pub use config::{
    ConnectionConfig, KafkaSourceConfig, PlatformEvents, PropertyValue, SourceKind, StartPositionConfig,
    TopicNames, TopicRoutes,
};
pub use consumer::{ConsumerParts, consume};
pub use error::ConsumerError;
pub use gap::{Gap, GapCause};
pub use log_reader::{LogReader, Reach, Reading, Stretch};
pub use members::{Member, Membership};
pub use oauth::{OauthSettings, TokenError};
pub use onlooker::{KnownTopic, Onlooker, Standing};
pub use producer::{OutgoingRecord, Producer, is_too_large};
pub use reports::{RebalanceKind, Reports};
pub use reset::{Effect, Move, ResetError};
pub use screen::{Screen, ScreenCounts, Screening};
pub use settings::{ConsumerSettings, StartPosition};
pub use start::StartError;
