//! One recipe, running.
//!
//! [`Pipeline::build`] is the only place that turns configuration into components, and
//! [`Pipeline::run`] the only one that makes them work together.

mod attempts;
mod build;
mod failures_told;
mod inspection;
mod give_up;
mod outage;
mod preview;
mod registry_watch;
mod rehearsal;
mod replay;
mod reports;
mod run;
mod screen;
mod stages;
mod storing;
mod tally;
mod trial;
#[cfg(test)]
mod tests;

pub use build::{BuildError, Pipeline, Surroundings};
pub use inspection::{Found, Verdict, inspect};
pub use preview::{Preview, PreviewError, Shown};
pub use rehearsal::{NotRehearsed, Rehearsal, Rehearsed};
pub use replay::{LetterDecoder, ReplayOutcome, Replayer, may_send_back, send_back};
pub use run::{Ended, PipelineError};
pub use tally::Summary;
pub use trial::{DroppedBy, Judgement, Trial};
