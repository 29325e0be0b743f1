//! A clean stop: nothing is lost by it, and nothing comes again after it.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::ChildStdout;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{END, Ended, Observer, Place, Recipe, Relay, Scene, Surroundings, Tally, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(90);
const STOPS: usize = 3;
/// "At once", on a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(5);

/// SIGTERM is row 2 of the fault suite.
#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn after_sigint_the_next_run_goes_on_without_loss_or_repetition() {
    let scene = scene("sigint");
    let topic = scene.topic("versioned", 4);
    let mut feeder = scene.feeder();
    // Commits come once a second: so there is much that only the commit at the stop can keep from
    // being acted on again.
    let recipe = scene.recipe().change_logs(&topic).option("commit", "1s");
    let observer = Observer::watch(&scene, &[(&topic, 4)]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());

    for _ in 0..STOPS {
        let before = actions.read().len();
        let relay = scene.run(&[&recipe]);
        feeder.change_logs_during(&topic, 4, || {
            wait_until("the work to be in full swing", ALL_FINISHED, || actions.read().len() >= before + 500);
            relay.signal(Signal::INT);
            relay.has_stopped();
        });
    }

    feeder.change_logs(&topic, 4, 500);
    let relay = scene.run(&[&recipe]);
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, ALL_FINISHED);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    assert_eq!(scene.committed(&[(&topic, 4)]).known_sum(), fed.len() as i64);
    observer.finish();
}

/// Runs a recipe whose action hangs: it prints to a pipe that nobody reads.
fn run_until_the_action_hangs(
    scene: &Scene<'_>,
    drain_timeout_seconds: u32,
) -> (Relay, ChildStdout, Recipe, BTreeSet<Place>) {
    const PIPE_BYTES: u64 = 65_536;
    let topic = scene.topic("versioned", 4);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 4, 2_000);
    let recipe =
        scene.recipe().change_logs(&topic).print().option("drain_timeout_seconds", drain_timeout_seconds);
    let mut relay = scene.run_in(Surroundings::PipedOutput, &recipe);
    let stdout = relay.take_stdout();
    // What is left may be less than one event, and then it is not written in part.
    wait_until("the pipe to be full", ALL_FINISHED, || {
        rustix::io::ioctl_fionread(&stdout).is_ok_and(|waiting| waiting > PIPE_BYTES - 4_096)
    });
    (relay, stdout, recipe, feeder.fed())
}

/// Which events stand in what was printed, as far as they are whole.
fn printed(text: &str) -> Vec<Place> {
    let events = text.split("Hello world! Received event:").skip(1);
    let whole = events.filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok());
    whole.map(|event| serde_json::from_value(event["meta"]["kafka"].clone()).expect("its place")).collect()
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_second_signal_ends_at_once_while_an_action_hangs() {
    let scene = scene("second-signal");
    let (mut relay, _stdout, ..) = run_until_the_action_hangs(&scene, 600);
    let log_before = relay.log().len();
    relay.signal(Signal::TERM);
    wait_until("the first signal to be noticed", AT_ONCE, || relay.log().len() > log_before);
    assert_eq!(relay.ended(), None, "the first signal waits for the action");
    relay.signal(Signal::INT);
    assert_eq!(relay.wait_for_end(AT_ONCE), Ended::Code(128 + 2), "{}", relay.log());
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_drain_ends_at_its_deadline_and_what_hung_comes_again() {
    let scene = scene("drain-deadline");
    let (mut relay, mut stdout, recipe, fed) = run_until_the_action_hangs(&scene, 1);
    relay.signal(Signal::TERM);
    assert_eq!(relay.wait_for_end(END), Ended::Code(0), "{}", relay.log());
    let log = relay.log();
    assert!(log.contains("actions did not finish within the drain time; their events come again"), "{log}");
    let mut text = String::new();
    stdout.read_to_string(&mut text).expect("what was printed is text");
    let before = printed(&text);
    let topic = format!("{}-versioned", scene.group());
    let committed = scene.committed(&[(&topic, 4)]);
    let committed_before = committed.known();
    let is_committed = |place: &Place| {
        committed_before.get(&(topic.clone(), place.partition)).is_some_and(|below| place.offset < *below)
    };
    assert!(fed.iter().filter(|place| is_committed(place)).all(|place| before.contains(place)));

    let mut relay = scene.run_in(Surroundings::PipedOutput, &recipe);
    let mut stdout = relay.take_stdout();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(fed.len() as i64));
    relay.stop();
    let text = reader.join().expect("it does not panic").expect("what was printed is text");
    let after = printed(&text);
    let uncommitted: BTreeSet<Place> = fed.iter().filter(|place| !is_committed(place)).cloned().collect();
    let hung = fed.iter().filter(|place| !before.contains(place)).count();
    assert!(hung > 0 && hung <= uncommitted.len());
    assert_eq!(after.len(), uncommitted.len(), "each that was not committed comes, and comes once");
    assert_eq!(after.into_iter().collect::<BTreeSet<_>>(), uncommitted, "what hung among them");
}
