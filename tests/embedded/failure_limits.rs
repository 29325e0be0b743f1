//! A pipeline that dead-letters too much stops, and shows it: one test for each limit.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rustix::process::Signal;

use crate::harness::{END, Ended, Place, Scene, Writer, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// Feeds records by `is_bad`, and expects the pipeline with this limit to end at the bad record of this
/// number: stored, not committed, told in readiness beside another pipeline that goes on, and exit code 1.
fn stops_at(
    test: &str,
    limit: (&str, serde_json::Value),
    is_bad: fn(usize) -> bool,
    (nth, says): (usize, &str),
) {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, test);
    let (topic, good) = (scene.topic("versioned", 1), scene.topic("good", 1));
    let mut feeder = scene.feeder();
    let mut bad: Vec<Place> = Vec::new();
    for number in 0..3 * nth + 10 {
        if is_bad(number) {
            bad.push(feeder.raw(&topic, 0, b"bad"));
        } else {
            feeder.change_log(&topic, 0, Writer::EarlyChangeLog);
        }
    }
    feeder.flush();
    let limited = scene.recipe().change_logs(&topic).option(limit.0, limit.1);
    let other = scene.second_recipe().change_logs(&good);
    let mut relay = scene.run(&[&limited, &other]);

    wait_until("readiness to say why it stopped", ALL_FINISHED, || {
        relay.get("/readyz").is_some_and(|(status, body)| {
            status == 503 && body.contains(r#""state":"failed""#) && body.contains(says)
        })
    });
    feeder.change_logs(&good, 1, 20);
    let mut acted = scene.second_action_log();
    wait_until("the other pipeline to go on", ALL_FINISHED, || acted.read().len() == 20);
    assert_eq!(relay.ended(), None, "{}", relay.log());
    let stored: Vec<Place> =
        scene.dead_letters().read().iter().map(|letter| letter.record.place.clone()).collect();
    assert_eq!(stored, bad[..nth], "the last one is recorded");
    let committed = scene.committed(&[(&topic, 1)]);
    assert_eq!(committed.known_sum(), bad[nth - 1].offset, "and held");

    let Place { partition, offset, .. } = &bad[nth - 1];
    let letter = format!("its dead letter {}/{topic}/{partition}/{offset} is in ", scene.group());
    let (_, readiness) = relay.get("/readyz").expect("an answer");
    assert!(readiness.contains(&letter) && readiness.contains("failed_events.log: look with"), "{readiness}");

    relay.signal(Signal::TERM);
    assert_eq!(relay.wait_for_end(END), Ended::Code(1), "{}", relay.log());
    assert!(relay.log().contains(says) && relay.log().contains("begins with byte 98"), "{}", relay.log());
    assert_eq!(committed.known_sum(), bad[nth - 1].offset, "still held");

    // Without the limit the same group goes on where it was held, and ends well.
    let relay = scene.run(&[&scene.recipe().change_logs(&topic)]);
    let all = i64::try_from(3 * nth + 10).expect("a small number");
    wait_until("the rest to be committed", ALL_FINISHED, || committed.sum() == Some(all));
    relay.stop();
}

#[test]
fn more_failures_in_a_row_than_allowed_stop_the_pipeline() {
    let says = "4 events in a row failed, and max_consecutive_failures is 3";
    // Three in a row are borne, and begin anew behind a success.
    let is_bad = |number| !(3..5).contains(&number);
    stops_at("limit-in-a-row", ("max_consecutive_failures", 3.into()), is_bad, (7, says));
}

#[test]
fn a_larger_share_of_failures_than_allowed_stops_the_pipeline() {
    let says = "21 of the last 1000 events failed, and max_failure_ratio is 0.02";
    stops_at("limit-share", ("max_failure_ratio", 0.02.into()), |number| number % 2 == 1, (21, says));
}
