//! Row 12: the store of dead letters fails, and comes back.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Deliveries, KafkaBroker, LetterTopic, Mix, OrderedBy, Surroundings};
use crate::report::Verdict;
use crate::run::{Run, Stage, USUAL, Watching};

/// So large that the dead letters outgrow every other file of the process: a limit on the size of files
/// then meets them alone.
const LARGE_RECORDS: usize = 8;
const LARGE_BYTES: usize = 900_000;

const MAX_UNCOMMITTED: usize = 500;

/// One record in a hundred is bad. Meanwhile the disk is full, or the volume is gone: the partitions of
/// bad records wait, and nothing is committed past one of them.
pub(crate) fn row(stage: &Stage<'_>) -> Verdict {
    let mut run = Run::begin(stage, 12, "dead-letters");
    let mix = Mix { bad: 10, ..USUAL };
    let topic = run.topic.clone();
    let mut relay = run.scene.run_in(Surroundings::LimitedFiles, &run.recipe());
    for nth in 0..LARGE_RECORDS {
        let partition = nth as i32 % run.size.partitions;
        run.feeder().raw(&topic, partition, &vec![1; LARGE_BYTES]);
    }
    run.wait("the large records to be stored", || run.dead() == LARGE_RECORDS)?;

    let directory = run.scene.dead_letter_directory();
    let aside = directory.with_extension("aside");
    let portion = run.size.records / (run.size.faults + 1);
    for nth in 0..run.size.faults {
        let full = nth % 2 == 0;
        run.strike(if full { "disk full" } else { "volume gone" });
        if full {
            let length = fs::metadata(directory.join("failed_events.log")).map_or(0, |found| found.len());
            relay.limit_file_size(Some(length + 100));
        } else {
            take_away(&directory, &aside);
        }
        let before = run.finished();
        run.feed_now(portion, mix);
        run.wait("readiness to say no", || relay.ready() == Some(false))?;
        let (outage, since) = (run.size.outage, Instant::now());
        run.wait("the outage to be over", || since.elapsed() >= outage)?;
        if full {
            relay.limit_file_size(None);
        } else {
            give_back(&directory, &aside);
        }
        run.over();
        run.until_finished(before + portion)?;
        run.wait("readiness to say yes again", || relay.ready() == Some(true))?;
    }
    run.feed_now(portion, mix);
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    run.conclude()
}

/// The same with a topic for the dead letters. It takes none, and the volume of the file that gets what a
/// topic refuses is gone too; or its broker is gone.
pub(crate) fn row_with_a_topic(stage: &Stage<'_>, broker: &KafkaBroker) -> Verdict {
    let mut letters = String::new();
    let mut run = Run::begin_watching(stage, 12, "dead-letter-topic", |scene| {
        letters = scene.topic("letters", 1);
        let deliveries: Vec<Box<dyn Deliveries>> = vec![Box::new(scene.action_log())];
        let topic = LetterTopic::new(stage.broker, &letters);
        Watching { deliveries, ordered_by: OrderedBy::Partition, letters: Some(Box::new(topic)) }
    });
    let mix = Mix { bad: 10, ..USUAL };
    let recipe =
        run.recipe().source("dead_letter_topic", letters.as_str()).option("max_uncommitted", MAX_UNCOMMITTED);
    let mut relay = run.scene.run_until_ready(&[&recipe]);
    let directory = run.scene.dead_letter_directory();
    let aside = directory.with_extension("aside");
    let portion = run.size.records / (run.size.faults + 1);
    let mut brokers_gone = 0;
    for nth in 0..run.size.faults {
        let before = run.finished();
        let refuses = nth % 2 == 0;
        if refuses {
            run.strike("the topic takes no dead letter, volume of the file gone");
            // Letters keep the time of their record, an hour ago.
            broker.refuse_older_than(&letters, Some(Duration::from_secs(60)));
            take_away(&directory, &aside);
            run.feed_now(portion, mix);
            run.wait("readiness to say no", || relay.ready() == Some(false))?;
        } else {
            run.feed_now(portion, mix);
            run.strike_that_repeats("broker gone", MAX_UNCOMMITTED);
            brokers_gone += 1;
            broker.kill();
        }
        let (outage, since) = (run.size.outage, Instant::now());
        run.wait("the outage to be over", || since.elapsed() >= outage)?;
        if refuses {
            give_back(&directory, &aside);
        } else {
            broker.restart();
        }
        run.over();
        run.until_finished(before + portion)?;
        if refuses {
            // What waited is in the file by now; what comes from here on goes to the topic again.
            broker.refuse_older_than(&letters, None);
        }
        run.wait("readiness to say yes again", || relay.ready() == Some(true))?;
    }
    run.feed_now(portion, mix);
    run.until_all_committed(&mut [&mut relay])?;
    relay.stop();
    let partitions = run.size.partitions as usize;
    run.allow_repeated(
        brokers_gone * MAX_UNCOMMITTED,
        partitions,
        format!(
            "{brokers_gone} sessions lost, {partitions} partitions with at most {MAX_UNCOMMITTED} uncommitted events \
             each"
        ),
    );
    run.conclude()
}

/// As if the volume with the directory were gone: it cannot be made again either, as one that was merely removed is.
fn take_away(directory: &Path, aside: &Path) {
    fs::rename(directory, aside).expect("the directory is the test's");
    fs::write(directory, "in the way").expect("nothing else stands there");
}

fn give_back(directory: &Path, aside: &Path) {
    fs::remove_file(directory).expect("it was put there");
    fs::rename(aside, directory).expect("the directory is the test's");
}
