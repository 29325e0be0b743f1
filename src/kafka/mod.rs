//! Kafka: the source of a pipeline's records, and what stands around it.
//!
//! Each room knows only those above it:
//!
//! - `oauth`: the tokens that a client logs in with;
//! - `source`: from what a recipe says about Kafka to settings, and to librdkafka's properties;
//! - `client`: how a client is made, and a producer;
//! - `look_ups`: what Kafka is asked about groups and logs, and where a partition begins;
//! - `onlookers`: who looks from outside and joins no group ([`Onlooker`], [`LogReader`]);
//! - `sole_member`: one process at a time, on whatever machine ([`SoleMember`]);
//! - `gaps`: records that cannot be read any more, and their acknowledgement;
//! - `consumer`: the member of the group that polls, hands over and commits ([`consume`]).

mod oauth;
mod source;
mod client;
mod look_ups;
mod onlookers;
mod sole_member;
mod gaps;
mod consumer;

pub use client::{ConsumerError, OutgoingRecord, Producer, StartError, is_about_the_record, is_too_large};
pub use consumer::{
    CommitBell, CommitsFail, ConsumerParts, DrainWaits, RebalanceKind, Reports, Screen, ScreenCounts,
    Screening, Unreadable, UnreadableTopic, consume,
};
pub use gaps::{Gap, GapCause, GapKeeper, acknowledgement_group, gap_before};
pub use look_ups::{Member, Membership};
pub use oauth::{OauthSettings, TokenError};
pub use onlookers::{
    Effect, KnownTopic, LogReader, Move, Onlooker, Reach, Reading, ResetError, Standing, Stretch,
};
pub use sole_member::{SoleMember, SoleMemberError};
pub use source::{
    ConnectionConfig, ConsumerSettings, KafkaSourceConfig, PlatformEvents, PropertyValue, SourceKind,
    StartPosition, StartPositionConfig, TopicNames, TopicRoutes, is_secret_property,
};
