//! Watches a group's committed offsets from outside the program.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::action_log::{ActionLog, DeadLetterLog, Place};
use super::broker::Broker;
use super::fates::{Fates, Partition};
use super::ledger::{Invariant, Ledger};
use super::repetitions::Cause;
use super::scene::Scene;
use super::wait::{wait_for, wait_until};

/// How often Kafka is asked for what is committed.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// How often the logs are read in between: so often that a fault strikes soon after the moment that
/// its schedule names.
const READ_EVERY: Duration = Duration::from_millis(20);
/// I5: how long a partition with lag may take to move once a fault is over.
pub(crate) const RECOVERY: Duration = Duration::from_secs(30);
const REQUEST: Duration = Duration::from_secs(5);
const ANSWERED: Duration = Duration::from_secs(60);

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
    pub(crate) fn read(&self) -> Option<BTreeMap<Partition, i64>> {
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

    /// The sum over all partitions, 0 for those that have none; `None` if the broker did not answer.
    pub(crate) fn sum(&self) -> Option<i64> {
        Some(self.read()?.values().sum())
    }

    /// The committed offset of each partition that has one: for what must have been committed by now. A
    /// broker that is busy is asked again.
    pub(crate) fn known(&self) -> BTreeMap<Partition, i64> {
        wait_for("the broker to say what is committed", ANSWERED, || self.read())
    }

    /// The sum of [`CommittedOffsets::known`].
    pub(crate) fn known_sum(&self) -> i64 {
        self.known().values().sum()
    }
}

/// Where it is known from which events an action got: a log that survives the program's death, or the
/// other end of a connection.
pub(crate) trait Deliveries: Send {
    /// What came since the last call, in the order in which it came.
    fn take_new(&mut self) -> Vec<Delivered>;
}

/// An event that an action got.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    /// Where it says that it came from.
    pub(crate) place: Place,
    /// The entity that it is about; `None` if it is not the event that was fed there.
    pub(crate) entity: Option<String>,
}

/// Where dead letters are kept.
pub(crate) trait Letters: Send {
    /// The records whose letters came since the last call; `None` if nobody can say at the moment whether
    /// that is all.
    fn take_new(&mut self) -> Option<Vec<Place>>;
}

impl Letters for DeadLetterLog {
    fn take_new(&mut self) -> Option<Vec<Place>> {
        Some(Self::take_new(self).into_iter().map(|letter| letter.record.place).collect())
    }
}

impl Deliveries for ActionLog {
    fn take_new(&mut self) -> Vec<Delivered> {
        let lines = Self::take_new(self).into_iter();
        lines
            .map(|line| {
                // Not a panic: nobody would watch any more.
                let entity = line.is_what_was_fed().then(|| line.entity().to_owned());
                Delivered { place: line.place().clone(), entity }
            })
            .collect()
    }
}

/// Within what the first deliveries have to be in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderedBy {
    /// Within each partition.
    Partition,
    /// Within each entity.
    Entity,
    /// Nowhere.
    Nothing,
}

/// What an observer looks at.
pub(crate) struct View {
    pub(crate) deliveries: Vec<Box<dyn Deliveries>>,
    pub(crate) dead_letters: Vec<Box<dyn Letters>>,
    pub(crate) fates: Option<Fates>,
    pub(crate) ordered_by: OrderedBy,
}

/// Checks, every 200 ms and once at the end, what can be seen of the invariants while a run goes on:
/// that no committed offset is ahead of what is finished (I2), that none goes back (I3), that first
/// deliveries are in order (I4), that partitions move again after a fault (I5).
pub(crate) struct Observer {
    ending: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    finished: Arc<AtomicUsize>,
    /// How often it has read the logs and entered what they say.
    rounds: Arc<AtomicUsize>,
    /// `None` once it has ended.
    thread: Option<JoinHandle<()>>,
}

/// What an observer has seen so far.
pub(crate) struct Seen {
    pub(crate) ledger: Ledger,
    /// How often Kafka answered what is committed.
    pub(crate) looks: usize,
    /// The longest time that all partitions took to move after a fault; `None` where I5 was not judged: no fault
    /// was over, or the next one struck before, or nothing was left to do.
    pub(crate) slowest_recovery: Option<Duration>,
    recovering: Option<Recovering>,
}

/// The time after a fault.
struct Recovering {
    since: Instant,
    within: Duration,
    /// Where partitions stood that had lag; each has to move.
    stood_at: BTreeMap<Partition, i64>,
}

