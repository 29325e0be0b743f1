//! What filters make of records that are not what they should be.

use serde_json::json;

use super::rows::{a_change_log, an_aspect_that_is_not_json};
use super::stage::BadInputStage;
use super::{ALL_FINISHED, Expected};
use crate::harness::bare_feeder::{BareFeeder, BareRecord};
use crate::harness::broker::Broker;
use crate::harness::wait::wait_until;

/// A record that was cut, but whose whole fields already fail the filter, is dropped as any other.
pub(crate) fn check_a_cut_record_that_no_filter_wants(broker: &dyn Broker) {
    let stage = BadInputStage::new(broker, "cut-unwanted");
    let filter = json!({"event_type": "MetadataChangeLogEvent_v1", "event": {"entityType": "chart"}});
    let relay = stage.scene.run(&[&stage.reading(stage.scene.recipe()).top("filter", filter)]);
    let mut feeder = BareFeeder::new(broker);
    // The scan knows a schema only once a lane has asked for it.
    let fed = stage.feed(&mut feeder, Vec::new());
    stage.wait_until_committed(&fed);
    let whole = a_change_log();
    let place = feeder.feed(&stage.change_logs, &BareRecord::of(whole[..whole.len() - 1].to_vec()));
    feeder.flush();
    let committed = stage.scene.committed(&stage.topics());
    let all = i64::try_from(fed.len() + 1).expect("few records");
    wait_until("it to be committed", ALL_FINISHED, || committed.sum() == Some(all));
    relay.stop();
    assert!(stage.scene.dead_letters().read().is_empty(), "{place:?}");
    assert!(stage.scene.action_log().read().is_empty(), "nothing here is about a chart");
}

/// Predicates that look into an aspect do not match where there is no JSON.
pub(crate) fn check_predicates_on_an_aspect_that_is_not_json(broker: &dyn Broker) {
    let stage = BadInputStage::new(broker, "aspect-predicates");
    let event = json!({"aspect": {"value": {"removed": false}}});
    let filter = json!({"event_type": "MetadataChangeLogEvent_v1", "event": event});
    let mut feeder = BareFeeder::new(broker);
    let mut cases = an_aspect_that_is_not_json();
    cases.iter_mut().for_each(|case| case.expected = Expected::Acknowledged);
    let mut fed = stage.feed(&mut feeder, cases);
    let relay = stage.scene.run(&[&stage.reading(stage.scene.recipe()).top("filter", filter)]);
    stage.wait_until_committed(&fed);
    relay.stop();
    // The filter wants change logs only; the good ones hold what it looks for.
    fed.retain(|(place, _)| place.topic == stage.change_logs);
    stage.assert_ended_as_expected(&fed);
}
