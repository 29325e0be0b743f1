//! What can be decided before a record is decoded. Runs on the polling thread for every record, so
//! nothing here allocates.

use super::compiled::{Filters, Wanted};
use super::predicate::{Matcher, Predicate};
use crate::event::{EventType, FieldSet, Route, Scanned, ScannedFields};

/// What a scan's fields say about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanVerdict {
    /// The filters would certainly reject the event.
    Drop,
    /// Only the decoded event can tell.
    MayPass,
}

impl Filters {
    /// The fields that [`Self::decide_on_scan`] can use; none where a scan could not drop anything,
    /// or where [`Self::decide_unscanned`] drops everything.
    pub fn wanted(&self, route: Route) -> FieldSet {
        let mut fields = FieldSet::default();
        if self.decide_unscanned(route) == ScanVerdict::Drop {
            return fields;
        }
        match route {
            Route::PlatformEvent => {
                fields.event_name = PLATFORM_EVENTS.iter().any(|(_, event_type)| self.wants_no(*event_type));
            }
            Route::ChangeLog => {
                for filter in self.all() {
                    let Wanted::AnyOf(predicates) = filter.wanted(EventType::MetadataChangeLog) else {
                        continue;
                    };
                    // One predicate that a scan says nothing about may let anything pass, and then
                    // the others need not be looked at either.
                    if predicates.iter().all(|predicate| scannable(predicate).next().is_some()) {
                        predicates.iter().flat_map(scannable).for_each(|field| field.add_to(&mut fields));
                    }
                }
            }
        }
        fields
    }

    /// Decides on the fields that a scan found. [`ScanVerdict::Drop`] only if [`Self::matches`] would
    /// certainly say no, whatever the rest of the record holds.
    pub fn decide_on_scan(&self, route: Route, fields: &ScannedFields<'_>) -> ScanVerdict {
        let rejected = match route {
            Route::ChangeLog => {
                self.all().iter().any(|filter| match filter.wanted(EventType::MetadataChangeLog) {
                    Wanted::Everything => false,
                    Wanted::AnyOf(predicates) => {
                        !predicates.iter().any(|predicate| may_match(predicate, fields))
                    }
                })
            }
            Route::PlatformEvent => match fields.event_name {
                Scanned::Text(name) => PLATFORM_EVENTS
                    .iter()
                    .any(|(known, event_type)| *known == name && self.wants_no(*event_type)),
                Scanned::Unknown | Scanned::Null => false,
            },
        };
        if rejected { ScanVerdict::Drop } else { ScanVerdict::MayPass }
    }

    /// Decides on what the topic carries alone: whether no type of event that may come on it is
    /// wanted.
    pub fn decide_unscanned(&self, route: Route) -> ScanVerdict {
        let rejected = match route {
            Route::ChangeLog => self.wants_no(EventType::MetadataChangeLog),
            Route::PlatformEvent => PLATFORM_EVENTS.iter().all(|(_, event_type)| self.wants_no(*event_type)),
        };
        if rejected { ScanVerdict::Drop } else { ScanVerdict::MayPass }
    }

    /// Whether some filter lets no event of this type pass, whatever it holds.
    pub fn wants_no(&self, event_type: EventType) -> bool {
        self.all().iter().any(|filter| filter.wanted(event_type).is_nothing())
    }
}

/// The `name` of a platform event, and the type of the event inside.
const PLATFORM_EVENTS: [(&str, EventType); 2] = [
    ("entityChangeEvent", EventType::EntityChange),
    ("relationshipChangeEvent", EventType::RelationshipChange),
];

/// A field of a change log that a scan can read.
#[derive(Clone, Copy)]
enum ScanField {
    EntityType,
    EntityUrn,
    AspectName,
    ChangeType,
}

impl ScanField {
    fn named(name: &str) -> Option<Self> {
        match name {
            "entityType" => Some(Self::EntityType),
            "entityUrn" => Some(Self::EntityUrn),
            "aspectName" => Some(Self::AspectName),
            "changeType" => Some(Self::ChangeType),
            _ => None,
        }
    }

    fn of<'a>(self, fields: &ScannedFields<'a>) -> Scanned<'a> {
        match self {
            Self::EntityType => fields.entity_type,
            Self::EntityUrn => fields.entity_urn,
            Self::AspectName => fields.aspect_name,
            Self::ChangeType => fields.change_type,
        }
    }

    fn add_to(self, fields: &mut FieldSet) {
        match self {
            Self::EntityType => fields.entity_type = true,
            Self::EntityUrn => fields.entity_urn = true,
            Self::AspectName => fields.aspect_name = true,
            Self::ChangeType => fields.change_type = true,
        }
    }
}

/// The fields of a predicate that a scan can decide.
fn scannable(predicate: &Predicate) -> impl Iterator<Item = ScanField> {
    predicate.entries().iter().filter_map(|(name, _)| ScanField::named(name))
}

fn may_match(predicate: &Predicate, fields: &ScannedFields<'_>) -> bool {
    predicate.entries().iter().all(|(name, matcher)| {
        match ScanField::named(name).map(|field| field.of(fields)) {
            None | Some(Scanned::Unknown) => true,
            Some(Scanned::Null) => matches!(matcher, Matcher::Null),
            Some(Scanned::Text(text)) => matcher.may_match_text(text),
        }
    })
}
