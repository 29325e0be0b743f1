//! The polling thread's question, answered: the projection scan and what the filters make of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::avro::{RecordKind, ScanCache, SchemaRegistry};
use crate::event::{DropReason, EventType, FieldSet, Route, Scanned, ScannedFields};
use crate::filter::{Filters, ScanVerdict};
use crate::kafka::{Screen, ScreenCounts, Screening};
use crate::telemetry::PipelineMetrics;

/// Screens records with the projection of their writers' schemas and a pipeline's filters.
pub(super) struct ProjectionScreen {
    schemas: ScanCache,
    filters: Arc<Filters>,
    metrics: Arc<PipelineMetrics>,
    change_logs: Plan,
    platform_events: Plan,
    proposals: Plan,
    /// Routes that no filter wants anything of, of those that are not scanned.
    unwanted: Box<[Route]>,
    counts: ScreenCounts,
}

/// What a screen is made of.
pub(super) struct ScreenParts {
    pub(super) registry: Arc<SchemaRegistry>,
    pub(super) filters: Arc<Filters>,
    pub(super) metrics: Arc<PipelineMetrics>,
    /// False sends every record to its lane (for diagnosis).
    pub(super) scan: bool,
    /// Also read the entity's URN, which chooses the lane.
    pub(super) by_key: bool,
}

/// What is done with the records of one route.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// No filter lets anything of it pass: nothing need be looked at.
    DropAll,
    /// Read these fields and ask the filters.
    Scan(FieldSet),
    /// Read the entity's URN, which chooses the lane, and ask nobody.
    ReadEntity,
    /// Nothing can be decided beforehand.
    HandAll,
}

impl ProjectionScreen {
    /// A screen for the routes that a pipeline reads.
    pub(super) fn new<'r>(parts: ScreenParts, routes: impl IntoIterator<Item = &'r Route>) -> Self {
        let ScreenParts { registry, filters, metrics, scan, by_key } = parts;
        let mut screen = Self {
            schemas: ScanCache::new(registry),
            filters,
            metrics,
            change_logs: Plan::HandAll,
            platform_events: Plan::HandAll,
            proposals: Plan::HandAll,
            unwanted: Box::default(),
            counts: ScreenCounts::default(),
        };
        let mut unwanted = Vec::new();
        for route in routes {
            let plan = Plan::of(route, &screen.filters, scan, by_key);
            match route {
                Route::ChangeLog => screen.change_logs = plan,
                Route::PlatformEvent | Route::EveryPlatformEvent => screen.platform_events = plan,
                Route::Proposal => screen.proposals = plan,
                Route::FailedProposal | Route::Avro(_) if matches!(plan, Plan::DropAll) => {
                    unwanted.push(route.clone());
                }
                Route::FailedProposal | Route::Avro(_) => {}
            }
        }
        screen.unwanted = unwanted.into();
        screen
    }
}

impl Plan {
    fn of(route: &Route, filters: &Filters, scan: bool, by_key: bool) -> Self {
        if scan && filters.decide_unscanned(route) == ScanVerdict::Drop {
            return Self::DropAll;
        }
        let needs_entity = by_key && matches!(route, Route::ChangeLog | Route::Proposal);
        let mut fields = if scan { filters.wanted(route) } else { FieldSet::default() };
        // Those of names that nobody knows are dropped here too.
        fields.event_name |= scan && *route == Route::PlatformEvent;
        match (fields.is_empty(), needs_entity) {
            (true, false) => Self::HandAll,
            (true, true) => Self::ReadEntity,
            (false, _) => {
                fields.entity_urn |= needs_entity;
                Self::Scan(fields)
            }
        }
    }
}

impl Screen for ProjectionScreen {
    fn screen(&mut self, route: &Route, value: &[u8]) -> Screening {
        let plan = match route {
            Route::ChangeLog => self.change_logs,
            Route::PlatformEvent | Route::EveryPlatformEvent => self.platform_events,
            Route::Proposal => self.proposals,
            Route::FailedProposal | Route::Avro(_) if self.unwanted.contains(route) => Plan::DropAll,
            Route::FailedProposal | Route::Avro(_) => Plan::HandAll,
        };
        let screening = match plan {
            Plan::DropAll => Screening::Drop(DropReason::Scan),
            Plan::HandAll => Screening::Hand(None),
            Plan::ReadEntity => self.scan(route, value, ENTITY, false),
            Plan::Scan(fields) => self.scan(route, value, fields, true),
        };
        if matches!(route, Route::ChangeLog) {
            match (screening, plan) {
                (Screening::Hand(_), _) => self.counts.passed += 1,
                (Screening::Drop(_), Plan::DropAll) => self.counts.entirely_rejected += 1,
                (Screening::Drop(_), _) => self.counts.rejected += 1,
            }
        }
        screening
    }

    fn take_counts(&mut self) -> ScreenCounts {
        std::mem::take(&mut self.counts)
    }
}

/// What is read where only the lane has to be chosen.
const ENTITY: FieldSet = FieldSet {
    entity_urn: true,
    entity_type: false,
    aspect_name: false,
    change_type: false,
    event_name: false,
};

impl ProjectionScreen {
    fn scan(&mut self, route: &Route, value: &[u8], fields: FieldSet, ask_filters: bool) -> Screening {
        // The polling thread never asks the registry: a record whose schema is not compiled yet goes
        // to its lane unscreened, and the lane asks. So does one that is not what its topic carries,
        // and one whose scan fails: the lane finds out what is wrong with it.
        let Some((schema, body)) = self.schemas.find(value) else { return Screening::Hand(None) };
        if RecordKind::on(route).is_some_and(|expected| *schema.kind() != expected) {
            return Screening::Hand(None);
        }
        let Ok(scanned) = schema.projection().scan(body, fields) else { return Screening::Hand(None) };
        if !ask_filters {
            return Screening::Hand(entity_hash(&scanned));
        }
        if matches!(route, Route::PlatformEvent)
            && let Scanned::Text(name) = scanned.event_name
            && EventType::of_platform_event(name).is_none()
        {
            // As the lane counts them. Its names are remembered, so that this allocates once per name.
            self.metrics.unknown_platform_event(name);
            return Screening::Drop(DropReason::UnknownPlatformEvent);
        }
        if self.filters.decide_on_scan(route, &scanned) == ScanVerdict::Drop {
            return Screening::Drop(DropReason::Scan);
        }
        Screening::Hand(entity_hash(&scanned))
    }
}

fn entity_hash(scanned: &ScannedFields<'_>) -> Option<u64> {
    let Scanned::Text(urn) = scanned.entity_urn else { return None };
    let mut hasher = DefaultHasher::new();
    // As bytes, so that it equals the hash of a record's key that is the same URN.
    urn.as_bytes().hash(&mut hasher);
    Some(hasher.finish())
}
