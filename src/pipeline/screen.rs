//! The polling thread's question, answered: the projection scan and what the filters make of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::avro::{RecordKind, ScanCache, SchemaRegistry};
use crate::event::{DropReason, FieldSet, Route, Scanned, ScannedFields};
use crate::filter::{Filters, ScanVerdict};
use crate::kafka::{Screen, ScreenCounts, Screening};

/// Screens records with the projection of their writers' schemas and a pipeline's filters.
pub(super) struct ProjectionScreen {
    schemas: ScanCache,
    filters: Arc<Filters>,
    change_logs: Plan,
    platform_events: Plan,
    counts: ScreenCounts,
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
    /// A screen. Without `scan` every record goes to its lane (for diagnosis); `by_key` also reads the
    /// entity's URN, which chooses the lane.
    pub(super) fn new(
        registry: Arc<SchemaRegistry>,
        filters: Arc<Filters>,
        scan: bool,
        by_key: bool,
    ) -> Self {
        let plan = |route| {
            if scan && filters.decide_unscanned(route) == ScanVerdict::Drop {
                return Plan::DropAll;
            }
            let needs_entity = by_key && route == Route::ChangeLog;
            let mut fields = if scan { filters.wanted(route) } else { FieldSet::default() };
            match (fields.is_empty(), needs_entity) {
                (true, false) => Plan::HandAll,
                (true, true) => Plan::ReadEntity,
                (false, _) => {
                    fields.entity_urn |= needs_entity;
                    Plan::Scan(fields)
                }
            }
        };
        let (change_logs, platform_events) = (plan(Route::ChangeLog), plan(Route::PlatformEvent));
        let counts = ScreenCounts::default();
        Self { schemas: ScanCache::new(registry), filters, change_logs, platform_events, counts }
    }
}

impl Screen for ProjectionScreen {
    fn screen(&mut self, route: Route, value: &[u8]) -> Screening {
        let plan = match route {
            Route::ChangeLog => self.change_logs,
            Route::PlatformEvent => self.platform_events,
        };
        let screening = match plan {
            Plan::DropAll => Screening::Drop(DropReason::Scan),
            Plan::HandAll => Screening::Hand(None),
            Plan::ReadEntity => self.scan(route, value, ENTITY, false),
            Plan::Scan(fields) => self.scan(route, value, fields, true),
        };
        if route == Route::ChangeLog {
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
    fn scan(&mut self, route: Route, value: &[u8], fields: FieldSet, ask_filters: bool) -> Screening {
        let kind = match route {
            Route::ChangeLog => RecordKind::ChangeLog,
            Route::PlatformEvent => RecordKind::PlatformEvent,
        };
        // The polling thread never asks the registry: a record whose schema is not compiled yet goes
        // to its lane unscreened, and the lane asks. So does one that is not what its topic carries,
        // and one whose scan fails: the lane finds out what is wrong with it.
        let Some((schema, body)) = self.schemas.find(value) else { return Screening::Hand(None) };
        if *schema.kind() != kind {
            return Screening::Hand(None);
        }
        let Ok(scanned) = schema.projection().scan(body, fields) else { return Screening::Hand(None) };
        if ask_filters && self.filters.decide_on_scan(route, &scanned) == ScanVerdict::Drop {
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
