//! What can be decided before a record is decoded. Runs on the polling thread for every record, so
//! nothing here allocates.

use super::compiled::{Filters, Wanted};
use super::place::FilterPlace;
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
    pub fn wanted(&self, route: &Route) -> FieldSet {
        let mut fields = FieldSet::default();
        if self.decide_unscanned(route) == ScanVerdict::Drop {
            return fields;
        }
        match route {
            Route::ChangeLog => self.add_wanted(&EventType::MetadataChangeLog, &mut fields),
            Route::Proposal => self.add_wanted(&EventType::MetadataChangeProposal, &mut fields),
            Route::PlatformEvent | Route::EveryPlatformEvent => {
                fields.event_name = route.event_types().iter().any(|event_type| self.wants_no(event_type));
                if *route == Route::EveryPlatformEvent {
                    self.add_wanted(&EventType::PlatformEvent, &mut fields);
                }
            }
            Route::FailedProposal | Route::Avro(_) => {}
        }
        fields
    }

    /// Decides on the fields that a scan found. [`ScanVerdict::Drop`] only if [`Self::matches`] would
    /// certainly say no, whatever the rest of the record holds.
    #[inline]
    pub fn decide_on_scan(&self, route: &Route, fields: &ScannedFields<'_>) -> ScanVerdict {
        match self.rejecting_on_scan(route, fields) {
            Some(_) => ScanVerdict::Drop,
            None => ScanVerdict::MayPass,
        }
    }

    /// The first filter that certainly rejects an event of which a scan found these fields.
    #[inline]
    pub fn rejecting_on_scan(&self, route: &Route, fields: &ScannedFields<'_>) -> Option<FilterPlace> {
        match route {
            Route::ChangeLog => self.rejects(&EventType::MetadataChangeLog, fields),
            Route::Proposal => self.rejects(&EventType::MetadataChangeProposal, fields),
            Route::PlatformEvent | Route::EveryPlatformEvent => match fields.event_name {
                Scanned::Text(name) => match EventType::of_platform_event(name) {
                    Some(event_type) => self.rejecting_type(&event_type),
                    None if *route == Route::EveryPlatformEvent => {
                        self.rejects(&EventType::PlatformEvent, fields)
                    }
                    None => None,
                },
                Scanned::Unknown | Scanned::Null => None,
            },
            Route::FailedProposal | Route::Avro(_) => None,
        }
    }

    /// Where [`Self::decide_unscanned`] drops everything: the first filter that wants nothing of the
    /// first type of event that may come.
    pub fn rejecting_route(&self, route: &Route) -> Option<FilterPlace> {
        route.event_types().first().and_then(|event_type| self.rejecting_type(event_type))
    }

    /// Decides on what the topic carries alone: whether no type of event that may come on it is
    /// wanted.
    pub fn decide_unscanned(&self, route: &Route) -> ScanVerdict {
        let rejected = route.event_types().iter().all(|event_type| self.wants_no(event_type));
        if rejected { ScanVerdict::Drop } else { ScanVerdict::MayPass }
    }

    /// Whether some filter lets no event of this type pass, whatever it holds.
    pub fn wants_no(&self, event_type: &EventType) -> bool {
        self.rejecting_type(event_type).is_some()
    }

    /// The first filter that lets no event of this type pass.
    #[inline]
    fn rejecting_type(&self, event_type: &EventType) -> Option<FilterPlace> {
        let rejecting = self.all().iter().find(|filter| matches!(filter.wanted(event_type), Wanted::Nothing));
        rejecting.map(|filter| filter.place)
    }

    /// The fields of events of this type that can decide something.
    fn add_wanted(&self, event_type: &EventType, fields: &mut FieldSet) {
        for filter in self.all() {
            let Wanted::AnyOf(predicates) = filter.wanted(event_type) else { continue };
            let scannable = |predicate| scannable(event_type, predicate);
            // One predicate that a scan says nothing about may let anything pass, and then the others
            // need not be looked at either.
            if predicates.iter().all(|predicate| scannable(predicate).next().is_some()) {
                predicates.iter().flat_map(scannable).for_each(|field| field.add_to(fields));
            }
        }
    }

    /// The first filter that certainly rejects an event of this type.
    #[inline]
    fn rejects(&self, event_type: &EventType, fields: &ScannedFields<'_>) -> Option<FilterPlace> {
        let rejecting = self.all().iter().find(|filter| match filter.wanted(event_type) {
            Wanted::Nothing => true,
            Wanted::Everything => false,
            Wanted::AnyOf(predicates) => {
                !predicates.iter().any(|predicate| may_match(event_type, predicate, fields))
            }
        });
        rejecting.map(|filter| filter.place)
    }
}

/// A field that a scan can read.
#[derive(Clone, Copy)]
enum ScanField {
    EventName,
    EntityType,
    EntityUrn,
    AspectName,
    ChangeType,
}

impl ScanField {
    /// The field that an entry of a predicate on events of this type looks at.
    #[inline]
    fn named(event_type: &EventType, name: &str) -> Option<Self> {
        match (event_type, name) {
            (EventType::PlatformEvent, "name") => Some(Self::EventName),
            (EventType::PlatformEvent, _) => None,
            (_, "entityType") => Some(Self::EntityType),
            (_, "entityUrn") => Some(Self::EntityUrn),
            (_, "aspectName") => Some(Self::AspectName),
            (_, "changeType") => Some(Self::ChangeType),
            _ => None,
        }
    }

    fn of<'a>(self, fields: &ScannedFields<'a>) -> Scanned<'a> {
        match self {
            Self::EventName => fields.event_name,
            Self::EntityType => fields.entity_type,
            Self::EntityUrn => fields.entity_urn,
            Self::AspectName => fields.aspect_name,
            Self::ChangeType => fields.change_type,
        }
    }

    fn add_to(self, fields: &mut FieldSet) {
        match self {
            Self::EventName => fields.event_name = true,
            Self::EntityType => fields.entity_type = true,
            Self::EntityUrn => fields.entity_urn = true,
            Self::AspectName => fields.aspect_name = true,
            Self::ChangeType => fields.change_type = true,
        }
    }
}

/// The fields of a predicate that a scan can decide.
fn scannable<'p>(
    event_type: &EventType,
    predicate: &'p Predicate,
) -> impl Iterator<Item = ScanField> + use<'p> {
    let event_type = event_type.clone();
    predicate.entries().iter().filter_map(move |(name, _)| ScanField::named(&event_type, name))
}

#[inline]
fn may_match(event_type: &EventType, predicate: &Predicate, fields: &ScannedFields<'_>) -> bool {
    predicate.entries().iter().all(|(name, matcher)| {
        match ScanField::named(event_type, name).map(|field| field.of(fields)) {
            None | Some(Scanned::Unknown) => true,
            Some(Scanned::Null) => matches!(matcher, Matcher::Null),
            Some(Scanned::Text(text)) => matcher.may_match_text(text),
        }
    })
}
