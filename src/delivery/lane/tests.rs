//! How many events lanes have under way at once, and which wait for each other.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;

use super::*;
use crate::delivery::OptionsConfig;
use crate::delivery::config::CommitConfig;
use crate::event::{DropReason, Position, TopicPartition};
use crate::findings::{Findings, KeyPath};

/// More than any of these lanes may have under way.
const EVENTS: u64 = 100;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps every event until the doors open.
struct Waiting {
    /// Drops these instead.
    drops: fn(i64) -> bool,
    doors: watch::Sender<bool>,
    under_way: watch::Sender<usize>,
    most: AtomicUsize,
    ended: Mutex<Vec<i64>>,
}

impl Processor for Waiting {
    async fn process(&self, delivery: &Delivery) -> Processed {
        let position = delivery.record.position.clone();
        if (self.drops)(position.offset) {
            return Processed::Ended(Outcome::Dropped(position, DropReason::Filter));
        }
        self.under_way.send_modify(|count| *count += 1);
        let now = *self.under_way.borrow();
        self.most.fetch_max(now, Relaxed);
        let mut doors = self.doors.subscribe();
        doors.wait_for(|open| *open).await.unwrap();
        self.under_way.send_modify(|count| *count -= 1);
        self.ended.lock().unwrap().push(position.offset);
        Processed::Ended(Outcome::Acted(position))
    }

    fn finished(&self) {}

    fn failed(&self, outcome: Outcome) {
        panic!("{outcome:?}");
    }
}

fn delivery(partition: i32, offset: i64) -> Delivery {
    let source = TopicPartition { topic: "t".into(), partition };
    let epoch = Arc::new(PartitionEpoch::new(source.clone(), offset, Some(offset)));
    epoch.hand(offset);
    let position = Position { source, offset };
    let record = Record { position, timestamp_ms: None, key: None, value: None, headers: Vec::new() };
    Delivery { epoch, record, route: Route::ChangeLog }
}

fn lanes(ordering: Ordering, concurrency: Option<u32>) -> (Lanes<Waiting>, Arc<Waiting>) {
    let options = OptionsConfig { ordering: Some(ordering), concurrency, ..OptionsConfig::default() };
    lanes_of(&options, |_| false)
}

fn lanes_of(options: &OptionsConfig, drops: fn(i64) -> bool) -> (Lanes<Waiting>, Arc<Waiting>) {
    let settings = options.resolve(&KeyPath::root(), None, &mut Findings::default()).unwrap();
    let waiting = Arc::new(Waiting {
        drops,
        doors: watch::Sender::new(false),
        under_way: watch::Sender::new(0),
        most: AtomicUsize::default(),
        ended: Mutex::default(),
    });
    let budget = Arc::new(Budget::new(1 << 20));
    (Lanes::new(Handle::current(), Arc::clone(&waiting), budget, &settings), waiting)
}

/// Waits until so many are under way, gives further ones the chance to begin, lets all end, and says how
/// many were under way at once.
async fn most_at_once(lanes: Lanes<Waiting>, waiting: &Waiting, expected: usize) -> usize {
    let mut under_way = waiting.under_way.subscribe();
    let reached = under_way.wait_for(|count| *count >= expected);
    drop(tokio::time::timeout(PATIENCE, reached).await.expect("so many begin").unwrap());
    // The runtime has one thread: whatever could begin has begun by then.
    for _ in 0..EVENTS {
        tokio::task::yield_now().await;
    }
    waiting.doors.send_replace(true);
    tokio::time::timeout(PATIENCE, lanes.close().wait()).await.expect("the lanes end");
    waiting.most.load(Relaxed)
}

#[tokio::test]
async fn concurrency_is_how_many_events_of_all_partitions_are_under_way_at_once() {
    for (ordering, concurrency, expected) in [
        (Ordering::Key, None, 16),
        (Ordering::Key, Some(3), 3),
        (Ordering::Unordered, None, 16),
        (Ordering::Unordered, Some(5), 5),
    ] {
        let (mut lanes, waiting) = lanes(ordering, concurrency);
        assert!(!lanes.one_per_partition());
        for hash in 0..EVENTS {
            let partition = i32::try_from(hash % 7).unwrap();
            lanes.shared(hash).unwrap().push(delivery(partition, i64::try_from(hash).unwrap()));
        }
        lanes.flush();
        let most = most_at_once(lanes, &waiting, expected).await;
        assert_eq!(most, expected, "{ordering:?} with {concurrency:?}");
        assert_eq!(waiting.ended.lock().unwrap().len() as u64, EVENTS);
    }
}

