//! Which filter of a recipe is meant.

use std::fmt;

/// A filter by its path in the recipe: `filters[0]`, or `filter` for the older style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FilterPlace {
    /// The filter at this place of `filters`, from 0.
    Filters(usize),
    /// `filter`.
    Filter,
}

impl fmt::Display for FilterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filters(index) => write!(f, "filters[{index}]"),
            Self::Filter => f.write_str("filter"),
        }
    }
}
