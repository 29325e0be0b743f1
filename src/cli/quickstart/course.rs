//! The course of a quickstart: start, feed, wait until Kafka says that all is committed, tell.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::QuickstartError;
use super::fate::{Fate, FateFinder, Fed};
use super::folder;
use super::offsets::{GroupOffsets, Standing};
use super::story::{Left, Stage, Story};
use super::witness::{Taken, Witness};
use crate::avro::{Decoder, SchemaRegistry};
use crate::cli::signals;
use crate::embedded::{EmbeddedDatahub, FeedRecord, Feeder, Samples};
use crate::environment::Environment;
use crate::pipeline::{Ended, Pipeline, Surroundings};
use crate::recipe::Recipe;
use crate::telemetry::{HealthBoard, Metrics, MonitoringError, MonitoringServer};

/// The example recipe that runs.
const RECIPE: &str = include_str!("../../../config/recipes/quickstart.yml");

/// Partitions of each topic.
const PARTITIONS: i32 = 3;

/// Random events that are fed in one go. The broker keeps 5 MiB a partition, so no more than two such
/// portions may wait there at any time.
const PORTION: u64 = 10_000;

/// The time between two looks at what is committed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The time between two events once the story is told.
const NOW_AND_THEN: Duration = Duration::from_millis(1500);

/// Without a sign of life from a polling thread for so long, `/livez` fails.
const STALL: Duration = Duration::from_secs(60);

/// What was asked for on the command line.
pub(super) struct Plan {
    /// End once everything is committed.
    pub(super) once: bool,
    /// How many random events to feed.
    pub(super) events: u64,
    /// How long nothing may be committed while something should be.
    pub(super) patience: Duration,
    /// Where metrics and the status page are shown.
    pub(super) monitoring: SocketAddr,
    /// If that address is in use, any port is as good.
    pub(super) another_port_will_do: bool,
}

/// A quickstart under way.
struct Course {
    feeder: Feeder,
    samples: Samples,
    finder: FateFinder,
    offsets: GroupOffsets,
    patience: Duration,
    stop: CancellationToken,
    running: JoinHandle<Ended>,
    /// How many records were fed in.
    fed: u64,
}

/// Runs a quickstart from its start to its end.
///
/// # Errors
/// Why it did not come to a good end.
pub(super) async fn run(
    plan: &Plan,
    environment: &Environment,
    runtime: &Handle,
) -> Result<(), QuickstartError> {
    let folder =
        folder::create(environment).map_err(|(path, source)| QuickstartError::Folder { path, source })?;
    let datahub = EmbeddedDatahub::start(PARTITIONS)?;
    let paths = Paths::below(&folder);
    let recipe = load_recipe(&datahub, &paths)?;
    let surroundings = Surroundings {
        runtime: runtime.clone(),
        metrics: Arc::new(Metrics::new()),
        board: Arc::new(HealthBoard::new(STALL)),
    };
    let monitoring = monitoring(plan, &surroundings).await?;
    let stop = signals::stop_in_order();

    let mut story = Story::new(std::io::stdout());
    let (registry, status) = (datahub.registry_url(), format!("http://{}", monitoring.address()));
    let stage = Stage {
        bootstrap: datahub.bootstrap(),
        registry: &registry,
        monitoring: &status,
        partitions: PARTITIONS,
        recipe: &paths.recipe,
    };
    story.started(&stage, RECIPE)?;

    let group = recipe.consumer.group_id.clone();
    let dead_letters = recipe.delivery.failed_events_file(&recipe.name);
    let mut course = Course::begin(plan, recipe, &datahub, (&surroundings, stop)).await?;
    let told = course.tell(plan, &mut story, &group).await;
    // Whatever came of it, the pipeline ends in order.
    course.stop.cancel();
    let Course { running, fed, .. } = course;
    let ended = running.await.map_err(|_| QuickstartError::Ended)?;
    monitoring.stop().await;
    ended.result?;
    told?;
    let left = Left { action_file: &paths.action_file, dead_letters: &dead_letters, recipe: &paths.recipe };
    story.ended(&ended.summary, &left)?;
    let summary = ended.summary;
    let ended = summary.acted + summary.dropped + summary.dead_lettered;
    if plan.once && ended < fed {
        return Err(QuickstartError::Miscounted { fed, ended });
    }
    Ok(())
}

/// Where things are in the quickstart's directory.
struct Paths {
    recipe: PathBuf,
    action_file: PathBuf,
    dead_letters: PathBuf,
}

impl Paths {
    fn below(folder: &Path) -> Self {
        Self {
            recipe: folder.join("quickstart.yml"),
            action_file: folder.join("events.jsonl"),
            dead_letters: folder.to_owned(),
        }
    }
}