impl Observer {
    /// Watches the group of `scene`'s recipe, of one member or two, on topics that are read from their
    /// beginning and whose every record reaches the action or the dead letters.
    pub(crate) fn watch(scene: &Scene<'_>, topics: &[(&str, i32)]) -> Self {
        let view = View {
            deliveries: vec![Box::new(scene.action_log()), Box::new(scene.second_action_log())],
            dead_letters: vec![Box::new(scene.dead_letters()), Box::new(scene.second_dead_letters())],
            fates: None,
            ordered_by: OrderedBy::Nothing,
        };
        Self::of(scene.committed(topics), view)
    }

    /// Watches a group's committed offsets together with what else there is to see.
    pub(crate) fn of(committed: CommittedOffsets, mut view: View) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Seen::by(Ledger::new(view.deliveries.len(), view.fates.clone()))));
        let (finished, rounds) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (told_to_end, to_tell) = (Arc::clone(&ending), Arc::clone(&seen));
        let (progress, rounds_done) = (Arc::clone(&finished), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let mut asked: Option<Instant> = None;
            loop {
                // Read before the look, so that one whole look follows the word to end.
                let last = told_to_end.load(Ordering::Acquire);
                let ask = last || asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY);
                let offsets = if ask { committed.read() } else { None };
                if ask {
                    asked = Some(Instant::now());
                }
                // Read behind the answer: so it holds at least what was finished when Kafka gave it.
                let (delivered, letters, all) = view.read();
                let mut seen = locked(&to_tell);
                view.enter(&mut seen.ledger, delivered, &letters);
                if let Some(offsets) = offsets.filter(|_| all) {
                    seen.look(&offsets);
                }
                progress.store(seen.ledger.finished(), Ordering::Release);
                drop(seen);
                rounds_done.fetch_add(1, Ordering::AcqRel);
                if last {
                    return;
                }
                std::thread::sleep(READ_EVERY);
            }
        });
        Self { ending, seen, finished, rounds, thread: Some(thread) }
    }

    /// How many records are finished: see [`Ledger::finished`].
    pub(crate) fn finished(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.finished)
    }

    /// What has been seen so far.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        assert!(!self.thread.as_ref().is_some_and(JoinHandle::is_finished), "the observer looks to the end");
        locked(&self.seen)
    }

    /// Waits until everything is entered that the logs say by now.
    ///
    /// # Panics
    /// If the observer has ended, or takes a minute for it.
    pub(crate) fn catch_up(&self) {
        let before = self.rounds.load(Ordering::Acquire);
        wait_until("the observer to have read the logs", ANSWERED, || {
            assert!(
                !self.thread.as_ref().is_some_and(JoinHandle::is_finished),
                "the observer looks to the end"
            );
            // The next one to end may have read some of them already.
            self.rounds.load(Ordering::Acquire) >= before + 2
        });
    }

    /// A fault has struck that can make events come again.
    pub(crate) fn fault_may_repeat(&self, cause: Cause) {
        self.seen().ledger.fault(cause);
    }

    /// Somebody else moves the group, which has no members, to these offsets.
    pub(crate) fn group_moves(&self, offsets: &[(Partition, i64)]) {
        self.seen().ledger.group_moves(offsets);
    }

    /// Whether partitions that had lag when the last fault was over have not moved yet.
    pub(crate) fn is_recovering(&self) -> bool {
        self.seen().recovering.is_some()
    }

    /// A fault begins: what partitions do until it is over is not judged.
    pub(crate) fn fault_begins(&self) {
        self.seen().recovering = None;
    }

    /// The fault is over: every partition with lag has to move `within` this time. `ends` says how many
    /// records each partition holds.
    pub(crate) fn fault_is_over(&self, ends: &BTreeMap<Partition, i64>, within: Duration) {
        self.seen().fault_is_over(ends, within);
    }

    /// Takes a last look and says what was seen.
    pub(crate) fn end(&mut self) -> Arc<Mutex<Seen>> {
        self.ending.store(true, Ordering::Release);
        let thread = self.thread.take().expect("an observer ends once");
        thread.join().expect("the observer looks to the end");
        Arc::clone(&self.seen)
    }

    /// Takes a last look and ends.
    ///
    /// # Panics
    /// If a commit was ahead of what was finished, or went back, or nothing was ever seen.
    pub(crate) fn finish(mut self) {
        let seen = self.end();
        let seen = locked(&seen);
        assert!(seen.ledger.violations().is_empty(), "{:#?}", seen.ledger.violations());
        assert!(seen.looks > 0, "the observer saw no commit at all");
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // Without a last look: a test that failed has said why.
        self.ending.store(true, Ordering::Release);
    }
}

