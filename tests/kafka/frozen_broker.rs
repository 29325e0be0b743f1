//! A broker that answers nothing for a while: its connections stay, and every commit hangs.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{
    ActionLog, Ended, Feeder, KafkaBroker, Observer, Recipe, Relay, Scene, Tally, wait_until,
};

const SEEN: Duration = Duration::from_secs(60);
const ALL_FINISHED: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 2;
const RECORDS: usize = 5_000;
const MAX_UNCOMMITTED: usize = 200;
/// What a drain gets.
const DRAIN: Duration = Duration::from_secs(3);
/// Behind the drain each of these gets five seconds at most: the group, the committer, the end of the consumer, the
/// action. The rest is for a machine that has other things to do.
const FAREWELLS: Duration = Duration::from_secs(4 * 5 + 5);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(6);

/// A pipeline in full swing, whose broker then freezes.
struct Frozen<'a> {
    scene: &'a Scene<'a>,
    topic: String,
    feeder: Feeder,
    recipe: Recipe,
    actions: ActionLog,
    observer: Observer,
    relay: Relay,
}

impl<'a> Frozen<'a> {
    /// Runs a pipeline until it has done something.
    fn run(scene: &'a Scene<'a>, with_options: impl FnOnce(Recipe) -> Recipe) -> Self {
        let topic = scene.topic("versioned", PARTITIONS);
        let mut feeder = scene.feeder();
        feeder.change_logs(&topic, PARTITIONS, RECORDS);
        let recipe =
            with_options(scene.recipe().change_logs(&topic)).option("max_uncommitted", MAX_UNCOMMITTED);
        let observer = Observer::watch(scene, &[(&topic, PARTITIONS)]);
        let relay = scene.run(&[&recipe]);
        let mut actions = scene.action_log();
        wait_until("the pipeline to be in full swing", SEEN, || actions.read().len() > 500);
        Self { scene, topic, feeder, recipe, actions, observer, relay }
    }

    /// Waits until nothing is left to do without a commit.
    fn until_it_stands_still(&mut self) {
        wait_until("every partition to have paused", SEEN, || {
            self.relay.metric("datahub_relay_paused_partitions", &[]) == Some(f64::from(PARTITIONS))
        });
        let acted = self.actions.read().len();
        assert!(acted < RECORDS, "the broker froze in time");
    }

    /// Waits until all is committed, and requires that nothing was lost and little came again.
    fn finish(mut self) {
        let committed = self.scene.committed(&[(&self.topic, PARTITIONS)]);
        wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(RECORDS as i64));
        self.relay.stop();
        let tally = Tally::of(&mut self.actions, &mut self.scene.dead_letters());
        tally.assert_nothing_lost(&self.feeder.fed());
        let bound = PARTITIONS as usize * MAX_UNCOMMITTED;
        assert!(tally.repeated() <= bound, "{} came again, {bound} may", tally.repeated());
        self.observer.finish();
    }
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_stop_while_the_broker_is_frozen_ends_in_time_and_the_next_run_goes_on() {
    let broker = KafkaBroker::start();
    let scene = Scene::on(&broker, "frozen-stop");
    let mut frozen = Frozen::run(&scene, |recipe| recipe.option("drain_timeout_seconds", DRAIN.as_secs()));
    let standstill = broker.freeze();
    frozen.until_it_stands_still();
    let signalled = Instant::now();
    frozen.relay.signal(Signal::TERM);
    assert_eq!(frozen.relay.wait_for_end(DRAIN + FAREWELLS), Ended::Code(0), "{}", frozen.relay.log());
    println!("the stop took {:.1} s", signalled.elapsed().as_secs_f64());
    let log = frozen.relay.log();
    assert!(
        log.contains("the last commit was not confirmed in time; what it covered may come again"),
        "{log}"
    );

    drop(standstill);
    frozen.relay = scene.run(&[&frozen.recipe]);
    frozen.finish();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_broker_that_is_frozen_for_longer_than_the_poll_interval_stops_neither_polling_nor_the_process() {
    let broker = KafkaBroker::start();
    let scene = Scene::on(&broker, "frozen-poll");
    let mut frozen = Frozen::run(&scene, |recipe| {
        recipe.consumer("max.poll.interval.ms", MAX_POLL_INTERVAL.as_millis() as u64)
    });
    let standstill = broker.freeze();
    frozen.until_it_stands_still();
    let since = Instant::now();
    wait_until("twice the poll interval to pass", SEEN, || {
        assert_eq!(frozen.relay.get("/livez").map(|(status, _)| status), Some(200), "{}", frozen.relay.log());
        since.elapsed() > 2 * MAX_POLL_INTERVAL
    });
    assert_eq!(frozen.relay.ready(), Some(false), "it says that it does not get on");
    drop(standstill);
    wait_until("readiness to say yes again", SEEN, || frozen.relay.ready() == Some(true));
    assert_eq!(frozen.relay.ended(), None);
    let log = frozen.relay.log();
    // What librdkafka says of a consumer that was not polled.
    assert!(!log.contains("maximum poll interval"), "{log}");
    frozen.finish();
}
