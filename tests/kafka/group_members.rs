//! Two members of one consumer group. Members that join, leave and freeze are rows 4 and 6 of the fault
//! suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Answer, CommitHistory, Observer, Recipe, Tally, WebhookServer, Writer, wait_until};
use crate::scene;

const SHARED_OUT: Duration = Duration::from_secs(60);
const ALL_FINISHED: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 6;

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_takes_over_from_one_that_was_killed() {
    const MAX_UNCOMMITTED: usize = 50;
    let scene = scene("members-killed");
    let topic = scene.topic("versioned", PARTITIONS);
    let mut feeder = scene.feeder();
    let option = ("max_uncommitted", MAX_UNCOMMITTED);
    let first_recipe = scene.recipe().change_logs(&topic).option(option.0, option.1);
    let second_recipe = scene.recipe_of_second_member().change_logs(&topic).option(option.0, option.1);
    let (mut first_actions, mut second_actions) = (scene.action_log(), scene.second_action_log());
    let mut letters = scene.dead_letters();

    let observer = Observer::watch(&scene, &[(&topic, PARTITIONS)]);
    let first = scene.run(&[&first_recipe]);
    let second = scene.run(&[&second_recipe]);
    feeder.change_logs_during(&topic, PARTITIONS, || {
        wait_until("both members to work", SHARED_OUT, || {
            first_actions.read().len() > 200 && second_actions.read().len() > 200
        });
        second.kill();
    });

    let fed = feeder.fed();
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    wait_until("the first member to finish alone", ALL_FINISHED, || {
        committed.sum() == Some(fed.len() as i64)
    });
    first.stop();
    let tally = Tally::of(&mut first_actions, &mut letters).and(Tally::of(&mut second_actions, &mut letters));
    tally.assert_nothing_lost(&fed);
    let bound = PARTITIONS as usize * MAX_UNCOMMITTED;
    assert!(tally.repeated() <= bound, "{} came again, {bound} may", tally.repeated());
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_without_a_partition_is_ready_and_harms_nobody() {
    let scene = scene("members-idle");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    let observer = Observer::watch(&scene, &[(&topic, 1)]);
    let first = scene.run_until_ready(&[&scene.recipe().change_logs(&topic)]);
    let second = scene.run_until_ready(&[&scene.recipe_of_second_member().change_logs(&topic)]);
    feeder.change_logs(&topic, 1, 500);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(500));
    first.stop();
    second.stop();
    let mut letters = scene.dead_letters();
    let tally = Tally::of(&mut scene.action_log(), &mut letters)
        .and(Tally::of(&mut scene.second_action_log(), &mut letters));
    tally.assert_nothing_lost(&feeder.fed());
    tally.assert_nothing_repeated();
    observer.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_that_is_given_partitions_while_it_stops_leaves_the_group_all_the_same() {
    given_partitions_while_it_stops("members-stop", |recipe| recipe);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_that_the_broker_gives_partitions_while_it_stops_leaves_the_group_all_the_same() {
    given_partitions_while_it_stops("members-stop-kip-848", Recipe::assigned_by_the_brokers);
}

fn given_partitions_while_it_stops(test: &str, with_protocol: impl Fn(Recipe) -> Recipe) {
    let scene = scene(test);
    let topic = scene.topic("versioned", 2);
    let held = HeldActions::start();
    let of_topic = |recipe: Recipe| with_protocol(held.are_of(recipe.change_logs(&topic)));
    let first = scene.run_until_ready(&[&of_topic(scene.recipe())]);
    let second = scene.run_until_ready(&[&of_topic(scene.recipe_of_second_member())]);
    wait_until("each to have a partition", SHARED_OUT, || {
        [&first, &second].iter().all(|member| member.assigned() == Some(1))
    });
    // One record: only one of them has something to finish, whichever it is.
    scene.feeder().change_logs(&topic, 2, 1);
    wait_until("the action to be under way", SHARED_OUT, || held.server.requests() > 0);

    first.signal(Signal::TERM);
    second.signal(Signal::TERM);
    wait_until("the busy one to be given what the other one had", SHARED_OUT, || {
        [&first, &second].iter().any(|member| member.log().contains("assigned during a stop"))
    });
    held.release();
    first.has_stopped();
    second.has_stopped();
    assert_eq!(scene.committed(&[(&topic, 2)]).known_sum(), 1);
    assert_eq!(held.server.requests(), 1, "nothing comes again");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_that_is_stopped_while_it_gives_partitions_up_leaves_the_group() {
    stopped_while_it_gives_up("members-give-up", |recipe| recipe);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_member_that_is_stopped_while_the_broker_takes_partitions_leaves_the_group() {
    stopped_while_it_gives_up("members-give-up-kip-848", Recipe::assigned_by_the_brokers);
}

fn stopped_while_it_gives_up(test: &str, with_protocol: impl Fn(Recipe) -> Recipe) {
    let scene = scene(test);
    let topic = scene.topic("versioned", PARTITIONS);
    let held = HeldActions::start();
    let of_topic = |recipe: Recipe| with_protocol(held.are_of(recipe.change_logs(&topic)));
    let first = scene.run_until_ready(&[&of_topic(scene.recipe())]);
    let mut feeder = scene.feeder();
    for partition in 0..PARTITIONS {
        feeder.change_log(&topic, partition, Writer::OF_CHANGE_LOGS[0]);
    }
    feeder.flush();
    let all = PARTITIONS as usize;
    wait_until("an action of each partition to be under way", SHARED_OUT, || held.server.requests() == all);
    let second = scene.run(&[&of_topic(scene.recipe_of_second_member())]);
    wait_until("partitions to be asked back", SHARED_OUT, || first.log().contains("giving up partitions"));
    first.signal(Signal::TERM);
    held.release();
    first.has_stopped();
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    assert_eq!(committed.known_sum(), i64::from(PARTITIONS));
    second.stop();
    assert_eq!(held.server.requests(), all, "nothing comes again");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn what_hangs_through_a_rebalance_comes_again_at_the_other_member_and_its_end_changes_nothing() {
    const EACH: i64 = 3;
    let scene = scene("members-hang");
    let topic = scene.topic("versioned", 2);
    let released = Arc::<AtomicBool>::default();
    let may_end = Arc::clone(&released);
    // Each first attempt at a first event hangs; another one at the same event comes from another member.
    let server = WebhookServer::start(move |place, attempt| match (place.offset, attempt) {
        (0, 0) if !may_end.load(Ordering::Acquire) => Answer::NotYet,
        _ => Answer::Confirm,
    });
    let of_topic = |recipe: Recipe| {
        let recipe = recipe.change_logs(&topic).post_to(&server.url()).action("timeout_seconds", 60);
        recipe.option("drain_timeout_seconds", 1)
    };
    let history = CommitHistory::from_now(scene.broker);
    let first = scene.run_until_ready(&[&of_topic(scene.recipe())]);
    let mut feeder = scene.feeder();
    for partition in 0..2 {
        feeder.change_logs_to(&topic, partition, EACH as usize);
    }
    wait_until("an action of each partition to hang", SHARED_OUT, || server.requests() == 2);

    let second = scene.run(&[&of_topic(scene.recipe_of_second_member())]);
    let committed = scene.committed(&[(&topic, 2)]);
    wait_until("the other member to finish the partition that it got", SHARED_OUT, || {
        committed.sum() == Some(EACH)
    });
    let moved = committed.known();
    released.store(true, Ordering::Release);
    wait_until("the first member to finish the partition that it kept", SHARED_OUT, || {
        committed.sum() == Some(2 * EACH)
    });
    let log = first.stop_and_tell();
    second.stop();
    assert_eq!(server.requests() as i64, 2 * EACH + 1, "the event that hung came again, and nothing else");
    for (partition, commits) in history.of(scene.group()) {
        assert!(commits.is_sorted(), "{partition:?}: a late end took a commit back: {commits:?}");
        assert_eq!(commits.last(), Some(&EACH), "{partition:?}; moved: {moved:?}");
    }
    assert!(log.contains("actions did not finish within the drain time; their events come again"), "{log}");
}

/// A webhook that holds every action until it is let go on.
struct HeldActions {
    server: WebhookServer,
    released: Arc<AtomicBool>,
}

impl HeldActions {
    fn start() -> Self {
        let released = Arc::<AtomicBool>::default();
        let may_end = Arc::clone(&released);
        let server = WebhookServer::start(move |_, _| {
            if may_end.load(Ordering::Acquire) { Answer::Confirm } else { Answer::NotYet }
        });
        Self { server, released }
    }

    fn are_of(&self, recipe: Recipe) -> Recipe {
        recipe.post_to(&self.server.url()).action("timeout_seconds", 60)
    }

    fn release(&self) {
        self.released.store(true, Ordering::Release);
    }
}
