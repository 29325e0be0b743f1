//! Those who look at a pipeline's topics and its group from outside, for commands and checks.
//!
//! They join no group. [`Onlooker`] sees where the group stands, and moves its offsets where somebody asks for
//! exactly that; [`LogReader`] reads stretches of partitions.

mod log_reader;
mod onlooker;
mod permission;
mod reset;

pub use log_reader::{LogReader, Reach, Reading, Stretch};
pub use onlooker::{KnownTopic, Onlooker, Standing};
pub use reset::{Effect, Move, ResetError};