#[tokio::test]
async fn events_of_one_entity_wait_for_each_other_whatever_partition_they_are_of() {
    let (mut lanes, waiting) = lanes(Ordering::Key, Some(8));
    for offset in 0..20 {
        lanes.shared(4711).unwrap().push(delivery(i32::try_from(offset % 3).unwrap(), offset));
    }
    lanes.flush();
    assert_eq!(most_at_once(lanes, &waiting, 1).await, 1);
    assert_eq!(*waiting.ended.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn ordered_by_partition_each_partition_has_one_event_under_way() {
    let (lanes, waiting) = lanes(Ordering::Partition, None);
    assert!(lanes.one_per_partition());
    let mut entrances: Vec<_> = (0..4).map(|_| lanes.open_for_partition()).collect();
    for offset in 0..20 {
        let partition = usize::try_from(offset % 4).unwrap();
        entrances[partition].push(delivery(i32::try_from(partition).unwrap(), offset));
    }
    entrances.iter_mut().for_each(LaneEntrance::flush);
    drop(entrances);
    assert_eq!(most_at_once(lanes, &waiting, 4).await, 4);
    let ended = waiting.ended.lock().unwrap();
    for partition in 0..4 {
        let of_partition: Vec<i64> = ended.iter().copied().filter(|offset| offset % 4 == partition).collect();
        assert!(of_partition.is_sorted(), "{of_partition:?}");
    }
}

#[tokio::test]
async fn what_an_entrance_has_gathered_is_not_held_for_ever_when_its_partition_is_lost() {
    let (lanes, waiting) = lanes(Ordering::Partition, None);
    let mut entrance = lanes.open_for_partition();
    let mut lost = delivery(0, 0);
    lost.record.value = Some(vec![0; 100]);
    let (epoch, budget) = (Arc::clone(&lost.epoch), Arc::clone(&lanes.budget));
    budget.take(lost.record.held_bytes());
    entrance.push(lost);
    epoch.close();
    drop(entrance);
    tokio::time::timeout(PATIENCE, lanes.close().wait()).await.expect("the lane ends");
    assert_eq!(budget.held_bytes(), 0);
    assert!(waiting.ended.lock().unwrap().is_empty(), "nothing of it begins");
}

#[tokio::test]
async fn with_a_commit_per_event_what_a_filter_drops_rides_along() {
    let commit = Some(CommitConfig::Text("per_event".to_owned()));
    let options = OptionsConfig { commit, ..OptionsConfig::default() };
    let (lanes, waiting) = lanes_of(&options, |offset| offset != 2 && offset != 4);
    let first = delivery(0, 0);
    let epoch = Arc::clone(&first.epoch);
    let mut entrance = lanes.open_for_partition();
    entrance.push(first);
    for offset in 1..5 {
        epoch.hand(offset);
        entrance.push(Delivery { epoch: Arc::clone(&epoch), ..delivery(0, offset) });
    }
    drop(entrance);
    // Nothing is committed before it, and it begins even so.
    let mut under_way = waiting.under_way.subscribe();
    let reached = under_way.wait_for(|count| *count == 1);
    drop(tokio::time::timeout(PATIENCE, reached).await.expect("the first that acts begins").unwrap());
    waiting.doors.send_replace(true);
    let lane = lanes.close();
    for _ in 0..EVENTS {
        tokio::task::yield_now().await;
    }
    assert_eq!(*waiting.ended.lock().unwrap(), [2], "the next one waits for the commit of this one");
    epoch.committed(3);
    let reached = under_way.wait_for(|_| *waiting.ended.lock().unwrap() == [2, 4]);
    drop(tokio::time::timeout(PATIENCE, reached).await.expect("the next one acts").unwrap());
    epoch.committed(5);
    tokio::time::timeout(PATIENCE, lane.wait()).await.expect("the lane ends");
}
