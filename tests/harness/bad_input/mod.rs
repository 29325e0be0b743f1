//! Records that are not what they should be, or only look so: one table of rows that both brokers run.

mod filters;
mod registry;
mod rows;
mod stage;

use std::collections::BTreeSet;
use std::time::Duration;

use super::action_log::Place;
use super::bare_feeder::{BareFeeder, BareRecord};
use super::broker::Broker;
pub(crate) use filters::{
    check_a_cut_record_that_no_filter_wants, check_predicates_on_an_aspect_that_is_not_json,
};
pub(crate) use registry::{
    check_a_registry_that_is_out, check_a_registry_that_knows_no_id, check_an_unknown_schema_id,
};
pub(crate) use rows::{
    a_body_cut_at_any_byte, a_body_that_is_no_avro, a_payload_that_cannot_be_used,
    a_platform_event_of_an_unknown_name, a_platform_event_without_a_version, a_record_of_another_type,
    a_record_of_more_than_a_mebibyte, a_tombstone, an_aspect_that_is_not_json, bytes_after_the_end,
    no_wire_header, strange_headers_and_no_key, what_a_newer_writer_knows,
};
use stage::BadInputStage;

/// From the first record to the last commit, an unknown id's deadline included.
const ALL_FINISHED: Duration = Duration::from_secs(90);
/// Good records before and behind the bad ones, on each topic.
const AROUND: usize = 5;
/// More than any of these records may make the process need: a length that a record claims must not be
/// reserved.
const MOST_MEMORY_BYTES: u64 = 512 << 20;

/// Which topic a record is fed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    ChangeLogs,
    PlatformEvents,
}

/// What has to become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It is stored at this stage, under this class.
    DeadLetter(&'static str, &'static str),
    /// There is nothing to do: neither acted on nor stored.
    Acknowledged,
    /// The action gets it.
    ActedOn,
}

/// One record of a row.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    what: String,
    topic: Topic,
    record: BareRecord,
    expected: Expected,
}

impl Case {
    fn new(what: impl Into<String>, topic: Topic, value: Option<Vec<u8>>, expected: Expected) -> Self {
        let record = BareRecord { value, ..BareRecord::of(Vec::new()) };
        Self { what: what.into(), topic, record, expected }
    }

    fn change_log(what: impl Into<String>, value: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self::new(what, Topic::ChangeLogs, Some(value.into()), expected)
    }

    fn platform_event(what: impl Into<String>, value: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self::new(what, Topic::PlatformEvents, Some(value.into()), expected)
    }
}

/// Runs a row: everything in it ends as expected, everything around it is acted on, and all is committed.
/// Where something in it is a dead letter, a pipeline with `failure_mode: THROW` then stops at the first of
/// them, with exit code 1 and its offset uncommitted.
pub(crate) fn check(broker: &dyn Broker, row: &str, cases: Vec<Case>) {
    let stage = BadInputStage::new(broker, row);
    let relay = stage.scene.run(&[&stage.reading(stage.scene.recipe())]);
    let mut feeder = BareFeeder::new(broker);
    let mut fed = stage.feed(&mut feeder, cases);
    stage.wait_until_committed(&fed);
    let resident = relay.resident_bytes();
    assert!(resident.is_none_or(|bytes| bytes < MOST_MEMORY_BYTES), "{row}: {resident:?} bytes of memory");
    stage.wait_until_counted(&relay, &fed);
    relay.stop();
    stage.assert_ended_as_expected(&fed);

    fed.retain(|(_, case)| {
        case.as_ref().is_some_and(|case| matches!(case.expected, Expected::DeadLetter(..)))
    });
    let bad: BTreeSet<Place> = fed.into_iter().map(|(place, _)| place).collect();
    if !bad.is_empty() {
        stage.assert_throw_stops_at_one_of(&bad);
    }
}
