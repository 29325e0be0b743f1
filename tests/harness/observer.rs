//! Watches a group's committed offsets from outside the program.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::action_log::{ActionLog, DeadLetterLog, Place};
use super::broker::Broker;
use super::scene::Scene;

const LOOK_EVERY: Duration = Duration::from_millis(200);
const REQUEST: Duration = Duration::from_secs(5);

/// Reads committed offsets of one group. It never joins that group.
pub(crate) struct CommittedOffsets {
    consumer: BaseConsumer,
    partitions: TopicPartitionList,
}

impl CommittedOffsets {
    /// Of `group`, on partitions 0 to `count` - 1 of each topic.
    pub(crate) fn of(broker: &dyn Broker, group: &str, topics: &[(&str, i32)]) -> Self {
        let mut config = broker.client();
        let consumer = config.set("group.id", group).set("log_level", "0").create().expect("a consumer");
        let mut partitions = TopicPartitionList::new();
        for (topic, count) in topics {
            partitions.add_partition_range(topic, 0, count - 1);
        }
        Self { consumer, partitions }
    }

    /// The committed offset of each partition that has one; `None` if the broker did not answer.
    pub(crate) fn read(&self) -> Option<BTreeMap<(String, i32), i64>> {
        let answer = self.consumer.committed_offsets(self.partitions.clone(), REQUEST).ok()?;
        let mut offsets = BTreeMap::new();
        for element in answer.elements() {
            // The call succeeds although a partition's own answer is an error.
            element.error().ok()?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert((element.topic().to_owned(), element.partition()), offset);
            }
        }
        Some(offsets)
    }

    /// The sum over all partitions, 0 for those that have none.
    pub(crate) fn sum(&self) -> Option<i64> {
        Some(self.read()?.values().sum())
    }
}

/// Checks, every 200 ms and once at the end, that no committed offset is ahead of what is finished
/// (I2) and that none goes back (I3).
pub(crate) struct Observer {
    ending: Arc<AtomicBool>,
    thread: JoinHandle<Observed>,
}

struct Observed {
    looks: usize,
    violations: Vec<String>,
}

impl Observer {
    /// Watches the group of `scene`'s recipe, of one member or two, on topics that are read from their
    /// beginning and whose every record reaches the action or the dead letters.
    pub(crate) fn watch(scene: &Scene<'_>, topics: &[(&str, i32)]) -> Self {
        let committed = CommittedOffsets::of(scene.broker, scene.group(), topics);
        let mut watch = Watch::new(vec![scene.action_log(), scene.second_action_log()], scene.dead_letters());
        let ending = Arc::new(AtomicBool::new(false));
        let told_to_end = Arc::clone(&ending);
        let thread = std::thread::spawn(move || {
            loop {
                // Read before the look, so that one whole look follows the word to end.
                let last = told_to_end.load(Ordering::Acquire);
                if let Some(offsets) = committed.read() {
                    watch.look(offsets);
                }
                if last {
                    return Observed { looks: watch.looks, violations: watch.violations };
                }
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self { ending, thread }
    }

    /// Takes a last look and ends.
    ///
    /// # Panics
    /// If a commit was ahead of what was finished, or went back, or nothing was ever seen.
    pub(crate) fn finish(self) {
        self.ending.store(true, Ordering::Release);
        let observed = self.thread.join().expect("the observer looks to the end");
        assert!(observed.violations.is_empty(), "{:#?}", observed.violations);
        assert!(observed.looks > 0, "the observer saw no commit at all");
    }
}

/// What has been seen so far.
struct Watch {
    actions: Vec<ActionLog>,
    dead_letters: DeadLetterLog,
    /// How many lines of each log are in `finished` already, the dead letters' last.
    counted: Vec<usize>,
    finished: BTreeMap<(String, i32), Contiguous>,
    last: BTreeMap<(String, i32), i64>,
    looks: usize,
    violations: Vec<String>,
}

/// The finished offsets of one partition, from 0.
#[derive(Default)]
struct Contiguous {
    /// Everything below is finished.
    below: i64,
    above: BTreeSet<i64>,
}

impl Contiguous {
    fn finish(&mut self, offset: i64) {
        if offset >= self.below {
            self.above.insert(offset);
        }
        while self.above.remove(&self.below) {
            self.below += 1;
        }
    }
}

impl Watch {
    fn new(actions: Vec<ActionLog>, dead_letters: DeadLetterLog) -> Self {
        Self {
            counted: vec![0; actions.len() + 1],
            actions,
            dead_letters,
            finished: BTreeMap::new(),
            last: BTreeMap::new(),
            looks: 0,
            violations: Vec::new(),
        }
    }

    /// `offsets` were read before this call; what is read now of the logs is therefore at least
    /// what was finished when they were committed.
    fn look(&mut self, offsets: BTreeMap<(String, i32), i64>) {
        self.count_finished();
        for (partition, offset) in offsets {
            self.looks += 1;
            let finished = self.finished.get(&partition).map_or(0, |contiguous| contiguous.below);
            if offset > finished {
                self.violations.push(format!("{partition:?}: {offset} committed, finished below {finished}"));
            }
            let before = self.last.insert(partition.clone(), offset);
            if before > Some(offset) {
                self.violations.push(format!("{partition:?}: {offset} committed after {before:?}"));
            }
        }
    }

    fn count_finished(&mut self) {
        let mut places: Vec<Place> = Vec::new();
        let (of_letters, of_actions) = self.counted.split_last_mut().expect("one count more than logs");
        for (log, counted) in self.actions.iter_mut().zip(of_actions) {
            let lines = log.read();
            places.extend(lines[*counted..].iter().map(|line| line.place().clone()));
            *counted = lines.len();
        }
        let letters = self.dead_letters.read();
        places.extend(letters[*of_letters..].iter().map(|letter| letter.record.place.clone()));
        *of_letters = letters.len();
        for place in places {
            self.finished.entry((place.topic, place.partition)).or_default().finish(place.offset);
        }
    }
}

#[test]
fn a_commit_ahead_of_what_is_finished_is_seen() {
    let mut watch = Watch::new(Vec::new(), DeadLetterLog::at(""));
    watch.look(BTreeMap::from([(("topic".to_owned(), 0), 1)]));
    assert_eq!(watch.violations.len(), 1, "{:?}", watch.violations);
}

#[test]
fn a_commit_that_goes_back_is_seen() {
    let mut watch = Watch::new(Vec::new(), DeadLetterLog::at(""));
    let partition = ("topic".to_owned(), 0);
    watch.finished.entry(partition.clone()).or_default().below = 10;
    watch.look(BTreeMap::from([(partition.clone(), 7)]));
    watch.look(BTreeMap::from([(partition, 6)]));
    assert_eq!(watch.violations.len(), 1, "{:?}", watch.violations);
}
