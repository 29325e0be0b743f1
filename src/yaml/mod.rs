//! Configuration files: read with the place of every key, checked as a whole, reported by place.
//!
//! serde stops at the first error and knows no lines, so a file takes three steps: [`Document`]
//! reads it into a tree of marked [`Node`]s; [`read_as`] walks tree and JSON schema side by side,
//! notes everything that does not fit, and hands to serde only what does; [`Document::report`] turns
//! what was noted into [`Problem`]s with file, line and column.

mod check;
mod document;
mod expected;
mod node;
mod parse;
mod problem;
mod scalar;
mod secret_file;

pub(crate) use check::boolean_of_text;
pub use check::read_as;
pub use document::Document;
pub(crate) use node::TO_FILE;
pub use node::{Content, Entry, Mark, Node};
pub use problem::Problem;
pub(crate) use secret_file::secret_file_keys;
