//! The events that are in their action, and since when: an action that hangs says nothing by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Position, TopicPartition};

/// An event that is in its action for longer is told.
pub const LONG: Duration = Duration::from_secs(30);

/// The events of one pipeline whose first attempt has begun and whose last one is not over: in their action, waiting
/// for its next attempt, or then for a permit (`concurrency`). What waits for a permit before its first attempt is
/// not among them, and an action that ends at once never gets here.
#[derive(Debug, Default)]
pub struct InAction(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    entered: u64,
    /// By the order in which they came.
    events: BTreeMap<u64, Event>,
}

#[derive(Debug)]
struct Event {
    position: Position,
    since: Instant,
    failed: u32,
    attempts: u32,
}

/// One event's stay in its action, which ends when this is dropped.
#[derive(Debug)]
pub struct Stay<'a> {
    among: &'a InAction,
    number: u64,
}

impl InAction {
    /// The event at `position` is in its action since `since`, and gets so many `attempts` at most.
    pub fn enter(&self, position: Position, since: Instant, attempts: u32) -> Stay<'_> {
        let mut inside = self.locked();
        let number = inside.entered;
        inside.entered += 1;
        inside.events.insert(number, Event { position, since, failed: 0, attempts });
        Stay { among: self, number }
    }

    /// How long the oldest one has been there; zero where there is none.
    pub fn longest(&self) -> Duration {
        let inside = self.locked();
        oldest(inside.events.values()).map_or(Duration::ZERO, |event| event.since.elapsed())
    }

    /// Says of the oldest event of these partitions where it stands and how long it has been there.
    pub fn about_oldest(&self, partitions: impl Fn(&TopicPartition) -> bool) -> Option<String> {
        let inside = self.locked();
        oldest(inside.events.values().filter(|event| partitions(&event.position.source))).map(Event::tell)
    }

    /// What there is to say of events that have been there for longer than [`LONG`].
    pub fn about_long(&self) -> Option<String> {
        let inside = self.locked();
        let is_long = |event: &&Event| event.since.elapsed() > LONG;
        let text = oldest(inside.events.values().filter(is_long))?.tell();
        Some(match inside.events.values().filter(is_long).count() {
            1 => text,
            more => format!("{text}; {} more for longer than {} s", more - 1, LONG.as_secs()),
        })
    }

    /// Nothing panics while it holds this lock.
    fn locked(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn oldest<'a>(events: impl Iterator<Item = &'a Event>) -> Option<&'a Event> {
    events.min_by_key(|event| event.since)
}

impl Event {
    fn tell(&self) -> String {
        let Self { position, since, failed, attempts } = self;
        let seconds = since.elapsed().as_secs();
        format!("{position} has been in its action for {seconds} s, {failed} of {attempts} attempts failed")
    }
}

impl Stay<'_> {
    /// One more attempt has failed.
    pub fn failed(&self) {
        if let Some(event) = self.among.locked().events.get_mut(&self.number) {
            event.failed += 1;
        }
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.among.locked().events.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(partition: i32) -> Position {
        Position { source: TopicPartition { topic: "t".into(), partition }, offset: 7 }
    }

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).expect("a machine that runs for minutes")
    }

    #[test]
    fn the_oldest_event_is_told_once_it_is_there_for_long_and_until_it_is_over() {
        let events = InAction::default();
        let young = events.enter(position(0), ago(20), 1);
        assert_eq!(events.about_long(), None);
        let old = events.enter(position(1), ago(95), 4);
        old.failed();
        let says = "t[1]@7 has been in its action for 95 s, 1 of 4 attempts failed";
        assert_eq!(events.about_long().as_deref(), Some(says));
        let oldest = events.enter(position(2), ago(100), 1);
        let says =
            "t[2]@7 has been in its action for 100 s, 0 of 1 attempts failed; 1 more for longer than 30 s";
        assert_eq!(events.about_long().as_deref(), Some(says));
        drop((old, oldest));
        assert_eq!(events.about_long(), None);
        assert!(events.longest() >= Duration::from_secs(20));
        drop(young);
        assert_eq!(events.longest(), Duration::ZERO);
    }

    #[test]
    fn the_oldest_event_of_some_partitions_is_told_whatever_there_is_of_others() {
        let events = InAction::default();
        let _stays = [(0, 50), (1, 5), (1, 9)]
            .map(|(partition, seconds)| events.enter(position(partition), ago(seconds), 1));
        let about = |partition| events.about_oldest(|source| source.partition == partition);
        assert!(about(1).is_some_and(|text| text.starts_with("t[1]@7 has been in its action for 9 s")));
        assert_eq!(about(2), None);
    }
}
