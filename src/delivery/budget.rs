//! How much a pipeline may hold: bytes of records that are with the lanes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The bytes that a pipeline holds, and a bell that rings when room may have appeared.
///
/// The polling thread adds, lanes release. A commit frees room in a partition's own budget and rings
/// the same bell.
#[derive(Debug)]
pub struct Budget {
    limit_bytes: usize,
    held_bytes: AtomicUsize,
    /// Whether the polling thread listens: nobody rings for an empty room.
    waiting: AtomicBool,
    bell: Mutex<()>,
    rung: Condvar,
}

impl Budget {
    /// A budget of `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            held_bytes: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
            bell: Mutex::new(()),
            rung: Condvar::new(),
        }
    }

    /// Takes `bytes`. Never refuses: the record is already here; the caller pauses what follows.
    pub fn take(&self, bytes: usize) {
        self.held_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Gives `bytes` back.
    pub fn release(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.ring();
    }

    /// Bytes held now.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Acquire)
    }

    /// Whether the limit is reached: partitions that receive a record now should pause.
    pub fn is_spent(&self) -> bool {
        self.held_bytes() >= self.limit_bytes
    }

    /// Whether so much is free again that paused partitions may go on.
    pub fn has_room(&self) -> bool {
        self.held_bytes() <= self.limit_bytes / 2
    }

    /// Wakes the polling thread if it waits for room.
    pub fn ring(&self) {
        // Behind the caller's own store and before this load, so that a waiter that has just looked
        // in vain is either seen here or sees what was freed.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) {
            drop(self.bell.lock().unwrap_or_else(PoisonError::into_inner));
            self.rung.notify_all();
        }
    }

    /// Waits until `has_room` says so, or `at_most` has passed. Returns whether there is room.
    pub fn wait_for(&self, at_most: Duration, has_room: impl Fn() -> bool) -> bool {
        let guard = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.store(true, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
        let (_guard, outcome) = self
            .rung
            .wait_timeout_while(guard, at_most, |()| !has_room())
            .unwrap_or_else(PoisonError::into_inner);
        self.waiting.store(false, Ordering::SeqCst);
        !outcome.timed_out()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn releasing_wakes_whoever_waits_for_room() {
        let budget = Arc::new(Budget::new(10));
        budget.take(12);
        assert!(budget.is_spent());
        let releaser = std::thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.release(12)
        });
        assert!(budget.wait_for(Duration::from_secs(30), || budget.has_room()));
        releaser.join().unwrap();
    }

    #[test]
    fn waiting_ends_when_no_room_appears() {
        let budget = Budget::new(10);
        budget.take(10);
        assert!(!budget.wait_for(Duration::from_millis(1), || budget.has_room()));
    }
}