impl View {
    /// What came, and whether the letters are all that there are.
    fn read(&mut self) -> (Vec<Vec<Delivered>>, Vec<Place>, bool) {
        let delivered = self.deliveries.iter_mut().map(|log| log.take_new()).collect();
        let (mut places, mut all) = (Vec::new(), true);
        for letters in &mut self.dead_letters {
            match letters.take_new() {
                Some(new) => places.extend(new),
                None => all = false,
            }
        }
        (delivered, places, all)
    }

    fn enter(&self, ledger: &mut Ledger, delivered: Vec<Vec<Delivered>>, letters: &[Place]) {
        for (log, lines) in delivered.into_iter().enumerate() {
            for Delivered { place, entity } in lines {
                let Some(entity) = entity else {
                    let what = format!("{place:?}: the action got another event than was fed there");
                    ledger.violates(Invariant::NothingLost, what);
                    continue;
                };
                let unit = match self.ordered_by {
                    OrderedBy::Partition => Some(format!("{}/{}", place.topic, place.partition)),
                    OrderedBy::Entity => Some(format!("{}/{entity}", place.topic)),
                    OrderedBy::Nothing => None,
                };
                ledger.acted(log, &place, unit);
            }
        }
        letters.iter().for_each(|place| ledger.dead_lettered(place));
    }
}

impl Seen {
    fn by(ledger: Ledger) -> Self {
        Self { ledger, looks: 0, slowest_recovery: None, recovering: None }
    }

    /// Where no partition has lag there is nothing to judge: it would have recovered in no time.
    fn fault_is_over(&mut self, ends: &BTreeMap<Partition, i64>, within: Duration) {
        let committed = |partition| self.ledger.last_committed().get(partition).copied().unwrap_or(0);
        let stands = ends.iter().map(|(partition, end)| (partition.clone(), committed(partition), *end));
        let lags = stands.filter(|(_, committed, end)| committed < end);
        let stood_at: BTreeMap<Partition, i64> =
            lags.map(|(partition, committed, _)| (partition, committed)).collect();
        self.recovering =
            (!stood_at.is_empty()).then(|| Recovering { since: Instant::now(), within, stood_at });
    }

    fn look(&mut self, offsets: &BTreeMap<Partition, i64>) {
        self.looks += offsets.len();
        self.ledger.committed(offsets);
        let Some(recovering) = &mut self.recovering else { return };
        let took = recovering.since.elapsed();
        recovering
            .stood_at
            .retain(|partition, stood_at| offsets.get(partition).is_none_or(|now| now <= stood_at));
        if recovering.stood_at.is_empty() {
            self.slowest_recovery = self.slowest_recovery.max(Some(took));
            self.recovering = None;
        } else if took > recovering.within {
            let what =
                format!("{took:?} after the fault was over these still stand: {:?}", recovering.stood_at);
            self.ledger.violates(Invariant::Recovers, what);
            self.recovering = None;
        }
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_recovery_is_judged_once_a_fault_is_over_that_left_something_to_do() {
    let at = |offset: i64| BTreeMap::from([(("t".to_owned(), 0), offset)]);
    let mut seen = Seen::by(Ledger::new(0, None));
    seen.look(&at(0));
    assert_eq!(seen.slowest_recovery, None, "no fault was over");
    seen.fault_is_over(&at(0), RECOVERY);
    seen.look(&at(0));
    assert_eq!(seen.slowest_recovery, None, "nothing was left to do");
    seen.fault_is_over(&at(2), RECOVERY);
    seen.look(&at(0));
    assert_eq!(seen.slowest_recovery, None, "it stands");
    seen.look(&at(1));
    assert!(seen.slowest_recovery.is_some());
    let too_slow =
        |seen: &Seen| seen.ledger.violations().iter().any(|broken| broken.invariant == Invariant::Recovers);
    assert!(!too_slow(&seen), "it moved in time");
    seen.fault_is_over(&at(2), Duration::ZERO);
    seen.look(&at(1));
    assert!(too_slow(&seen), "it stands");
}
