//! One run: what is fed, which faults strike and when, and whether the invariants hold.

mod judgement;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::feeding::{Feeding, Food};
use crate::harness::{
    Broker, Cause, CommitHistory, Deliveries, Feeder, Letters, Mix, Observer, OrderedBy, Partition, RECOVERY,
    Recipe, Relay, Scene, View, WANTED_ASPECT,
};
use crate::report::{Bound, Failure, Verdict};
use crate::scale::{Scale, Size};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The bytes of records that a process holds.
const HELD: &str = "datahub_relay_in_flight_bytes";

/// What most rows are fed: one record in ten is dropped by the filter, a few cannot be decoded.
pub(crate) const USUAL: Mix = Mix { dropped: 100, bad: 2, schema_id: None };

/// Where a row is played, and with which program.
pub(crate) struct Stage<'a> {
    pub(crate) broker: &'a dyn Broker,
    /// Whether `broker` is a real Kafka, whose log of commits can be read.
    pub(crate) real: bool,
    pub(crate) scale: Scale,
    /// The defect that the program is given on purpose.
    pub(crate) mutant: Option<&'static str>,
}

/// One run.
pub(crate) struct Run<'a> {
    pub(crate) scene: Scene<'a>,
    pub(crate) size: Size,
    pub(crate) topic: String,
    /// The faults' own randomness.
    pub(crate) rng: Rng,
    observer: Observer,
    feeding: Feeding,
    fates: crate::harness::Fates,
    history: Option<CommitHistory>,
    title: String,
    faults: BTreeMap<String, usize>,
    bound: Bound,
    notes: Vec<String>,
    begun: Instant,
    mutant: bool,
    patience: Duration,
}

/// What a run looks at; most rows read one action log, in which order is by partition.
pub(crate) struct Watching {
    pub(crate) deliveries: Vec<Box<dyn Deliveries>>,
    pub(crate) ordered_by: OrderedBy,
    /// Dead letters beside those in the files.
    pub(crate) letters: Option<Box<dyn Letters>>,
}

impl<'a> Run<'a> {
    /// Begins the run of a row: `name` names its topic and group.
    pub(crate) fn begin(stage: &Stage<'a>, row: u32, name: &str) -> Self {
        Self::begin_watching(stage, row, name, |scene| {
            let deliveries: Vec<Box<dyn Deliveries>> = vec![Box::new(scene.action_log())];
            Watching { deliveries, ordered_by: OrderedBy::Partition, letters: None }
        })
    }

