//! The partitions that are assigned now, as the polling thread holds them: found per record without a
//! lock, and without a map look-up while records come from one partition in a row.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::committer::Committable;
use crate::delivery::{LaneEntrance, PartitionEpoch};
use crate::event::{Route, TopicPartition};
use crate::kafka::gaps::Gap;
use crate::kafka::look_ups::{Start, in_this_log};

/// One assigned partition.
#[derive(Debug)]
pub(super) struct Slot {
    /// This assignment of it.
    pub(super) epoch: Arc<PartitionEpoch>,
    /// What each commit of it carries.
    pub(super) metadata: Arc<str>,
    /// What its topic carries.
    pub(super) route: Route,
    /// Its own lane, with `ordering: partition`.
    pub(super) lane: Option<LaneEntrance>,
    /// The offset expected next. `epoch` holds the same for the other threads.
    pub(super) next: i64,
    /// Whether it is paused. Belongs to this assignment: a pause never outlives it.
    pub(super) paused: bool,
    /// Where it is to be assigned again, once nothing of it is unfinished: behind a gap, or where it stands.
    pub(super) move_to: Option<i64>,
    /// The gap that it waits at, with `on_gap: wait`.
    pub(super) gap: Option<Gap>,
    /// Whether somebody has said that the gap is known.
    pub(super) acknowledged: bool,
    /// Whether the log that was read is gone with its topic: nothing is taken then until the new one is begun. Belongs
    /// to this assignment, as all of this: the next one begins where Kafka's answers say.
    pub(super) log_deleted: bool,
    /// Whether it is the log of a topic that was created again, begun while it was assigned: what Kafka has forgotten of
    /// other partitions says nothing of this one.
    pub(super) begun_anew: bool,
    /// Records received and not reported yet.
    pub(super) received: u64,
}

impl Slot {
    /// A newly assigned partition.
    pub(super) fn new(start: &Start, route: Route, lane: Option<LaneEntrance>) -> Self {
        let epoch = PartitionEpoch::new(start.source.clone(), start.offset, start.committed);
        Self {
            epoch: Arc::new(epoch),
            metadata: Arc::clone(&start.metadata),
            route,
            lane,
            next: start.offset,
            paused: false,
            move_to: None,
            gap: None,
            acknowledged: false,
            log_deleted: false,
            begun_anew: false,
            received: 0,
        }
    }

    /// The partition.
    pub(super) fn source(&self) -> &TopicPartition {
        self.epoch.source()
    }

    /// It goes on at the first record of the log that is in the place of the one that it read.
    pub(super) fn begin_new_log(&mut self, first: i64) {
        self.metadata = in_this_log(&self.metadata);
        self.epoch.log_is_replaced(first);
        self.move_to = Some(first);
    }

    /// What the committer needs of it.
    pub(super) fn committable(&self) -> Committable {
        Committable { epoch: Arc::clone(&self.epoch), metadata: Arc::clone(&self.metadata) }
    }
}

/// All assigned partitions.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// By the address of librdkafka's topic and the partition. An address names a topic for as long as
    /// one of its partitions is assigned, so this is emptied at every change of the assignment.
    by_address: HashMap<(usize, i32), usize>,
    last: Option<((usize, i32), usize)>,
    /// Partitions that were given up, or assigned again, and what Kafka had confirmed of each by then, also if it had
    /// forgotten that since.
    left_at: BTreeMap<TopicPartition, i64>,
}

impl Slots {
    /// The slot a record belongs to; `None` if its partition is not assigned (any more).
    pub(super) fn index_of(&mut self, message: &BorrowedMessage<'_>) -> Option<usize> {
        let address = (message.topic_ptr().addr(), message.partition());
        if let Some((last, index)) = self.last
            && last == address
        {
            return Some(index);
        }
        let index = match self.by_address.get(&address) {
            Some(index) => *index,
            None => {
                let index = self.position(message.topic(), message.partition())?;
                self.by_address.insert(address, index);
                index
            }
        };
        self.last = Some((address, index));
        Some(index)
    }

    /// The slot of a partition.
    pub(super) fn position(&self, topic: &str, partition: i32) -> Option<usize> {
        self.slots.iter().position(|slot| {
            let source = slot.source();
            source.partition == partition && *source.topic == *topic
        })
    }

    /// Adds newly assigned partitions.
    pub(super) fn add(&mut self, slots: impl IntoIterator<Item = Slot>) {
        self.slots.extend(slots);
        self.forget_addresses();
    }

