//! What has to become of each record, as its feeder knows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A topic and a partition of it.
pub(crate) type Partition = (String, i32);

/// What has to become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The action gets it.
    Act,
    /// A filter drops it: it leaves no trace.
    Drop,
    /// It becomes a dead letter, and no action ever succeeds with it.
    DeadLetter,
    /// The log loses it before, or just after, it was read.
    Vanish,
}

/// What has to become of each record that was fed. The feeder writes it, before it sends the record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fates(Arc<Mutex<BTreeMap<Partition, Vec<Fate>>>>);

impl Fates {
    /// The next record of this partition.
    pub(crate) fn add(&self, topic: &str, partition: i32, fate: Fate) {
        self.with(|fates| fates.entry((topic.to_owned(), partition)).or_default().push(fate));
    }

    /// These records are no longer there to be read.
    pub(crate) fn vanish(&self, topic: &str, partition: i32, offsets: std::ops::Range<i64>) {
        self.with(|fates| {
            let fates = fates.entry((topic.to_owned(), partition)).or_default();
            for offset in offsets {
                fates[index(offset)] = Fate::Vanish;
            }
        });
    }

    /// How many records each partition was fed, or is just being fed.
    pub(crate) fn ends(&self) -> BTreeMap<Partition, i64> {
        let length = |fates: &Vec<Fate>| i64::try_from(fates.len()).expect("fewer than 2^63 records");
        self.with(|fates| fates.iter().map(|(partition, fates)| (partition.clone(), length(fates))).collect())
    }

    /// Of how many records this has to become.
    pub(crate) fn count(&self, fate: Fate) -> usize {
        self.with(|fates| fates.values().flatten().filter(|of| **of == fate).count())
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<Partition, Vec<Fate>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The place of an offset in a list of a partition's records.
pub(super) fn index(offset: i64) -> usize {
    usize::try_from(offset).expect("Kafka's offsets begin at 0")
}