/// Loads the example as `run` loads a recipe, with nothing in its environment but what is here.
fn load_recipe(datahub: &EmbeddedDatahub, paths: &Paths) -> Result<Recipe, QuickstartError> {
    std::fs::write(&paths.recipe, RECIPE)
        .map_err(|source| QuickstartError::Recipe { path: paths.recipe.clone(), source })?;
    let (action_file, dead_letters) =
        (paths.action_file.to_string_lossy(), paths.dead_letters.to_string_lossy());
    let environment = Environment::from([
        ("KAFKA_BOOTSTRAP_SERVER", datahub.bootstrap()),
        ("SCHEMA_REGISTRY_URL", &datahub.registry_url()),
        // The mock cluster lets the first member of a classic group wait for three seconds.
        ("KAFKA_GROUP_PROTOCOL", "consumer"),
        ("QUICKSTART_FILE", &action_file),
        ("FAILED_EVENTS_DIR", &dead_letters),
    ]);
    let loaded = crate::cli::load(std::slice::from_ref(&paths.recipe), &environment);
    let problems = || loaded.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    loaded.recipes.first().cloned().ok_or_else(|| QuickstartError::Loading(problems()))
}

async fn monitoring(plan: &Plan, surroundings: &Surroundings) -> Result<MonitoringServer, MonitoringError> {
    let start = |address| {
        MonitoringServer::start(address, Arc::clone(&surroundings.metrics), Arc::clone(&surroundings.board))
    };
    match start(plan.monitoring).await {
        Err(MonitoringError::InUse { .. }) if plan.another_port_will_do => {
            start(SocketAddr::new(plan.monitoring.ip(), 0)).await
        }
        started => started,
    }
}

impl Course {
    /// Builds the pipeline, lets it run, and feeds nothing yet.
    async fn begin(
        plan: &Plan,
        recipe: Recipe,
        datahub: &EmbeddedDatahub,
        (surroundings, stop): (&Surroundings, CancellationToken),
    ) -> Result<Self, QuickstartError> {
        let taken = Arc::new(Taken::default());
        let registry = SchemaRegistry::new(&recipe.registry).map_err(crate::pipeline::BuildError::from)?;
        let finder = FateFinder {
            decoder: Decoder::new(Arc::new(registry)),
            filters: recipe.filters.clone(),
            transforms: recipe.transforms.clone(),
            routes: recipe.consumer.topics.clone(),
            taken: Arc::clone(&taken),
            dead_letters: recipe.delivery.failed_events_file(&recipe.name),
        };
        let offsets = GroupOffsets::of(recipe.consumer.clone()).await?;
        let pipeline =
            Pipeline::build_around(recipe, surroundings, |action| Arc::new(Witness::around(action, taken)))?;
        Ok(Self {
            feeder: Feeder::connect(datahub.bootstrap())?,
            samples: Samples::read(),
            finder,
            offsets,
            patience: plan.patience,
            running: tokio::spawn(pipeline.run(stop.clone())),
            stop,
            fed: 0,
        })
    }

    /// Feeds, waits and tells, as the plan says.
    async fn tell<W: Write>(
        &mut self,
        plan: &Plan,
        story: &mut Story<W>,
        group: &str,
    ) -> Result<(), QuickstartError> {
        let tour = self.feed(self.samples.tour()).await?;
        let standings = self.until(|standings| uncommitted(standings) == 0).await?;
        let missing = self.tell_fates(story, tour).await?;
        story.standings(group, &standings)?;
        if missing > 0 {
            return Err(QuickstartError::Missing(missing));
        }
        if plan.events > 0 {
            let seconds = self.load(plan.events).await?;
            story.load(plan.events, seconds)?;
        }
        if plan.once {
            return Ok(());
        }
        story.goes_on()?;
        self.go_on(story).await
    }

    async fn tell_fates<W: Write>(
        &self,
        story: &mut Story<W>,
        tour: Vec<Fed>,
    ) -> Result<usize, QuickstartError> {
        let letters = self.finder.letters()?;
        let mut told = Vec::with_capacity(tour.len());
        for fed in tour {
            let (words, fate) = self.finder.find(&fed, &letters).await;
            told.push((fed, words, fate));
        }
        story.fates(&told)?;
        story.dead_letters(&letters, &self.finder.dead_letters)?;
        Ok(told.iter().filter(|(.., fate)| matches!(fate, Fate::Missing(_))).count())
    }

