//! One recipe among several that cannot run, or need not.

use std::fs;
use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;
use rustix::process::Signal;

use crate::harness::{END, Ended, Relay, Scene, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// Runs a good recipe beside one that is not: it does its work, readiness names the other one with these words,
/// and the process ends with exit code 1. Gives the log.
fn check_a_good_recipe_beside(test: &str, broken: &str, words: &[&str]) -> String {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, test);
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 50);
    let recipes = scene.directory().join("recipes");
    fs::create_dir(&recipes).expect("a directory");
    scene.recipe().change_logs(&topic).write(&recipes);
    let off = "name: off\nenabled: ${NOBODY_SETS_THIS:-no}\nsource: {type: \"${NOR_THIS}\"}\n";
    for (name, text) in [("broken.yaml", broken), ("off.yml", off), ("broken_test.yml", "tests: []\n")] {
        fs::write(recipes.join(name), text).expect("a file");
    }

    let mut relay = Relay::run_files(scene.directory(), &[recipes], &[]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the good one to do its work", ALL_FINISHED, || committed.sum() == Some(50));
    assert_eq!(scene.action_log().read().len(), 50);
    let (status, text) = relay.get("/readyz").expect("the probes answer");
    assert_eq!(status, 503, "{text}");
    for word in words {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "it lives all the same");
    assert_eq!(relay.ended(), None);
    relay.signal(Signal::TERM);
    assert_eq!(relay.wait_for_end(END), Ended::Code(1), "{}", relay.log());
    relay.log()
}

#[test]
fn a_recipe_with_an_error_keeps_no_other_from_its_work_and_shows_in_readiness_and_in_the_exit_code() {
    let broken = "name: broken\nsource: {type: kafka}\nacton: {type: noop}\naction: {type: noop}\n";
    let words = ["broken.yaml", "acton", "did you mean"];
    let log = check_a_good_recipe_beside("embedded-broken-beside", broken, &words);
    assert!(log.contains("broken.yaml:3:1: acton: unknown key"), "{log}");
    let skipped = log.lines().find(|line| line.contains("the recipe is disabled"));
    assert!(skipped.is_some_and(|line| line.contains("off.yml")), "{log}");
}

#[test]
fn a_recipe_that_cannot_start_whole_does_not_start_at_all_and_shows_as_well() {
    let not_whole =
        "name: not-whole\nsource: {type: kafka}\naction: {type: file, config: {path: /dev/null/no}}\n";
    let words = ["not-whole", "/dev/null/no"];
    let log = check_a_good_recipe_beside("embedded-not-whole-beside", not_whole, &words);
    assert!(log.contains("cannot start: pipeline not-whole: the file action cannot open"), "{log}");
}

#[test]
fn a_recipe_that_is_off_takes_nothing_from_the_exit_code_of_the_others() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-off-beside");
    let topic = scene.topic("versioned", 1);
    let off = scene.second_recipe().change_logs(&topic).top("enabled", "off");
    let relay = scene.run_until_ready(&[&scene.recipe().change_logs(&topic), &off]);
    relay.stop();
}
