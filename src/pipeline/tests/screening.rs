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
