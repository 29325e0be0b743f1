//! Which types of event a transform changes.

use crate::event::EventType;
use crate::filter::OneOrMany;

/// All types, or those that a recipe names.
#[derive(Debug, Clone, Default)]
pub(super) struct Concerned(Option<Box<[String]>>);

impl Concerned {
    pub(super) fn of(event_type: Option<&OneOrMany>) -> Self {
        Self(event_type.map(|names| names.names().into()))
    }

    pub(super) fn includes(&self, event_type: &EventType) -> bool {
        let name = event_type.as_str();
        self.0.as_ref().is_none_or(|names| names.iter().any(|named| named == name))
    }
}
