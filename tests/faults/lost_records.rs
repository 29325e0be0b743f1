//! Row 13: records vanish before they were read, partitions are added, a topic is another one of the
//! same name.

use crate::harness::{KafkaBroker, Partition, Scene, Tally, wait_until};
use crate::report::{Failure, Verdict};
use crate::run::{Run, Stage, USUAL};

/// How many partitions are added.
const ADDED: i32 = 2;

/// Stops the program, lets retention take more than it has read, and starts it again: the gap is told
/// exactly, and what lies behind it is read. Then adds partitions, which are read from their first
/// record.
pub(crate) fn row(stage: &Stage<'_>, broker: &KafkaBroker) -> Verdict {
    let mut run = Run::begin(stage, 13, "lost-records");
    // At the latest, so that only a rule of its own makes a new partition be read from its beginning.
    let recipe = run.recipe().consumer("topic.metadata.refresh.interval.ms", 500);
    let topic = run.topic.clone();
    let portion = run.size.records / (2 * run.size.faults + 1);
    let mut vanished = 0;
    for _ in 0..run.size.faults {
        run.feed_now(portion, USUAL);
        let mut relay = run.scene.run(&[&recipe]);
        run.until_all_committed(&mut [&mut relay])?;
        relay.stop();
        let read = run.fates().ends();
        run.feed_now(portion, USUAL);
        let fed = run.fates().ends();
        run.strike("retention overtakes the position");
        let mut gap = 0;
        for ((_, partition), end) in &fed {
            let position = read.get(&(topic.clone(), *partition)).copied().unwrap_or(0);
            let first_kept = run.rng.i64(position..=*end);
            broker.delete_records_before(&topic, *partition, first_kept);
            run.fates().vanish(&topic, *partition, position..first_kept);
            gap += first_kept - position;
        }
        let mut relay = run.scene.run(&[&recipe]);
        run.over();
        run.until_all_committed(&mut [&mut relay])?;
        let told = relay.metric("datahub_relay_gap_records_total", &[&topic]).unwrap_or(0.0);
        relay.stop();
        if told != gap as f64 {
            return Err(run.break_off(format!("{gap} records vanished, {told} were told of")));
        }
        vanished += gap;
    }
    run.note(format!("gaps of {vanished} records, told exactly"));

    let mut relay = run.scene.run_until_ready(&[&recipe.source("start_position", "latest")]);
    run.strike(&format!("{ADDED} partitions added"));
    run.size.partitions += ADDED;
    broker.grow_topic(&topic, run.size.partitions as usize);
    // Written before the group knows of the new ones: the latest would skip them.
    run.feed_now(portion, USUAL);
    run.over();
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    run.conclude()?;
    recreated(stage, broker)
}

/// A position that lies beyond the log belongs to another log: all that this one holds is new.
fn recreated(stage: &Stage<'_>, broker: &KafkaBroker) -> Verdict {
    let size = stage.scale.of(13);
    let scene = Scene::on(stage.broker, "row-13-recreated");
    let topic = scene.topic("versioned", size.partitions);
    let records = size.records / 4;
    scene.feeder().change_logs(&topic, size.partitions, records);
    let recipe = scene.recipe().change_logs(&topic);
    let first = scene.run(&[&recipe]);
    let committed = scene.committed(&[(&topic, size.partitions)]);
    wait_until("the first log to be committed", stage.scale.patience(), || {
        committed.sum() == Some(records as i64)
    });
    first.stop();
    let positions: Vec<(Partition, i64)> =
        committed.read().expect("the broker answers").into_iter().collect();

    // Kafka forgets a group's offsets of a topic that is deleted; a topic of another cluster, or one that
    // was truncated, is what leaves a position behind. A commit puts it back.
    broker.recreate_topic(&topic, size.partitions);
    for ((_, partition), offset) in &positions {
        broker.commit(scene.group(), &topic, *partition, *offset);
    }
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, size.partitions, records / 4);
    let fed = feeder.fed();
    std::fs::remove_file(scene.directory().join(format!("{}.jsonl", scene.group())))
        .expect("the first log's events were written");
    let relay = scene.run(&[&recipe]);
    let (mut actions, mut letters) = (scene.action_log(), scene.dead_letters());
    let tally = Tally::when_finished(&fed, &mut actions, &mut letters, stage.scale.patience());
    wait_until("the new log to be committed", stage.scale.patience(), || {
        committed.sum() == Some(fed.len() as i64)
    });
    let told = relay.metric("datahub_relay_gaps_total", &[&topic, "cause=\"another_log\""]);
    relay.stop();
    tally.assert_nothing_lost(&fed);
    tally.assert_nothing_repeated();
    if told != Some(positions.len() as f64) {
        return Err(Failure::Unexpected(format!(
            "{} logs were others, {told:?} were told of",
            positions.len()
        )));
    }
    Ok(())
}