    /// Feeds so many random events and waits until they are committed. Returns how long it took, in
    /// seconds.
    async fn load(&mut self, events: u64) -> Result<f64, QuickstartError> {
        let began = Instant::now();
        let before = self.fed;
        // Not shown where standard error is no terminal.
        let progress = ProgressBar::new(events).with_style(progress_style());
        let mut random = fastrand::Rng::new();
        let committed = |fed: u64, standings: &[Standing]| {
            (fed - before).saturating_sub(u64::try_from(uncommitted(standings)).unwrap_or(0))
        };
        while self.fed - before < events {
            let portion = PORTION.min(events - (self.fed - before));
            let records: Vec<FeedRecord> = (0..portion).map(|_| self.samples.random(&mut random)).collect();
            self.feed(records).await?;
            let room = i64::try_from(PORTION).unwrap_or(i64::MAX);
            let standings = self.until(|standings| uncommitted(standings) <= room).await?;
            progress.set_position(committed(self.fed, &standings));
        }
        self.until(|standings| uncommitted(standings) == 0).await?;
        progress.finish_and_clear();
        Ok(began.elapsed().as_secs_f64())
    }

    /// Feeds an event now and then until somebody stops it.
    async fn go_on<W: Write>(&mut self, story: &mut Story<W>) -> Result<(), QuickstartError> {
        let mut random = fastrand::Rng::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(NOW_AND_THEN) => {}
            }
            let record = self.samples.random(&mut random);
            for fed in self.feed([record]).await? {
                let is_past = |standings: &[Standing]| standings.iter().any(|at| at.is_past(&fed.position));
                match self.until(is_past).await {
                    Ok(_) => {}
                    // Ctrl-C: the event comes to its end with the pipeline.
                    Err(QuickstartError::Stopped) => return Ok(()),
                    Err(error) => return Err(error),
                }
                let (words, fate) = self.finder.find(&fed, &self.finder.letters()?).await;
                story.one_more(&fed, &words, &fate)?;
            }
        }
    }

    async fn feed(
        &mut self,
        records: impl IntoIterator<Item = FeedRecord>,
    ) -> Result<Vec<Fed>, QuickstartError> {
        let records: Vec<FeedRecord> = records.into_iter().collect();
        let positions = self.feeder.feed(records.iter().cloned()).await?;
        self.fed += u64::try_from(records.len()).unwrap_or(0);
        Ok(records.into_iter().zip(positions).map(|(record, position)| Fed { record, position }).collect())
    }

    /// Asks Kafka again and again until its answer is `enough`. Gives up when nothing more was
    /// committed for as long as the patience lasts.
    async fn until(
        &mut self,
        enough: impl Fn(&[Standing]) -> bool,
    ) -> Result<Vec<Standing>, QuickstartError> {
        let mut last = None;
        let mut last_move = Instant::now();
        loop {
            let standings = self.offsets.ask().await?;
            if enough(&standings) {
                return Ok(standings);
            }
            if self.stop.is_cancelled() {
                return Err(QuickstartError::Stopped);
            }
            if self.running.is_finished() {
                return Err(QuickstartError::Ended);
            }
            let committed: i64 = standings.iter().map(|standing| standing.committed).sum();
            if last != Some(committed) {
                (last, last_move) = (Some(committed), Instant::now());
            } else if last_move.elapsed() >= self.patience {
                let seconds = self.patience.as_secs();
                return Err(QuickstartError::Unfinished { seconds, missing: what_is_missing(&standings) });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn uncommitted(standings: &[Standing]) -> i64 {
    standings.iter().map(Standing::uncommitted).sum()
}

fn what_is_missing(standings: &[Standing]) -> String {
    let behind = standings.iter().filter(|standing| standing.uncommitted() > 0);
    let texts: Vec<String> = behind
        .map(|Standing { source, committed, end }| {
            format!("{source} is committed up to {committed} of {end}")
        })
        .collect();
    texts.join(", ")
}

fn progress_style() -> ProgressStyle {
    ProgressStyle::with_template("  {wide_bar} {human_pos} of {human_len} committed, {eta} to go")
        .expect("a test draws with this template")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TopicPartition;

    #[test]
    fn what_is_missing_names_each_partition_that_is_behind() {
        let standing = |partition, committed, end| Standing {
            source: TopicPartition { topic: "topic".into(), partition },
            committed,
            end,
        };
        let standings = [standing(0, 3, 3), standing(1, 2, 5)];
        assert_eq!(what_is_missing(&standings), "topic[1] is committed up to 2 of 5");
        assert_eq!(uncommitted(&standings), 3);
    }

    #[test]
    fn the_progress_bar_can_be_drawn() {
        progress_style();
    }
}
