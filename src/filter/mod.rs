//! Which events a pipeline wants.
//!
//! A recipe says it in two styles, `filters` and the older `filter`; both compile to the same
//! [`Filters`]. What can be decided on the few fields that a scan reads off the bytes is decided
//! there, so that most of a topic's records are never decoded; the rest is decided on the event.

mod arriving;
mod compiled;
mod config;
mod letter_case;
mod place;
mod predicate;
mod review;
mod scan;
#[cfg(test)]
mod tests;

pub use arriving::Arriving;
pub use compiled::Filters;
pub use config::{EventTypeFilterConfig, EventTypeSpec, FilterConfig, FiltersConfig, OneOrMany};
pub use place::FilterPlace;
pub(crate) use review::{review_predicate, review_predicates};
pub use scan::ScanVerdict;
