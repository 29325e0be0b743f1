//! Who feeds a run: the run itself, or a thread in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::{Feeder, Mix, wait_until};

/// How far the feeder runs ahead of what is finished: so far that there is always something to do, and
/// that a fault strikes at the same record whenever the run is repeated, more or less.
const FED_AHEAD: usize = 5_000;
/// Records between two moments at which the feeder waits for Kafka.
const PORTION: usize = 500;

/// Who has the feeder.
pub(crate) enum Feeding {
    Here(Box<Feeder>),
    There {
        thread: JoinHandle<Box<Feeder>>,
        stop: StopOnDrop,
    },
    /// Only while it changes hands.
    Nowhere,
}

/// Tells the feeding thread to stop, also where a run ends early.
pub(crate) struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What is fed in the background.
pub(crate) struct Food {
    pub(crate) topic: String,
    pub(crate) partitions: i32,
    pub(crate) records: usize,
    pub(crate) mix: Mix,
    /// At most so many records a second.
    pub(crate) pace: usize,
}

impl Feeding {
    /// The feeder, once all that it was told to feed is fed.
    ///
    /// # Panics
    /// If that takes longer than `patience`.
    pub(crate) fn here(&mut self, patience: Duration) -> &mut Feeder {
        *self = match std::mem::replace(self, Self::Nowhere) {
            // Joined before `_stop` goes: the thread feeds all that it was told to.
            Self::There { thread, stop: _stop } => {
                wait_until("everything to be fed", patience, || thread.is_finished());
                Self::Here(thread.join().expect("Kafka takes everything that is fed"))
            }
            here => here,
        };
        match self {
            Self::Here(feeder) => feeder,
            Self::There { .. } | Self::Nowhere => unreachable!("it was just put here"),
        }
    }

    /// Feeds in the background, never far ahead of what is `finished` of all that was ever fed.
    ///
    /// # Panics
    /// If what was fed before takes longer than `patience`.
    pub(crate) fn there(&mut self, food: Food, finished: Arc<AtomicUsize>, patience: Duration) {
        let before: usize = self.here(patience).fates().ends().values().map(|end| *end as usize).sum();
        let Self::Here(mut feeder) = std::mem::replace(self, Self::Nowhere) else {
            unreachable!("it was just put here")
        };
        let stop = Arc::new(AtomicBool::new(false));
        let told_to_stop = Arc::clone(&stop);
        let begun = Instant::now();
        let thread = std::thread::spawn(move || {
            let Food { topic, partitions, records, mix, pace } = food;
            for nth in 0..records {
                let may_feed = || {
                    let in_time =
                        pace == usize::MAX || begun.elapsed().as_secs_f64() * pace as f64 >= nth as f64;
                    in_time && before + nth < finished.load(Ordering::Acquire) + FED_AHEAD
                };
                while !told_to_stop.load(Ordering::Acquire) && !may_feed() {
                    std::thread::sleep(Duration::from_millis(2));
                }
                if told_to_stop.load(Ordering::Acquire) {
                    break;
                }
                feeder.mixed(&topic, partitions, mix);
                if nth % PORTION == PORTION - 1 {
                    feeder.flush();
                }
            }
            feeder.flush();
            feeder
        });
        *self = Self::There { thread, stop: StopOnDrop(stop) };
    }

    /// Tells the feeder to stop where it is.
    pub(crate) fn stop(&mut self) {
        if let Self::There { stop, .. } = self {
            stop.0.store(true, Ordering::Release);
        }
    }

    /// Whether all is fed that was to be.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::There { thread, .. } => thread.is_finished(),
            Self::Here(_) | Self::Nowhere => true,
        }
    }
}

#[test]
fn the_same_seed_feeds_the_same_records_with_the_same_fates_and_another_one_others() {
    use datahub_relay::embedded::EmbeddedBroker;

    use crate::harness::Place;
    use crate::run::USUAL;

    let broker = EmbeddedBroker::start(&[("topic", 4)]).expect("a broker");
    let fed = |seed| {
        let mut feeder = Feeder::new(&broker, seed);
        let mix = Mix { bad: 50, ..USUAL };
        let places: Vec<Place> = (0..500).map(|_| feeder.mixed("topic", 4, mix)).collect();
        (places, format!("{:?}", feeder.fates()))
    };
    assert_eq!(fed(7), fed(7));
    assert_ne!(fed(7), fed(8));
}
