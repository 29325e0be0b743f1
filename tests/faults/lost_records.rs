//! Row 13: records vanish before they were read, partitions are added, a topic is another one of the
//! same name.

use std::collections::BTreeSet;

use crate::harness::{KafkaBroker, Partition};
use crate::report::Verdict;
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
    let (mut vanished, mut ranges) = (0, 0);
    for _ in 0..run.size.faults {
        run.feed_now(portion, USUAL);
        let mut relay = run.scene.run(&[&recipe]);
        run.until_all_committed(&mut [&mut relay])?;
        relay.stop();
        let read = run.fates().ends();
        run.feed_now(portion, USUAL);
        let fed = run.fates().ends();
        run.strike("retention overtakes the position");
        let (mut gap, mut gaps) = (0, BTreeSet::new());
        for ((_, partition), end) in &fed {
            let position = read.get(&(topic.clone(), *partition)).copied().unwrap_or(0);
            let first_kept = run.rng.i64(position..=*end);
            broker.delete_records_before(&topic, *partition, first_kept);
            run.fates().vanish(&topic, *partition, position..first_kept);
            gap += first_kept - position;
            let last = first_kept - 1;
            match first_kept - position {
                0 => {}
                1 => drop(gaps.insert(format!("{topic}[{partition}]: offset {position} was"))),
                lost => drop(gaps.insert(format!(
                    "{topic}[{partition}]: offsets {position} to {last} ({lost} records) were"
                ))),
            }
        }
        let mut relay = run.scene.run(&[&recipe]);
        run.over();
        run.until_all_committed(&mut [&mut relay])?;
        let told = relay.metric("datahub_relay_gap_records_total", &[&topic]).unwrap_or(0.0);
        let said = said_of(&topic, &relay.stop_and_tell(), " deleted before ");
        if said != gaps || told != gap as f64 {
            return Err(run.break_off(format!(
                "{gap} records vanished: {gaps:#?}; {told} were counted, and this was said: {said:#?}"
            )));
        }
        vanished += gap;
        ranges += gaps.len();
    }
    run.note(format!("{ranges} gaps of {vanished} records, each told with its exact range"));

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
    let mut run = Run::begin(stage, 13, "recreated");
    run.note("the log that is then deleted");
    let (records, topic) = (run.size.records / 4, run.topic.clone());
    run.feed(records, USUAL);
    let mut relay = run.scene.run(&[&run.recipe()]);
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    let positions: Vec<(Partition, i64)> = run.committed().into_iter().collect();
    run.conclude()?;

    // Kafka forgets a group's offsets of a topic that is deleted; a topic of another cluster, or one that
    // was truncated, is what leaves a position behind. A commit puts it back.
    broker.delete_topic(&topic);
    let mut run = Run::begin(stage, 13, "recreated");
    run.move_group(broker, &positions);
    run.strike("the topic is another one of the same name");
    run.feed_now(records / 4, USUAL);
    let mut relay = run.scene.run(&[&run.recipe()]);
    run.over();
    run.until_all_committed(&mut [&mut relay])?;
    let ends = run.fates().ends();
    let gaps: BTreeSet<String> = positions
        .iter()
        .map(|(partition, position)| {
            let (topic, number) = partition;
            let end = ends.get(partition).copied().unwrap_or(0);
            format!("{topic}[{number}]: the position {position} lies beyond the log, which holds offsets 0 to {end}")
        })
        .collect();
    let counted = relay.metric("datahub_relay_gaps_total", &[&topic, "cause=\"another_log\""]);
    let said = said_of(&topic, &relay.stop_and_tell(), ": the topic was recreated or truncated");
    if said != gaps || counted != Some(positions.len() as f64) {
        return Err(
            run.break_off(format!("{gaps:#?} are other logs; said was {said:#?}, counted {counted:?}"))
        );
    }
    run.note("the log of another topic of the same name, told exactly, partition by partition");
    run.conclude()
}

/// What a log says of partitions of this topic in lines with these words: from the partition's name up to them.
fn said_of(topic: &str, log: &str, words: &str) -> BTreeSet<String> {
    let begin = format!("{topic}[");
    let said = |line: &str| {
        let before = &line[..line.find(words)?];
        Some(before[before.find(&begin)?..].to_owned())
    };
    log.lines().filter_map(said).collect()
}
