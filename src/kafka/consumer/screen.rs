//! The question that the polling thread asks about each record before anybody decodes it.

use crate::event::{DropReason, Route};

/// Decides on a record's bytes alone whether a lane has to see it. Runs on the polling thread, once per
/// record: it must not block, and should not allocate.
pub trait Screen: Send + 'static {
    /// What is to be done with a record of this route with this value.
    fn screen(&mut self, route: &Route, value: &[u8]) -> Screening;

    /// What it decided on change logs since the last call.
    fn take_counts(&mut self) -> ScreenCounts;
}

/// What a screen decided on change logs, in the words of the Python framework's early filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScreenCounts {
    /// They may match.
    pub passed: u64,
    /// They cannot match.
    pub rejected: u64,
    /// No filter wants any change log.
    pub entirely_rejected: u64,
}

/// What is to be done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screening {
    /// No lane need see it: the full filter would certainly reject it.
    Drop(DropReason),
    /// It goes to a lane, with a hash of the entity's URN where that could be read.
    Hand(Option<u64>),
}
