//! What flows through a pipeline.
//!
//! A [`Record`] is what Kafka handed over: a [`Position`] and bytes. An [`Envelope`] is the event
//! read from it, as an action sees it. [`ScannedFields`] are the few fields that can be read off the
//! bytes without decoding them.

mod change_log;
mod envelope;
mod event_type;
mod fields;
mod meta;
mod outcome;
mod position;
mod proposal;
mod record;
mod route;
mod scanned;
mod text;

pub use change_log::{AuditHeader, AuditStamp, ChangeLog, GenericAspect, RunId, SystemMetadata};
pub use envelope::{Envelope, Event, Field};
pub use event_type::EventType;
pub use fields::KnownFields;
pub use meta::{MetaDetail, RecordDetails};
pub use outcome::{DropReason, Outcome, Stage};
pub use position::{Position, TopicPartition, offset_after};
pub use proposal::{FailedProposal, Proposal};
pub use record::{Header, Record};
pub use route::Route;
pub use scanned::{FieldSet, Scanned, ScannedFields};
pub(crate) use text::text_of;
