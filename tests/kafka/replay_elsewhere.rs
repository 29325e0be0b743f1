//! The letters of a topic, replayed on several machines: here, recipes of one pipeline whose directories for
//! dead letters, and so their journals, are not the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{ActionLog, Answer, KafkaBroker, Recipe, Resource, WebhookServer, wait_until};
use crate::replay::{dead_letters, fail_all, lines, start_replay};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

fn offsets(mut log: ActionLog) -> Vec<i64> {
    log.read().iter().map(|line| line.place().offset).collect()
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn what_one_machine_has_replayed_of_a_topic_another_one_passes_over() {
    const EVENTS: usize = 250;
    let scene = scene("replay-elsewhere");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 2));
    scene.feeder().change_logs(&topic, 1, EVENTS);
    let reading = |recipe: Recipe| recipe.change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let (here, there) = (reading(scene.recipe()), reading(scene.recipe_of_second_member()));
    fail_all(&scene, &here, &topic, EVENTS as i64);

    let replay = start_replay(&scene, &here);
    wait_until("the replay to be under way", ALL_FINISHED, || offsets(scene.action_log()).len() >= 40);
    drop(replay);
    let first = offsets(scene.action_log());
    assert!(first.len() < EVENTS, "it was killed on the way");

    let pending = lines(&dead_letters(&scene, &there, &["list", "--json", "--pending"]));
    // The last one may have been acted on and not told any more.
    let told = EVENTS - pending.len();
    assert!(told == first.len() || told + 1 == first.len(), "{told} of {}", first.len());
    let said = dead_letters(&scene, &there, &["replay", "--dry-run"]);
    let would = format!(
        "{} would be acted on, 0 would be dropped, 0 would fail again, {told} were replayed before",
        pending.len()
    );
    assert!(said.stdout.contains(&would), "{would}: {}", said.stdout.lines().last().unwrap_or_default());

    // At once: the one that was killed is waited for.
    let said = dead_letters(&scene, &there, &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains(&format!("{told} replayed before, 0 refused")), "{said:?}");
    let second = offsets(scene.second_action_log());
    let distinct: BTreeSet<i64> = first.iter().chain(&second).copied().collect();
    assert_eq!(distinct.len(), EVENTS, "nothing is lost");
    assert!(first.len() + second.len() <= EVENTS + 1, "only what was in flight may come twice");

    for recipe in [&here, &there] {
        let said = dead_letters(&scene, recipe, &["replay"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let nothing_left =
            format!("0 acted on, 0 dropped, 0 failed again, {EVENTS} replayed before, 0 refused");
        assert!(said.stdout.contains(&nothing_left), "{said:?}");
        assert!(lines(&dead_letters(&scene, recipe, &["list", "--json", "--pending"])).is_empty());
    }
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn two_replays_at_once_are_refused_on_one_machine_and_on_two() {
    let scene = scene("replay-twice");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    scene.feeder().change_logs(&topic, 1, 3);
    let endpoint = WebhookServer::start(|_, _| Answer::Hang);
    let reading = |recipe: Recipe| recipe.change_logs(&topic).source("dead_letter_topic", letters.as_str());
    fail_all(&scene, &reading(scene.recipe()), &topic, 3);
    let here = reading(scene.recipe()).post_to(&endpoint.url()).action("timeout_seconds", 600);
    let there = reading(scene.recipe_of_second_member());

    let replay = start_replay(&scene, &here);
    wait_until("the first letter to be with the action", ALL_FINISHED, || endpoint.requests() > 0);
    for (recipe, why) in [(&here, "is locked"), (&there, "has other members: datahub-relay at 127.0.0.1")] {
        let said = dead_letters(&scene, recipe, &["replay"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains("another replay of these letters is under way"), "{said:?}");
        assert!(said.stderr.contains(why), "{said:?}");
    }
    assert_eq!(endpoint.requests(), 1, "nothing acted twice");
    assert!(offsets(scene.second_action_log()).is_empty());
    // To look is free.
    assert_eq!(lines(&dead_letters(&scene, &there, &["list", "--json", "--pending"])).len(), 3);

    drop(replay);
    let said = dead_letters(&scene, &there, &["replay"]);
    assert_eq!(said.code, Some(0), "the one that is gone holds nobody up for long: {said:?}");
    assert_eq!(offsets(scene.second_action_log()), [0, 1, 2]);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_replay_that_stood_still_while_another_one_went_on_begins_no_further_letter() {
    let scene = scene("replay-frozen");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    scene.feeder().change_logs(&topic, 1, 3);
    let go_on = Arc::<AtomicBool>::default();
    let open = Arc::clone(&go_on);
    let endpoint = WebhookServer::start(move |_, _| {
        while !open.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Answer::Confirm
    });
    let reading = |recipe: Recipe| recipe.change_logs(&topic).source("dead_letter_topic", letters.as_str());
    fail_all(&scene, &reading(scene.recipe()), &topic, 3);
    let here = reading(scene.recipe()).post_to(&endpoint.url()).action("timeout_seconds", 600);
    let there = reading(scene.recipe_of_second_member());

    let replay = start_replay(&scene, &here);
    wait_until("the first letter to be with the action", ALL_FINISHED, || endpoint.requests() > 0);
    replay.signal(Signal::STOP);
    let said = dead_letters(&scene, &there, &["replay"]);
    go_on.store(true, Ordering::Release);
    replay.signal(Signal::CONT);
    let interrupted = replay.end();
    assert_eq!(said.code, Some(0), "a process that stands still holds nobody up for long: {said:?}");
    assert_eq!(offsets(scene.second_action_log()), [0, 1, 2]);
    assert_eq!(interrupted.code, Some(1), "{interrupted:?}");
    let why = "the replay ended early: Kafka has not heard of this process for too long";
    assert!(interrupted.stderr.contains(why), "{interrupted:?}");
    assert_eq!(endpoint.requests(), 1, "the one in flight");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_user_with_few_permissions_replays_with_a_warning_and_gives_receipts_once_the_topic_takes_them() {
    let broker = KafkaBroker::shared();
    let scene = scene("replay-permissions");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    scene.feeder().change_logs(&topic, 1, 3);
    let reading = |recipe: Recipe| recipe.change_logs(&topic).source("dead_letter_topic", letters.as_str());
    fail_all(&scene, &reading(scene.recipe()), &topic, 3);
    let there = reading(scene.recipe_of_second_member());
    // No group, neither the pipeline's nor the one whose only member replays, and no writing.
    broker.allow("Read", &[Resource::Topic(&letters)]);
    let limited = broker.as_limited_user(reading(scene.recipe()));
    let said = dead_letters(&scene, &limited, &["replay"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    for expected in [
        format!(
            "start no other replay of these letters meanwhile: cannot join the group {}.replaying",
            scene.group()
        ),
        format!("its topic {letters} does not take the receipt by which others would know"),
    ] {
        assert!(said.stderr.contains(&expected), "{expected}: {said:?}");
    }
    assert_eq!(offsets(scene.action_log()), [0], "it goes no further than what it can tell");
    assert_eq!(lines(&dead_letters(&scene, &there, &["list", "--json", "--pending"])).len(), 3);

    broker.allow("Write", &[Resource::Topic(&letters)]);
    let said = dead_letters(&scene, &limited, &["replay"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("2 acted on") && said.stdout.contains("1 replayed before"), "{said:?}");
    assert_eq!(offsets(scene.action_log()), [0, 1, 2]);
    let pending = lines(&dead_letters(&scene, &there, &["list", "--json", "--pending"]));
    assert!(pending.is_empty(), "the first one has its receipt by now: {pending:?}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn what_a_replay_dropped_is_listed_as_dropped_on_another_machine_too() {
    let scene = scene("replay-dropped");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    scene.feeder().change_logs(&topic, 1, 3);
    let reading = |recipe: Recipe| recipe.change_logs(&topic).source("dead_letter_topic", letters.as_str());
    fail_all(&scene, &reading(scene.recipe()), &topic, 3);
    let here = reading(scene.recipe()).only_aspect("noSuchAspect");
    let there = reading(scene.recipe_of_second_member());

    let said = dead_letters(&scene, &here, &["replay", "--dry-run"]);
    let dropped = "0 would be acted on, 3 would be dropped, 0 would fail again";
    assert!(said.stdout.contains(dropped), "{said:?}");
    assert_eq!(lines(&dead_letters(&scene, &there, &["list", "--json", "--pending"])).len(), 3);
    let said = dead_letters(&scene, &here, &["replay"]);
    assert!(said.stdout.contains("0 acted on, 3 dropped, 0 failed again"), "{said:?}");
    for recipe in [&here, &there] {
        let listed = lines(&dead_letters(&scene, recipe, &["list", "--json"]));
        let dropped = listed.iter().filter(|letter| letter["state"] == "dropped").count();
        assert_eq!((listed.len(), dropped), (3, 3), "{listed:?}");
    }
}