    /// The same, with `watch` saying where it is known from what the action got.
    pub(crate) fn begin_watching(
        stage: &Stage<'a>,
        row: u32,
        name: &str,
        watch: impl FnOnce(&Scene<'_>) -> Watching,
    ) -> Self {
        let size = stage.scale.of(row);
        let mutant = stage.mutant.map(|mutant| format!("-{mutant}")).unwrap_or_default();
        let mut scene = Scene::on(stage.broker, &format!("row-{row:02}-{name}{mutant}"));
        if let Some(mutant) = stage.mutant {
            scene.set_environment("DATAHUB_RELAY_MUTANT", mutant);
        }
        let topic = scene.topic("versioned", size.partitions);
        let history = stage.real.then(|| CommitHistory::from_now(stage.broker));
        let feeder = scene.feeder();
        let fates = feeder.fates();
        let Watching { deliveries, ordered_by, letters } = watch(&scene);
        let mut dead_letters: Vec<Box<dyn Letters>> =
            vec![Box::new(scene.dead_letters()), Box::new(scene.second_dead_letters())];
        dead_letters.extend(letters);
        let view = View { deliveries, dead_letters, fates: Some(fates.clone()), ordered_by };
        // Row 13 adds partitions; that others do not exist is no error.
        let watched = size.partitions + if row == 13 { 2 } else { 0 };
        let observer = Observer::of(scene.committed(&[(&topic, watched)]), view);
        Self {
            rng: Rng::with_seed(scene.seed),
            scene,
            size,
            topic,
            observer,
            feeding: Feeding::Here(Box::new(feeder)),
            fates,
            history,
            title: format!("row {row}, {name}{mutant}"),
            faults: BTreeMap::new(),
            bound: Bound { of_each: 0, partitions: 0, why: "nothing comes again".to_owned() },
            notes: Vec::new(),
            begun: Instant::now(),
            mutant: stage.mutant.is_some(),
            patience: stage.scale.patience(),
        }
    }

    /// The recipe: it reads the run's topic and drops what [`USUAL`] says.
    pub(crate) fn recipe(&self) -> Recipe {
        self.of(self.scene.recipe())
    }

    /// Any recipe of the scene, made to read the run's topic.
    pub(crate) fn of(&self, recipe: Recipe) -> Recipe {
        recipe.change_logs(&self.topic).only_aspect(WANTED_ASPECT)
    }

    /// Feeds this many records in the background, never far ahead of what is finished.
    pub(crate) fn feed(&mut self, records: usize, mix: Mix) {
        self.feed_at(records, mix, usize::MAX);
    }

    /// The same, and no more than `pace` records a second.
    pub(crate) fn feed_at(&mut self, records: usize, mix: Mix, pace: usize) {
        let food = Food { topic: self.topic.clone(), partitions: self.size.partitions, records, mix, pace };
        self.feeding.there(food, self.observer.finished(), self.patience);
    }

    /// The feeder, once all that it was told to feed is fed.
    pub(crate) fn feeder(&mut self) -> &mut Feeder {
        self.feeding.here(self.patience)
    }

    /// Tells the feeder to stop where it is.
    pub(crate) fn stop_feeding(&mut self) {
        self.feeding.stop();
    }

    /// Feeds records of `mix` now.
    pub(crate) fn feed_now(&mut self, records: usize, mix: Mix) {
        let (topic, partitions) = (self.topic.clone(), self.size.partitions);
        let feeder = self.feeder();
        for _ in 0..records {
            feeder.mixed(&topic, partitions, mix);
        }
        feeder.flush();
    }

    /// How many records were fed so far.
    pub(crate) fn fed(&self) -> usize {
        self.fates.ends().values().map(|end| *end as usize).sum()
    }

    /// What has to become of each record.
    pub(crate) fn fates(&self) -> &crate::harness::Fates {
        &self.fates
    }

    /// After how many finished records each fault strikes: drawn with the run's seed, ascending.
    pub(crate) fn schedule(&mut self, records: usize) -> Vec<usize> {
        let (first, last) = (records / 20, records - records / 10);
        let mut schedule: Vec<usize> = (0..self.size.faults).map(|_| self.rng.usize(first..last)).collect();
        schedule.sort_unstable();
        schedule
    }

    /// A fault strikes.
    pub(crate) fn strike(&mut self, what: &str) {
        *self.faults.entry(what.to_owned()).or_default() += 1;
        self.observer.fault_begins();
    }

    /// A fault strikes that can make so many events of each partition come again, now or while it lasts.
    pub(crate) fn strike_that_repeats(&mut self, what: &str, may_repeat: usize) {
        self.strike(what);
        self.observer.fault_may_repeat(Cause { what: what.to_owned(), may_repeat, at_once: false });
    }

    /// A fault has ended whoever acted, and nobody acts yet: so many events of each partition can come again for it.
    pub(crate) fn nobody_is_left(&self, what: &str, may_repeat: usize) {
        // What they did before is not taken for what came since.
        self.observer.catch_up();
        self.observer.fault_may_repeat(Cause { what: what.to_owned(), may_repeat, at_once: true });
    }

    /// The fault is over.
    pub(crate) fn over(&self) {
        self.over_but_for(Duration::ZERO);
    }

    /// The fault is over, and its last effect is after this time at most.
    pub(crate) fn over_but_for(&self, aftermath: Duration) {
        self.observer.fault_is_over(&self.fates.ends(), aftermath + RECOVERY);
    }

    /// Waits until all partitions have moved that had lag when the last fault was over, or have taken too long for it.
    pub(crate) fn until_recovered(&mut self) -> Verdict {
        self.wait("the group to move again after a fault", || !self.observer.is_recovering())
    }

    /// How many faults have struck.
    pub(crate) fn struck(&self) -> usize {
        self.faults.values().sum()
    }

    /// So many events of each of so many partitions may come again in all, and for this reason.
    pub(crate) fn allow_repeated(&mut self, of_each: usize, partitions: usize, why: impl Into<String>) {
        self.bound = Bound { of_each, partitions, why: why.into() };
    }

    /// What the report says beside its figures.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Waits for a condition.
    ///
    /// # Errors
    /// As soon as an invariant does not hold, and if the condition does not hold in time.
    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) -> Verdict {
        let begun = Instant::now();
        let within = self.patience;
        while !condition() {
            let violations = self.observer.seen().ledger.violations().to_vec();
            if !violations.is_empty() {
                self.give_up(&violations);
                return Err(Failure::Broken(violations));
            }
            if begun.elapsed() > within {
                return Err(self.break_off(format!(
                    "waited {within:?} in vain for {what}: {} of {} records are finished; the test's files are \
                     in {}",
                    self.finished(),
                    self.fed(),
                    self.scene.directory().display(),
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// How many records are finished.
    pub(crate) fn finished(&self) -> usize {
        self.observer.finished().load(Ordering::Acquire)
    }

    /// How many lines the action logs hold.
    pub(crate) fn lines(&self) -> usize {
        self.observer.seen().ledger.lines()
    }

    /// How many different dead letters there are.
    pub(crate) fn dead(&self) -> usize {
        self.observer.seen().ledger.dead()
    }

    /// What was committed when it was last seen.
    pub(crate) fn committed(&self) -> BTreeMap<Partition, i64> {
        self.observer.seen().ledger.last_committed().clone()
    }

    /// Waits until so many records are finished.
    pub(crate) fn until_finished(&self, records: usize) -> Verdict {
        let finished: Arc<AtomicUsize> = self.observer.finished();
        self.wait(&format!("{records} records to be finished"), || {
            finished.load(Ordering::Acquire) >= records
        })
    }

    /// Waits until the feeder has fed all that it was told to. It never runs far ahead, so it waits for
    /// ever where records do not finish: that is noticed here.
    fn until_fed(&self) -> Verdict {
        while !self.feeding.is_done() {
            let before = self.finished();
            self.wait("more records to be finished", || self.feeding.is_done() || self.finished() > before)?;
        }
        Ok(())
    }

    /// Waits until everything is fed and committed, while `relay` goes on running.
    pub(crate) fn until_all_committed(&mut self, relays: &mut [&mut Relay]) -> Verdict {
        self.until_fed()?;
        let ends = self.feeder().ends();
        let mut ended = None;
        self.wait("everything to be committed and no record to be held in memory", || {
            ended = relays.iter_mut().find_map(|relay| Some((relay.ended()?, relay.log())));
            // Where nothing was left to do a process may not even listen for signals yet.
            let up = relays.iter().all(|relay| relay.ready().is_some());
            // Whatever became of an event, of its assignment or of its lane: its bytes are not held for ever.
            let holds_none = |relay: &&mut Relay| relay.metric(HELD, &[]) == Some(0.0);
            ended.is_some() || (up && self.committed() == ends && relays.iter().all(holds_none))
        })?;
        match ended {
            Some((ended, log)) => {
                Err(self.break_off(format!("a process ended by itself, {ended:?}:\n{log}")))
            }
            None => Ok(()),
        }
    }
}
