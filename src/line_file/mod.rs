//! A file of whole lines that is only ever appended to.
//!
//! What the `file` action and the dead-letter file have in common: a line is either there in full,
//! with its line feed, or not at all, whatever happened to the process that wrote it.
//!
//! * A line, or a batch of lines, is one write. If it fails half-way the file is cut back.
//! * What a killed process left half-written is taken away before anything is appended behind it.
//! * Several writers, in this process or others, may append to the same file: each append holds the
//!   file's advisory lock. A file that was renamed or removed meanwhile, by another writer's rotation
//!   or by `logrotate`, is noticed and opened anew.
//! * A file that has grown past its limit is renamed to `NAME.1`, the next one to `NAME.2`, and so on:
//!   the higher the number, the newer the file, and a file keeps its name for good.
//! * A [`LineFile`] blocks. A [`LineWriter`] is its thread, for tasks that must not.

mod append;
mod check;
mod directory;
mod owner;
mod rotation;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use append::{Durability, LineFile, LineFileOptions};
pub use check::{Writable, check_writable};
pub use owner::{Owner, open_or_make};
pub use rotation::Rotation;
pub use writer::LineWriter;
