//! The commands that look, on the broker that comes with the program.

use datahub_relay::embedded::EmbeddedBroker;

use crate::harness::{END, Ended, Said, Scene, command};

fn tail(scene: &Scene<'_>, arguments: &[&str]) -> Said {
    let registry = scene.registry.url().to_string();
    let own = ["tail", "--bootstrap", scene.broker.bootstrap(), "--registry", &registry, "--until-end"];
    command(&[&own, arguments].concat(), &[])
}

#[test]
fn a_filter_that_is_a_slip_is_told_and_so_is_an_offset_beyond_the_end() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-tail-slips");
    // By its name it carries platform events.
    let topic = "PlatformEvent_v1";
    assert!(scene.broker.create_topic(topic, 1));
    scene.feeder().platform_events(topic, 1, 10);
    let all = ["--from", "earliest", "--topic", topic, "--filter"];

    let said = tail(&scene, &[&all[..], &["categry=TAG"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("warning: --filter categry: no event"), "{said:?}");
    assert!(said.stderr.contains("did you mean \"category\"?"), "{said:?}");
    let said = tail(&scene, &[&all[..], &["event_type=EntityChangeEvent"]].concat());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("did you mean \"EntityChangeEvent_v1\"?"), "{said:?}");
    let said = tail(&scene, &[&all[..], &["event_type=EntityChangeEvent_v1"]].concat());
    assert_eq!((said.code, said.stderr.contains("warning")), (Some(0), false), "{said:?}");

    let said = tail(&scene, &["--from", "500", "--topic", topic]);
    assert_eq!((said.code, &*said.stdout), (Some(0), ""), "{said:?}");
    let told = "--from 500 lies beyond the end, so only what comes from now on can be shown: PlatformEvent_v1[0] ends at 10";
    assert!(said.stderr.contains(told), "{said:?}");
    let said = tail(&scene, &["--from", "10", "--topic", topic]);
    assert!(!said.stderr.contains("beyond"), "where it ends is no slip: {said:?}");
}

#[test]
fn what_the_embedded_broker_cannot_do_is_said_of_it() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-no-members");
    let topic = scene.topic("versioned", 1);
    scene.feeder().change_logs(&topic, 1, 3);
    let file = scene.recipe().change_logs(&topic).write(scene.directory()).to_string_lossy().into_owned();
    let offsets = |arguments: &[&str]| command(&[&["offsets"], arguments, &["-c", &file]].concat(), &[]);

    let said = offsets(&["show"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("members: the embedded broker cannot list them"), "{said:?}");
    let said = offsets(&["show", "--json"]);
    let json = said.json();
    assert_eq!((&json[0]["members"], &json[0]["partitions"][0]["end"]), (&().into(), &3.into()), "{json}");
    let said = offsets(&["reset", "--to", "earliest", "--yes"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("the embedded broker cannot list the members of a group"), "{said:?}");
    let said = command(&["validate", "--connect", "-c", &file], &[]);
    assert!(said.stdout.contains("but the embedded broker cannot list the members"), "{said:?}");
}

#[test]
fn a_dead_letter_file_that_cannot_be_made_keeps_a_pipeline_from_starting_and_nothing_goes_on_by_itself() {
    let broker = EmbeddedBroker::start(&[]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-no-letters");
    let topic = scene.topic("versioned", 1);
    let recipe = scene.recipe().change_logs(&topic).option("failed_events_dir", "/dev/null/letters");
    let mut relay = scene.run(&[&recipe]);
    assert_eq!(relay.wait_for_end(END), Ended::Code(1), "{}", relay.log());
    let log = relay.log();
    assert!(log.contains("cannot start: cannot store a dead letter in /dev/null/letters/"), "{log}");
    assert!(!log.contains("by itself"), "{log}");
}

#[test]
fn tail_says_which_of_datahubs_topics_it_leaves_out() {
    let broker = EmbeddedBroker::start(&[("PlatformEvent_v1", 1)]).expect("a broker");
    let scene = Scene::on(&broker, "embedded-tail");
    scene.feeder().platform_events("PlatformEvent_v1", 1, 3);
    let registry = format!("{}/", scene.registry.url());
    let said = command(
        &[
            "tail",
            "--bootstrap",
            broker.bootstrap(),
            "--registry",
            &registry,
            "--from",
            "earliest",
            "--until-end",
        ],
        &[],
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 3, "{said:?}");
    for topic in ["MetadataChangeLog_Versioned_v1", "MetadataChangeLog_Timeseries_v1"] {
        assert!(said.stderr.contains(&format!("warning: the topic {topic} is left out: ")), "{said:?}");
    }
}
