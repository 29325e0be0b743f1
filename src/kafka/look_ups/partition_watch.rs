//! An offset of each of some partitions, looked up again and again apart from reading them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::event::TopicPartition;

/// Looks up an offset of each partition that is wanted, on a thread of its own, for as long as it lives.
#[derive(Debug)]
pub(in crate::kafka) struct PartitionWatch {
    offsets: Arc<Mutex<Offsets>>,
    /// Dropping it ends the thread.
    _alive: Sender<()>,
}

/// What is looked up, and what the last look has found.
#[derive(Debug, Default)]
struct Offsets {
    wanted: Vec<TopicPartition>,
    found: HashMap<TopicPartition, i64>,
}

impl PartitionWatch {
    /// Starts to `look`, `every` so long, on a thread of this `name`. What was found before holds while a look
    /// finds nothing out (`None`). What `look` owns lives until the last look has ended.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub(in crate::kafka) fn start(
        name: &str,
        every: Duration,
        mut look: impl FnMut(&[TopicPartition]) -> Option<HashMap<TopicPartition, i64>> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (alive, ended) = bounded::<()>(0);
        let offsets = Arc::<Mutex<Offsets>>::default();
        let shared = Arc::clone(&offsets);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                // Not held while it looks: that may take as long as a request does.
                let asked = locked(&shared).wanted.clone();
                if let Some(mut found) = look(&asked) {
                    let mut offsets = locked(&shared);
                    // Some may have been forgotten meanwhile.
                    found.retain(|source, _| offsets.wanted.contains(source));
                    offsets.found = found;
                }
            }
        })?;
        Ok(Self { offsets, _alive: alive })
    }

    /// The partitions to look at from now on.
    pub(in crate::kafka) fn want(&self, sources: Vec<TopicPartition>) {
        locked(&self.offsets).wanted = sources;
    }

    /// Looks no more at these, and knows nothing of them.
    pub(in crate::kafka) fn forget(&self, sources: &[TopicPartition]) {
        let mut offsets = locked(&self.offsets);
        offsets.wanted.retain(|source| !sources.contains(source));
        offsets.found.retain(|source, _| !sources.contains(source));
    }

    /// What the last look has found of a partition.
    pub(in crate::kafka) fn of(&self, source: &TopicPartition) -> Option<i64> {
        locked(&self.offsets).found.get(source).copied()
    }
}

fn locked(offsets: &Mutex<Offsets>) -> MutexGuard<'_, Offsets> {
    offsets.lock().unwrap_or_else(PoisonError::into_inner)
}
