//! What a pipeline would do with a record, without doing it: for commands that show it to a person.
//!
//! The same scan, decoder and filters as at work, one after the other on the calling thread, and more
//! talkative: it tells which filter dropped what.

use std::fmt;
use std::sync::Arc;

use crate::avro::{Body, CompiledSchema, DecodeError, RecordKind, read_body, wire};
use crate::event::{Envelope, Event, EventType, MetaDetail, Record, Route};
use crate::filter::{FilterPlace, Filters, ScanVerdict};
use crate::recipe::Recipe;
use crate::transform::{TransformError, Transformed, Transforms};

/// The part of a pipeline that decides which events reach its action.
#[derive(Clone)]
pub struct Trial {
    filters: Arc<Filters>,
    transforms: Transforms,
    scan: bool,
    /// Whether a record says by its schema what it is, where the topic's name does not.
    any_topic: bool,
    meta: MetaDetail,
}

/// What becomes of a record before the action.
#[derive(Debug)]
pub enum Judgement {
    /// The event reaches the action.
    Reaches {
        /// As the action gets it.
        envelope: Box<Envelope>,
        /// As it was decoded, where a transform has changed it since.
        decoded: Option<Box<Envelope>>,
    },
    /// The event is not wanted.
    Dropped {
        /// By whom.
        by: DroppedBy,
        /// Whether the record's bytes alone were enough to decide it.
        on_scan: bool,
    },
    /// The record has no value.
    Tombstone,
    /// A platform event of this name, which the recipe does not ask for.
    UnknownPlatformEvent(String),
    /// The record cannot be decoded and becomes a dead letter, unless the registry is out.
    Undecodable(DecodeError),
    /// The event cannot be transformed and becomes a dead letter.
    Untransformable(TransformError),
    /// The scan and the filters contradict each other, which is a defect of this program.
    Contradiction(FilterPlace),
}

/// What drops an event, by its path in the recipe.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DroppedBy {
    /// No topic that the recipe reads carries such events.
    Source,
    /// A filter.
    Filter(FilterPlace),
    /// The transform at this place of the list, from 0.
    Transform(usize),
}

impl fmt::Display for DroppedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Filter(place) => place.fmt(f),
            Self::Transform(index) => write!(f, "transform[{index}]"),
        }
    }
}

impl Trial {
    /// Of a recipe.
    pub fn of(recipe: &Recipe) -> Self {
        Self {
            filters: Arc::new(recipe.filters.clone()),
            transforms: recipe.transforms.clone(),
            scan: recipe.scan,
            any_topic: false,
            meta: recipe.meta,
        }
    }

    /// Of nothing: every event passes. A record of a topic that no recipe has told anything about is
    /// what its schema says.
    pub fn of_any_topic() -> Self {
        Self {
            filters: Arc::default(),
            transforms: Transforms::default(),
            scan: false,
            any_topic: true,
            meta: MetaDetail::Standard,
        }
    }

    /// What becomes of a record, which `schema` was written with.
    pub fn judge(&self, route: &Route, schema: &CompiledSchema, record: &Record) -> Judgement {
        let Some(value) = &record.value else { return Judgement::Tombstone };
        let body = match wire::split(value) {
            Ok((_, body)) => body,
            Err(error) => return Judgement::Undecodable(error.into()),
        };
        let by_schema = if self.any_topic { by_schema(route, schema.kind()) } else { None };
        let route = by_schema.as_ref().unwrap_or(route);
        let on_scan = if self.scan { self.scan(route, schema, body) } else { None };
        let read = read_body(route, schema, body);
        // At work nobody would decode it any more. Here it is, so that every case of a recipe and every
        // dry run also puts the scan to the test.
        if let Some(place) = on_scan {
            let dropped = Judgement::Dropped { by: DroppedBy::Filter(place), on_scan: true };
            return match read {
                Ok(Body::Event(event_type, event)) => {
                    let envelope = self.envelope(event_type, event, record);
                    if self.filters.matches(&envelope) { Judgement::Contradiction(place) } else { dropped }
                }
                Ok(Body::UnknownPlatformEvent(_)) | Err(_) => dropped,
            };
        }
        match read {
            Ok(Body::Event(event_type, event)) => self.judge_event(self.envelope(event_type, event, record)),
            Ok(Body::UnknownPlatformEvent(name)) => Judgement::UnknownPlatformEvent(name),
            Err(error) => Judgement::Undecodable(error),
        }
    }

    /// What becomes of an event that was decoded.
    pub fn judge_event(&self, envelope: Envelope) -> Judgement {
        let dropped = |by| Judgement::Dropped { by, on_scan: false };
        if let Some(place) = self.filters.rejecting(&envelope) {
            return dropped(DroppedBy::Filter(place));
        }
        let decoded = Box::new(envelope);
        match self.transforms.apply(&decoded) {
            Ok(Transformed::Unchanged) => Judgement::Reaches { envelope: decoded, decoded: None },
            Ok(Transformed::Changed(envelope)) => Judgement::Reaches { envelope, decoded: Some(decoded) },
            Ok(Transformed::Dropped(index)) => dropped(DroppedBy::Transform(index)),
            Err(error) => Judgement::Untransformable(error),
        }
    }

    fn scan(&self, route: &Route, schema: &CompiledSchema, body: &[u8]) -> Option<FilterPlace> {
        if self.filters.decide_unscanned(route) == ScanVerdict::Drop {
            return self.filters.rejecting_route(route);
        }
        if RecordKind::on(route).is_some_and(|expected| *schema.kind() != expected) {
            return None;
        }
        let fields = self.filters.wanted(route);
        let scanned = schema.projection().scan(body, fields).ok()?;
        self.filters.rejecting_on_scan(route, &scanned)
    }

    fn envelope(&self, event_type: EventType, event: Event, record: &Record) -> Envelope {
        let details = self.meta.details_of(record);
        Envelope { event_type, event, position: record.position.clone(), details }
    }
}

/// What a topic carries that may carry anything, by what one of its records is.
fn by_schema(route: &Route, kind: &RecordKind) -> Option<Route> {
    if !matches!(route, Route::Avro(_)) {
        return None;
    }
    match kind {
        RecordKind::ChangeLog => Some(Route::ChangeLog),
        RecordKind::PlatformEvent => Some(Route::EveryPlatformEvent),
        RecordKind::Proposal => Some(Route::Proposal),
        RecordKind::FailedProposal => Some(Route::FailedProposal),
        RecordKind::Other(_) => None,
    }
}
