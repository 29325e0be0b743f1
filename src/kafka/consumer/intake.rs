//! What the polling thread does with a record: drops it on the spot or hands it to its lane, within the
//! budgets.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::message::BorrowedMessage;

use super::poll_loop::PollLoop;
use super::screen::{Screen, Screening};
use crate::delivery::{Delivery, Processor};
use crate::event::{DropReason, offset_after};
use crate::kafka::client::{owned_record, partition_list};

/// How long to wait for room before a partition is paused. A pause throws away what librdkafka has
/// prefetched of it, so a short wait is cheaper.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(50);

impl<S: Screen, P: Processor> PollLoop<S, P> {
    /// Takes one record: drops it on the spot, or copies it and hands it to its lane.
    pub(super) fn receive(&mut self, message: &BorrowedMessage<'_>) {
        let Some(index) = self.slots.index_of(message) else { return };
        let Some(slot) = self.slots.at(index) else { return };
        let offset = message.offset();
        // What was prefetched before a pause comes again after it: it was received already. What comes of the log that
        // takes the place of a deleted one comes again once that is begun.
        let elsewhere = slot.move_to.is_some() || slot.gap.is_some() || slot.log_deleted;
        if offset < slot.next || elsewhere || !slot.epoch.is_live() {
            return;
        }
        slot.next = offset_after(offset);
        slot.received += 1;
        let screening = match message.payload() {
            None => Screening::Drop(DropReason::Tombstone),
            Some(value) => self.parts.screen.screen(&slot.route, value),
        };
        let entity = match screening {
            Screening::Drop(reason) => {
                // One store: no lock, no entry, no message to anybody.
                slot.epoch.received(offset);
                self.dropped[reason as usize] += 1;
                return;
            }
            Screening::Hand(entity) => entity,
        };
        let record = owned_record(message, slot.source());
        let Some(uncommitted) = slot.epoch.hand(offset) else {
            // It was handed on before, which the check above rules out: read on from here under a new
            // epoch rather than let an offset pass that nobody acknowledges.
            tracing::error!(partition = %slot.source(), offset, "an offset came twice; assigning again");
            slot.move_to = Some(offset);
            self.waiting = true;
            return;
        };
        self.parts.budget.take(record.held_bytes());
        slot.epoch.received(offset);
        let lane = match &mut slot.lane {
            Some(lane) => Some(lane),
            None => {
                let hash = entity.unwrap_or_else(|| hash_of(record.key.as_deref(), slot.source().partition));
                self.lanes.shared(hash)
            }
        };
        let delivery = Delivery { epoch: Arc::clone(&slot.epoch), record, route: slot.route.clone() };
        match lane {
            Some(lane) => lane.push(delivery),
            // There is a lane for every ordering: an event without one is at least not lost.
            None => slot.epoch.abandon(offset),
        }
        self.gathered = true;
        let limit = self.parts.delivery.max_uncommitted;
        if uncommitted == limit.div_ceil(2) {
            self.committer.hurry();
        }
        if uncommitted >= limit || self.parts.budget.is_spent() {
            self.make_room(index);
        }
    }

    /// A budget is spent: waits briefly for room, and pauses the partition if none appears.
    fn make_room(&mut self, index: usize) {
        self.flush();
        self.committer.hurry();
        let Some(slot) = self.slots.at(index) else { return };
        let limit = self.parts.delivery.max_uncommitted;
        let budget = &self.parts.budget;
        let has_room = || budget.has_room() && slot.epoch.uncommitted() <= limit / 2;
        // Where others are paused already there was no room a moment ago: a topic of a thousand
        // partitions must not wait a thousand times.
        let patience = if self.waiting { Duration::ZERO } else { WAIT_FOR_ROOM };
        if slot.paused || budget.wait_for(patience, has_room) {
            return;
        }
        match self.consumer.pause(&partition_list(std::slice::from_ref(slot.source()))) {
            Ok(()) => {
                slot.paused = true;
                self.waiting = true;
                self.pauses += 1;
            }
            Err(error) => tracing::warn!(partition = %slot.source(), %error, "cannot pause a partition"),
        }
    }

    /// Resumes what was paused and has room again. A partition with nothing in flight goes on whatever
    /// the others hold: at least one record of each is always admitted.
    pub(super) fn resume(&mut self) {
        let limit = self.parts.delivery.max_uncommitted;
        let room = self.parts.budget.has_room();
        for slot in self.slots.iter_mut().filter(|slot| slot.paused) {
            let uncommitted = slot.epoch.uncommitted();
            if uncommitted > 0 && (uncommitted > limit / 2 || !room) {
                if slot.epoch.uncommitted_watermark().is_some() {
                    // What is finished makes room only once it is committed, which with an interval
                    // nobody else would ask for.
                    self.committer.hurry();
                }
                continue;
            }
            match self.consumer.resume(&partition_list(std::slice::from_ref(slot.source()))) {
                Ok(()) => slot.paused = false,
                Err(error) => tracing::warn!(partition = %slot.source(), %error, "cannot resume a partition"),
            }
        }
    }

    /// Hands over what lane entrances have gathered.
    pub(super) fn flush(&mut self) {
        if !std::mem::take(&mut self.gathered) {
            return;
        }
        self.lanes.flush();
        self.slots.iter_mut().filter_map(|slot| slot.lane.as_mut()).for_each(|lane| lane.flush());
    }
}

/// The hash that chooses a lane where no entity could be read: of the record's key, else the partition.
fn hash_of(key: Option<&[u8]>, partition: i32) -> u64 {
    let mut hasher = DefaultHasher::new();
    match key {
        Some(key) => key.hash(&mut hasher),
        None => partition.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_entity_can_be_read_the_records_key_decides_and_without_one_its_partition() {
        assert_eq!(hash_of(Some(b"entityChangeEvent-a"), 0), hash_of(Some(b"entityChangeEvent-a"), 1));
        assert_ne!(hash_of(Some(b"entityChangeEvent-a"), 0), hash_of(Some(b"entityChangeEvent-b"), 0));
        assert_eq!(hash_of(None, 3), hash_of(None, 3));
        assert_ne!(hash_of(None, 3), hash_of(None, 4));
    }
}
