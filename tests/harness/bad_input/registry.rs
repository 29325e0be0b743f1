//! The rows about the schema registry.

use std::time::{Duration, Instant};

use datahub_relay::embedded::Behaviour;

use super::rows::a_change_log;
use super::stage::BadInputStage;
use super::{ALL_FINISHED, AROUND, Case, Expected};
use crate::harness::bare_feeder::BareFeeder;
use crate::harness::broker::Broker;
use crate::harness::wait::wait_until;
use crate::harness::writer::Writer;

/// For how long an unknown id is asked for.
const DEADLINE_OF_AN_ID: Duration = Duration::from_secs(30);

/// An id that the registry does not know is asked for until a deadline, once and not per record; then its
/// records are dead letters.
pub(crate) fn check_an_unknown_schema_id(broker: &dyn Broker) {
    const UNKNOWN_ID: u8 = 99;
    let mut unknown = a_change_log();
    unknown[4] = UNKNOWN_ID;
    let letter = Expected::DeadLetter("schema", "unknown_schema");
    let case = |what: &str| Case::change_log(what, unknown.as_slice(), letter);
    let stage = BadInputStage::new(broker, "unknown-id");
    let mut feeder = BareFeeder::new(broker);
    let fed = stage.feed(&mut feeder, vec![case("first"), case("second"), case("third")]);
    let relay = stage.scene.run(&[&stage.reading(stage.scene.recipe())]);
    let mut actions = stage.scene.action_log();
    // All platform events and what stands before the unknown id go on meanwhile.
    wait_until("what does not need the id to be done", ALL_FINISHED, || actions.read().len() == 3 * AROUND);
    let begun = Instant::now();
    assert_eq!(stage.scene.dead_letters().read().len(), 0, "a record may overtake the news of its schema");
    stage.wait_until_committed(&fed);
    assert!(begun.elapsed() < 2 * DEADLINE_OF_AN_ID, "once per id, not once per record");
    relay.stop();
    stage.assert_ended_as_expected(&fed);
}

/// A registry that answers 404 to every id is none: an outage that readiness explains, and no dead letters.
pub(crate) fn check_a_registry_that_knows_no_id(broker: &dyn Broker) {
    let stage = BadInputStage::new(broker, "no-registry");
    let mut feeder = BareFeeder::new(broker);
    let fed = stage.feed(&mut feeder, Vec::new());
    stage.scene.registry.behave(Behaviour::Fail(404));
    let mut relay = stage.scene.run(&[&stage.reading(stage.scene.recipe())]);
    wait_until("readiness to say what to check", ALL_FINISHED, || {
        let says = relay.get("/readyz");
        says.is_some_and(|(status, text)| {
            status == 503 && text.contains("check the path of the registry's URL")
        })
    });
    assert!(stage.scene.action_log().read().is_empty());
    assert_eq!(stage.scene.committed(&stage.topics()).known_sum(), 0);
    stage.scene.registry.behave(Behaviour::Answer);
    relay.wait_until_ready();
    stage.wait_until_committed(&fed);
    relay.stop();
    stage.assert_ended_as_expected(&fed);
}

/// A registry that answers 401, 403, 5xx, nonsense or nothing: the partition that needs it waits, readiness
/// says no, and all goes on by itself once it answers.
pub(crate) fn check_a_registry_that_is_out(broker: &dyn Broker) {
    let outages = [
        Behaviour::Fail(401),
        Behaviour::Fail(403),
        Behaviour::Fail(500),
        Behaviour::Fail(503),
        Behaviour::Garbage,
        Behaviour::Hang,
    ];
    let stage = BadInputStage::new(broker, "registry-out");
    let mut feeder = BareFeeder::new(broker);
    let mut fed = stage.feed(&mut feeder, Vec::new());
    let mut relay = stage.scene.run_until_ready(&[&stage.reading(stage.scene.recipe())]);
    stage.wait_until_committed(&fed);
    for (id, outage) in (100_u8..).zip(outages) {
        stage.scene.registry.put(u32::from(id), Writer::EarlyChangeLog.schema());
        stage.scene.registry.behave(outage);
        let mut needs_it = a_change_log();
        needs_it[4] = id;
        let case = Case::change_log(format!("{outage:?}"), needs_it, Expected::ActedOn);
        let before = fed.len();
        fed.extend(stage.feed(&mut feeder, vec![case]));
        wait_until("readiness to say no", ALL_FINISHED, || relay.ready() == Some(false));
        // The other topic needs nothing of it and goes on, and so does what stands before in this one.
        let committed = stage.scene.committed(&stage.topics());
        let others = i64::try_from(before + 3 * AROUND).expect("few records");
        wait_until("what does not need the registry to be done", ALL_FINISHED, || {
            committed.sum() == Some(others)
        });
        stage.scene.registry.behave(Behaviour::Answer);
        stage.wait_until_committed(&fed);
        wait_until("readiness to say yes again", ALL_FINISHED, || relay.ready() == Some(true));
        assert_eq!(relay.ended(), None, "{}", relay.log());
    }
    relay.stop();
    stage.assert_ended_as_expected(&fed);
    assert!(stage.scene.dead_letters().read().is_empty(), "an outage says nothing against a record");
}
