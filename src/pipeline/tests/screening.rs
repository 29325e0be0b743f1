//! What is decided on a record's bytes before any lane sees it.

use std::sync::Arc;

use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{PATIENCE, registry, settings};
use crate::avro::{SchemaId, SchemaRegistry, encode_json, platform_event_json, schemas};
use crate::event::{DropReason, Route};
use crate::filter::Filters;
use crate::kafka::{Screen as _, Screening};
use crate::pipeline::screen::{ProjectionScreen, ScreenParts};
use crate::telemetry::{HealthBoard, Metrics};

fn screen(registry: &Arc<SchemaRegistry>, route: &Route, filters: Filters) -> (ProjectionScreen, Metrics) {
    let metrics = Metrics::new();
    let parts = ScreenParts {
        registry: Arc::clone(registry),
        filters: Arc::new(filters),
        metrics: metrics.pipeline("p"),
        scan: true,
        by_key: false,
    };
    (ProjectionScreen::new(parts, [route]), metrics)
}

/// Change logs of this aspect and entity, by the schema that [`registry`] knows as id 1.
fn change_log(aspect: &str, urn: Option<&str>) -> Vec<u8> {
    let event =
        json!({"entityType": "dataset", "entityUrn": urn, "changeType": "UPSERT", "aspectName": aspect});
    encode_json(SchemaId(1), schemas::metadata_change_log(), &event).unwrap()
}

/// Filters for one aspect of change logs, in the newer style.
fn only_aspect(aspect: &str) -> Filters {
    let spec = json!([{"filter": {"MetadataChangeLogEvent_v1": {"event": [{"aspectName": aspect}]}}}]);
    Filters::compile(&serde_json::from_value(spec).unwrap(), None)
}

/// A screen whose schemas are known already.
async fn screen_that_knows(filters: Filters, (scan, by_key): (bool, bool)) -> ProjectionScreen {
    let (_server, registry) = registry().await;
    registry.schema(SchemaId(1)).await.unwrap();
    let metrics = Metrics::new().pipeline("p");
    let parts = ScreenParts { registry, filters: Arc::new(filters), metrics, scan, by_key };
    ProjectionScreen::new(parts, [&Route::ChangeLog, &Route::PlatformEvent])
}

#[tokio::test]
async fn a_scan_that_is_switched_off_drops_nothing_before_it_is_decoded() {
    for (scan, expected) in [(true, Screening::Drop(DropReason::Scan)), (false, Screening::Hand(None))] {
        let mut screen = screen_that_knows(only_aspect("status"), (scan, false)).await;
        assert_eq!(screen.screen(&Route::ChangeLog, &change_log("ownership", None)), expected, "{scan}");
        let platform_events = screen.screen(&Route::PlatformEvent, b"anything");
        assert_eq!(platform_events, expected, "no filter wants any: {scan}");
    }
}

#[tokio::test]
async fn change_logs_are_counted_as_the_framework_counts_them() {
    let mut screen = screen_that_knows(only_aspect("status"), (true, false)).await;
    for aspect in ["status", "ownership", "ownership"] {
        screen.screen(&Route::ChangeLog, &change_log(aspect, None));
    }
    screen.screen(&Route::PlatformEvent, b"anything");
    let counts = screen.take_counts();
    assert_eq!((counts.passed, counts.rejected, counts.entirely_rejected), (1, 2, 0));
    let spec = json!([{"filter": {"EntityChangeEvent_v1": null}}]);
    let no_change_logs = Filters::compile(&serde_json::from_value(spec).unwrap(), None);
    let mut screen = screen_that_knows(no_change_logs, (true, false)).await;
    screen.screen(&Route::ChangeLog, &change_log("status", None));
    let counts = screen.take_counts();
    assert_eq!((counts.passed, counts.rejected, counts.entirely_rejected), (0, 0, 1));
    assert_eq!(screen.take_counts().entirely_rejected, 0, "told once");
}

#[tokio::test]
async fn the_lane_of_a_change_log_is_chosen_by_its_entity_and_not_by_its_record_key() {
    for filters in [Filters::default(), only_aspect("status")] {
        let mut screen = screen_that_knows(filters, (true, true)).await;
        let mut hash = |urn| match screen.screen(&Route::ChangeLog, &change_log("status", urn)) {
            Screening::Hand(hash) => hash,
            dropped => panic!("{dropped:?}"),
        };
        let a = hash(Some("urn:li:dataset:a"));
        assert!(a.is_some());
        assert_eq!(hash(Some("urn:li:dataset:a")), a);
        assert_ne!(hash(Some("urn:li:dataset:b")), a);
        assert_eq!(hash(None), None, "then the record's key decides");
    }
}

#[tokio::test]
async fn a_platform_event_of_an_unknown_name_is_counted_and_dropped_on_the_scan_unless_all_are_wanted() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({"schema": schemas::PLATFORM_EVENT_JSON}));
    Mock::given(path("/schemas/ids/4")).respond_with(answer).mount(&server).await;
    let registry = Arc::new(SchemaRegistry::new(&settings(&server)).unwrap());
    let value = |name| {
        let record = platform_event_json(name, 1, &json!({}));
        encode_json(SchemaId(4), schemas::platform_event(), &record).unwrap()
    };
    let (mut known, metrics) = screen(&registry, &Route::PlatformEvent, Filters::default());
    let unscanned = known.screen(&Route::PlatformEvent, &value("strange"));
    assert_eq!(unscanned, Screening::Hand(None), "the schema is not known yet");
    registry.schema(SchemaId(4)).await.unwrap();
    let dropped = known.screen(&Route::PlatformEvent, &value("strange"));
    assert_eq!(dropped, Screening::Drop(DropReason::UnknownPlatformEvent));
    let handed = known.screen(&Route::PlatformEvent, &value("entityChangeEvent"));
    assert_eq!(handed, Screening::Hand(None));
    let text = metrics.text(&HealthBoard::new(PATIENCE)).unwrap();
    assert!(text.contains(r#"unknown_platform_events_total{name="strange",pipeline="p"} 1"#), "{text}");

    let (mut all, _) = screen(&registry, &Route::EveryPlatformEvent, Filters::default());
    assert_eq!(all.screen(&Route::EveryPlatformEvent, &value("strange")), Screening::Hand(None));
}

#[tokio::test]
async fn a_topic_that_no_filter_wants_anything_of_is_dropped_whatever_it_holds() {
    let (_server, registry) = registry().await;
    let spec = json!([{"filter": {"Wanted": null}}]);
    let filters = Filters::compile(&serde_json::from_value(spec).unwrap(), None);
    for (route, expected) in [
        (Route::Avro("Wanted".into()), Screening::Hand(None)),
        (Route::Avro("Other".into()), Screening::Drop(DropReason::Scan)),
        (Route::FailedProposal, Screening::Drop(DropReason::Scan)),
        (Route::Proposal, Screening::Drop(DropReason::Scan)),
    ] {
        let (mut screen, _) = screen(&registry, &route, filters.clone());
        assert_eq!(screen.screen(&route, b"anything"), expected, "{route:?}");
    }
}
