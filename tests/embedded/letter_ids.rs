//! From a line of the log to the letter that it is about, by the letter's id or its end.

use std::time::Duration;

use datahub_relay::embedded::EmbeddedBroker;

use super::letter_commands::{letters_of, line};
use crate::harness::{Said, Scene, command, wait_until};

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// The ids of the letters that were shown, one for each round.
fn shown(said: &Said) -> Vec<&str> {
    assert_eq!(said.code, Some(0), "{said:?}");
    said.stdout.lines().filter_map(|line| line.strip_prefix("id  ")).map(str::trim).collect()
}

#[test]
fn the_log_has_the_id_by_which_a_stored_letter_is_shown() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letter-id-in-log");
    let topic = scene.topic("versioned", 1);
    let bad = scene.feeder().raw(&topic, 0, b"bad");
    let recipe = scene.recipe().change_logs(&topic);
    let relay = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("the letter to be stored", ALL_FINISHED, || committed.sum() == Some(1));
    let log = relay.stop_and_tell();
    let line = log.lines().find(|line| line.contains("dead letter stored")).unwrap_or_default();
    let id = line.split(' ').find_map(|word| word.strip_prefix("id=")).unwrap_or_default().trim_matches('"');
    assert_eq!(id, format!("{}/{topic}/0/{}", scene.group(), bad.offset), "{log}");
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    for asked in [id, &format!("{topic}/0/{}", bad.offset), &format!("0/{}", bad.offset)] {
        assert_eq!(shown(&command(&["dead-letters", "show", asked, "-c", &file], &[])), [id], "{asked}");
    }
}

#[test]
fn the_end_of_an_id_shows_its_letter_unless_others_end_so_too_and_these_are_named() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "letter-id-ends");
    let (group, failed) = (scene.group(), ("action", "permanent"));
    let lines = [
        line(group, failed, (2, 1)),
        line("another", failed, (2, 1)),
        line(group, failed, (12, 1)),
        line(group, failed, (2, 2)),
    ];
    let letters = letters_of(&scene, &lines.concat()).to_string_lossy().into_owned();
    let recipe = scene.recipe().platform_events("PlatformEvent_v1");
    let recipe = recipe.write(scene.directory()).to_string_lossy().into_owned();
    let show = |asked: &str, of: [&str; 2]| command(&["dead-letters", "show", asked, of[0], of[1]], &[]);
    let id = |pipeline: &str| format!("{pipeline}/PlatformEvent_v1/0/2");

    let own = show("PlatformEvent_v1/0/2", ["-c", &recipe]);
    assert_eq!(shown(&own), [id(group), id(group)], "both rounds, and nobody else's");
    let whole = show(&id("another"), ["-c", &recipe]);
    assert_eq!(shown(&whole), [id("another")], "a whole id is meant as it stands");

    let unclear = show("PlatformEvent_v1/0/2", ["--file", &letters]);
    assert_eq!((unclear.code, unclear.stdout.as_str()), (Some(1), ""));
    let says = format!(
        "2 dead letters have an id that ends with PlatformEvent_v1/0/2: {}, {}; name one of them",
        id(group),
        id("another")
    );
    assert!(unclear.stderr.contains(&says), "{unclear:?}");
    assert_eq!(shown(&show(&id(group), ["--file", &letters])), [id(group), id(group)]);
    let part = show("Event_v1/0/2", ["--file", &letters]);
    assert!(part.code == Some(1) && part.stderr.contains("there is no dead letter"), "{part:?}");
}
