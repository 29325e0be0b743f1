//! What the brokers do not allow.

use std::path::Path;
use std::time::Duration;

use crate::harness::{
    KafkaBroker, LetterTopic, Letters as _, PASSWORD, Recipe, Relay, Resource, Scene, Tally, Writer, command,
    wait_until,
};
use crate::scene;

const SEEN: Duration = Duration::from_secs(90);

/// Exit code and lines of `validate --connect`, without the recipe's name.
fn connect(recipe: &Recipe, directory: &Path) -> (Option<i32>, Vec<String>) {
    let file = recipe.write(directory).to_string_lossy().into_owned();
    let said = command(&["validate", "--connect", "--connect-timeout", "5", "-c", &file], &[]);
    assert!(!said.stdout.contains(PASSWORD) && !said.stderr.contains(PASSWORD), "{said:?}");
    let name = format!("{}: ", recipe.name());
    (said.code, said.stdout.lines().map(|line| line.replacen(&name, "", 1)).collect())
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn validate_names_each_permission_that_is_missing_and_what_to_grant() {
    let broker = KafkaBroker::shared();
    let scene = scene("permissions-validate");
    let (topic, empty) = (scene.topic("versioned", 2), scene.topic("platform", 1));
    scene.feeder().change_logs(&topic, 2, 10);
    let recipe = broker.as_limited_user(scene.recipe().change_logs(&topic).platform_events(&empty));
    let group = scene.group();
    let resources = [Resource::Topic(&topic), Resource::Topic(&empty), Resource::Group(group)];
    let join = format!("allow this client's user READ on the group {group}, which includes DESCRIBE");
    let read =
        |topic: &str| format!("allow this client's user READ on the topic {topic}, which includes DESCRIBE");

    let (code, lines) = connect(&recipe, scene.directory());
    assert_eq!(code, Some(1));
    for topic in [&topic, &empty] {
        assert_said(
            &lines,
            &format!("FAILED: topics: {topic} may not be described: TopicAuthorizationFailed"),
            &read(topic),
        );
    }
    assert_said(&lines, &format!("FAILED: group: {group} may not be "), &join);

    broker.allow("Describe", &resources[..2]);
    let (code, lines) = connect(&recipe, scene.directory());
    assert_eq!(code, Some(1));
    assert_said(&lines, &format!("FAILED: group: {group} may not be "), &join);
    for topic in [&topic, &empty] {
        assert_said(&lines, &format!("ok: topics: {topic} has "), "");
        assert_said(
            &lines,
            &format!("FAILED: reading: {topic} may be described but not read: TopicAuthorizationFailed"),
            &read(topic),
        );
    }

    broker.allow("Describe", &resources[2..]);
    broker.allow("Read", &resources[..1]);
    let (code, lines) = connect(&recipe, scene.directory());
    assert_eq!(code, Some(1));
    assert_said(&lines, &format!("ok: group: {group} has committed nothing yet"), "");
    assert_said(&lines, &format!("FAILED: group: {group} may not be "), &join);
    assert_said(&lines, &format!("ok: reading: {topic} can be read"), "");
    assert_said(&lines, &format!("FAILED: reading: {empty} may be described but not read"), &read(&empty));

    broker.allow("Read", &resources[1..]);
    let (code, lines) = connect(&recipe, scene.directory());
    assert_eq!(code, Some(0), "{lines:?}");
    assert_said(&lines, &format!("ok: group: {group} may be joined"), "");
    assert_said(&lines, &format!("ok: reading: {empty} can be read, and holds no record"), "");
    let offsets = scene.committed(&[(&topic, 2)]).read();
    assert_eq!(offsets.map(|offsets| offsets.len()), Some(0), "looking commits nothing");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_that_may_not_be_described_is_no_lag_of_zero() {
    let broker = KafkaBroker::shared();
    let scene = scene("permissions-offsets");
    let (seen, refused) = (scene.topic("versioned", 1), scene.topic("platform", 1));
    broker.allow("Describe", &[Resource::Topic(&seen), Resource::Group(scene.group())]);
    let recipe = broker.as_limited_user(scene.recipe().change_logs(&seen).platform_events(&refused));
    let file = recipe.write(scene.directory()).to_string_lossy().into_owned();
    let said = command(&["offsets", "show", "-c", &file], &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told = format!("the topic {refused} cannot be looked at: TopicAuthorizationFailed");
    assert!(said.stderr.contains(&told) && !said.stderr.contains(&seen), "{said:?}");
    assert!(said.stdout.contains(&seen), "the other one is shown: {said:?}");
}

fn assert_said(lines: &[String], beginning: &str, remedy: &str) {
    let said = lines.iter().any(|line| line.starts_with(beginning) && line.ends_with(remedy));
    assert!(said, "{beginning}… {remedy} in {lines:#?}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_whose_group_may_not_be_joined_says_so_and_begins_once_it_may() {
    let broker = KafkaBroker::shared();
    let scene = scene("permissions-group");
    let topic = scene.topic("versioned", 2);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 2, 50);
    broker.allow("Read", &[Resource::Topic(&topic)]);
    let mut relay = scene.run(&[&broker.as_limited_user(scene.recipe().change_logs(&topic))]);
    wait_until("readiness to say what to grant", SEEN, || {
        relay.get("/readyz").is_some_and(|(status, body)| {
            status == 503 && body.contains("Group authorization failed") && body.contains("READ on the group")
        })
    });
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "a restart would not help");

    broker.allow("Read", &[Resource::Group(scene.group())]);
    relay.wait_until_ready();
    let fed = feeder.fed();
    let tally = Tally::when_finished(&fed, &mut scene.action_log(), &mut scene.dead_letters(), SEEN);
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    relay.stop();
}

/// Waits until readiness says that this user may not write to the topic of the dead letters.
fn wait_until_it_asks_for_write(relay: &Relay, letters: &str) {
    let says = format!("allow this client's user WRITE on the topic {letters}");
    wait_until("readiness to say what to grant", SEEN, || relay.says_no(&[r#""dead_letters":""#, &says]));
}

/// The letters of `letters` are those of the records at these places of partition 0, each once, and nothing is in
/// the file.
fn assert_stored_once(scene: &Scene<'_>, letters: &str, offsets: &[i64]) {
    let stored = LetterTopic::new(scene.broker, letters).take_new().expect("the topic can be read");
    let stored: Vec<_> = stored.iter().map(|place| (place.partition, place.offset)).collect();
    assert_eq!(stored, offsets.iter().map(|offset| (0, *offset)).collect::<Vec<_>>());
    assert!(scene.dead_letters().read().is_empty(), "the topic takes it, once it may be written to");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_dead_letter_topic_that_may_not_be_written_to_any_more_holds_the_commit_until_it_may() {
    let broker = KafkaBroker::shared();
    let scene = scene("permissions-letters");
    let (topic, letters) = (scene.topic("versioned", 2), scene.topic("letters", 1));
    broker.allow("Read", &[Resource::Topic(&topic), Resource::Group(scene.group())]);
    broker.allow("Write", &[Resource::Topic(&letters)]);
    let mut feeder = scene.feeder();
    let first = feeder.raw(&topic, 0, b"bad");
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let mut relay = scene.run_until_ready(&[&broker.as_limited_user(recipe)]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the first letter to be stored and committed", SEEN, || committed.sum() == Some(1));

    broker.forbid("Write", &[Resource::Topic(&letters)]);
    let bad = feeder.raw(&topic, 0, b"bad");
    for partition in [0, 1] {
        for _ in 0..20 {
            feeder.change_log(&topic, partition, Writer::EarlyChangeLog);
        }
    }
    feeder.flush();
    wait_until_it_asks_for_write(&relay, &letters);
    let held = [((topic.clone(), 0), bad.offset), ((topic.clone(), 1), 20)];
    wait_until("the other partition to be done and this one to be held", SEEN, || {
        committed.read() == Some(held.clone().into())
    });
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "a restart would not help");
    assert_eq!(relay.ended(), None);

    broker.allow("Write", &[Resource::Topic(&letters)]);
    wait_until("the rest to be committed", SEEN, || committed.sum() == Some(42));
    wait_until("readiness to say yes again", SEEN, || relay.ready() == Some(true));
    relay.stop();
    assert_stored_once(&scene, &letters, &[first.offset, bad.offset]);
    let tally = Tally::of(&mut scene.action_log(), &mut scene.dead_letters());
    assert_eq!(tally.finished(), 40);
    tally.assert_nothing_repeated();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_dead_letter_topic_that_may_never_have_been_written_to_says_so_with_the_first_letter() {
    let broker = KafkaBroker::shared();
    let scene = scene("permissions-first-letter");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    broker.allow("Read", &[Resource::Topic(&topic), Resource::Group(scene.group())]);
    broker.allow("Describe", &[Resource::Topic(&letters)]);
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let mut relay = scene.run_until_ready(&[&broker.as_limited_user(recipe)]);
    let bad = scene.feeder().raw(&topic, 0, b"bad");
    wait_until_it_asks_for_write(&relay, &letters);
    let committed = scene.committed(&[(&topic, 1)]);
    assert_eq!(committed.known_sum(), 0, "the start, and nothing behind it");
    assert_eq!(relay.ended(), None);

    broker.allow("Write", &[Resource::Topic(&letters)]);
    wait_until("the letter to be stored and committed", SEEN, || committed.sum() == Some(1));
    wait_until("readiness to say yes again", SEEN, || relay.ready() == Some(true));
    relay.stop();
    assert_stored_once(&scene, &letters, &[bad.offset]);
}
