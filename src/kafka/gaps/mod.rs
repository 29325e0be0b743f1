//! Gaps: records that a pipeline cannot read any more.
//!
//! [`Gap`] says which and why. `Search` finds out how far a corrupt batch reaches. With `on_gap: wait` a person
//! acknowledges a gap through a [`GapKeeper`], and the pipeline that waits there finds it by `watch_acknowledgements`.

mod acknowledgement;
mod gap;
mod readability;

pub(super) use acknowledgement::watch_acknowledgements;
pub use acknowledgement::{GapKeeper, acknowledgement_group, gap_before};
pub use gap::{Gap, GapCause};
pub(super) use readability::{Found, Search};
