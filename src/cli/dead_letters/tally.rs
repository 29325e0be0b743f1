//! What a replay came to, in numbers.

use std::fmt;

use crate::dead_letter::Replayed;

/// What a replay came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) acted: u64,
    pub(super) dropped: u64,
    pub(super) sent: u64,
    pub(super) failed_again: u64,
    pub(super) before: u64,
    pub(super) refused: u64,
    pub(super) unreadable: u64,
}

impl Tally {
    /// Counts a letter that was replayed.
    pub(super) fn count(&mut self, replayed: Replayed) {
        let counter = match replayed {
            Replayed::Acted => &mut self.acted,
            Replayed::Dropped => &mut self.dropped,
            Replayed::Sent => &mut self.sent,
            Replayed::FailedAgain => &mut self.failed_again,
        };
        *counter += 1;
    }

    /// Whether nothing is left to look at.
    pub(super) fn all_well(&self) -> bool {
        self.failed_again + self.refused + self.unreadable == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acted, dropped, sent, failed_again, before, refused, unreadable } = self;
        write!(f, "{acted} acted on, {dropped} dropped, ")?;
        if *sent > 0 {
            write!(f, "{sent} sent to their topic, ")?;
        }
        write!(f, "{failed_again} failed again, {before} replayed before, {refused} refused")?;
        if *unreadable > 0 {
            write!(f, ", {unreadable} unreadable")?;
        }
        Ok(())
    }
}