    /// Takes the given partitions out.
    pub(super) fn remove(&mut self, partitions: &[TopicPartition]) -> Vec<Slot> {
        self.forget_addresses();
        let (removed, kept) = std::mem::take(&mut self.slots)
            .into_iter()
            .partition(|slot: &Slot| partitions.contains(slot.source()));
        self.slots = kept;
        let confirmed =
            removed.iter().filter_map(|slot| Some((slot.source().clone(), slot.epoch.last_confirmed()?)));
        self.left_at.extend(confirmed);
        removed
    }

    /// What Kafka had confirmed of this partition when it was last given up here, if anything.
    pub(super) fn left_at(&self, source: &TopicPartition) -> Option<i64> {
        self.left_at.get(source).copied()
    }

    /// The partitions of these topics that were given up here, and what the group had committed of each by then.
    pub(super) fn left_of(&self, topics: &BTreeSet<&str>) -> Vec<(TopicPartition, i64)> {
        let of_topics = self.left_at.iter().filter(|(source, _)| topics.contains(&*source.topic));
        of_topics.map(|(source, committed)| (source.clone(), *committed)).collect()
    }

    /// The slot at an index that [`Slots::index_of`] gave since the last change.
    pub(super) fn at(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index)
    }

    /// All slots.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Slot> {
        self.slots.iter()
    }

    /// All slots, to change.
    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Slot> {
        self.slots.iter_mut()
    }

    /// Whether any partition waits for something that the polling thread has to do soon.
    pub(super) fn any_waiting(&self) -> bool {
        self.slots.iter().any(|slot| slot.paused || slot.move_to.is_some())
    }

    /// How many partitions are assigned.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What the committer needs of all of them.
    pub(super) fn committables(&self) -> Vec<Committable> {
        self.slots.iter().map(Slot::committable).collect()
    }

    /// Where the partitions go on that are to be moved and have nothing unfinished any more, each under a
    /// new epoch. One that goes on where it stood has what the group has committed for it. One that goes on
    /// elsewhere owes the group a commit of that before its first event: what is committed lies outside of
    /// its log, and a log that grows again would one day hold it.
    pub(super) fn moves(&self) -> Vec<Start> {
        let due = |slot: &&Slot| slot.move_to.is_some() && slot.epoch.is_idle();
        self.slots
            .iter()
            .filter(due)
            .filter_map(|slot| {
                let offset = slot.move_to?;
                Some(Start {
                    source: slot.source().clone(),
                    offset,
                    committed: slot.epoch.committed_offset().filter(|_| offset == slot.next),
                    metadata: Arc::clone(&slot.metadata),
                    another_log: None,
                })
            })
            .collect()
    }

    fn forget_addresses(&mut self) {
        self.by_address.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition that has read up to 5, of which the group has committed 3, and that goes on at `to`.
    fn moved(to: i64) -> Slots {
        let source = TopicPartition { topic: "t".into(), partition: 0 };
        let start = Start { source, offset: 3, committed: Some(3), metadata: "".into(), another_log: None };
        let mut slot = Slot::new(&start, Route::ChangeLog, None);
        slot.epoch.received(4);
        slot.next = 5;
        slot.move_to = Some(to);
        let mut slots = Slots::default();
        slots.add([slot]);
        slots
    }

    #[test]
    fn a_partition_that_is_assigned_again_where_it_stood_keeps_what_is_committed() {
        let moves = moved(5).moves();
        assert_eq!((moves[0].offset, moves[0].committed), (5, Some(3)));
        let again = Slot::new(&moves[0], Route::ChangeLog, None);
        assert_eq!(again.epoch.uncommitted_watermark(), Some(5), "it still has to be committed");
    }

    #[test]
    fn a_partition_that_is_given_up_is_remembered_with_what_the_group_had_committed_of_it() {
        let source = |partition| TopicPartition { topic: "t".into(), partition };
        let mut slots = moved(5);
        let young =
            Start { source: source(1), offset: 0, committed: None, metadata: "".into(), another_log: None };
        slots.add([Slot::new(&young, Route::ChangeLog, None)]);
        assert_eq!(slots.left_at(&source(0)), None, "it is still here");
        slots.remove(&[source(0), source(1)]);
        assert_eq!(slots.left_at(&source(0)), Some(3));
        assert_eq!(slots.left_at(&source(1)), None, "nobody has committed anything of it");

        let mut slots = moved(5);
        slots.iter().for_each(|slot| slot.epoch.log_is_deleted());
        slots.remove(&[source(0)]);
        assert_eq!(
            slots.left_at(&source(0)),
            Some(3),
            "so that the next assignment finds that Kafka has forgotten it"
        );
    }

    #[test]
    fn a_partition_that_goes_on_elsewhere_owes_a_commit_of_that() {
        for to in [0, 9] {
            let moves = moved(to).moves();
            assert_eq!((moves[0].offset, moves[0].committed), (to, None));
        }
    }
}
