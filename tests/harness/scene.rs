//! Everything that one test has to itself: topics, a registry, a directory, a seed.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use datahub_relay::embedded::{EmbeddedRegistry, RegistryOptions};

use super::action_log::{ActionLog, DeadLetterLog};
use super::broker::Broker;
use super::feeder::Feeder;

use super::observer::CommittedOffsets;
use super::recipe::Recipe;
use super::relay::{Relay, Surroundings};
use super::writer::Writer;

/// The stage of one test. Its directory goes with it, unless the test failed.
pub(crate) struct Scene<'a> {
    pub(crate) broker: &'a dyn Broker,
    pub(crate) registry: EmbeddedRegistry,
    pub(crate) seed: u64,
    name: String,
    directory: PathBuf,
    environment: Vec<(String, String)>,
    kept: Cell<bool>,
}

impl<'a> Scene<'a> {
    /// A scene for `test` on a broker. `DATAHUB_RELAY_SEED` names the seed, for a run to be repeated.
    pub(crate) fn on(broker: &'a dyn Broker, test: &str) -> Self {
        let seed = seed();
        println!("{test}: repeat with DATAHUB_RELAY_SEED={seed}");
        // The process's own number: a broker that outlives the run sees each topic and group once.
        // Lower case and hyphens, so that the dead letters' folder has the very same name.
        let name = format!("{test}-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("the build directory can be written");
        let registry = registry(0);
        Self { broker, registry, seed, name, directory, environment: Vec::new(), kept: Cell::new(false) }
    }

    /// Keeps the scene's files for whoever looks into what failed.
    pub(crate) fn keep(&self) {
        self.kept.set(true);
    }

    /// Every process of this scene finds this environment variable.
    pub(crate) fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Takes the registry's process away: nobody listens on its port until
    /// [`registry_comes_back`](Self::registry_comes_back).
    pub(crate) fn registry_goes_down(&mut self) -> u16 {
        let port = self.registry.port();
        self.registry = registry(0);
        port
    }

    /// A registry listens on this port again, with the schemas of all writers.
    pub(crate) fn registry_comes_back(&mut self, port: u16) {
        self.registry = registry(port);
    }

    /// Creates a topic of this test's own and returns its name.
    pub(crate) fn topic(&self, kind: &str, partitions: i32) -> String {
        let topic = format!("{}-{kind}", self.name);
        assert!(self.broker.create_topic(&topic, partitions), "{topic} is new");
        topic
    }

    /// A feeder for this test's topics.
    pub(crate) fn feeder(&self) -> Feeder {
        Feeder::new(self.broker, self.seed)
    }

    /// A recipe that writes to [`action_log`](Self::action_log) and reads nothing yet. Its consumer
    /// group is [`group`](Self::group).
    pub(crate) fn recipe(&self) -> Recipe {
        self.recipe_named(&self.name)
    }

    /// A further recipe with a group, an action log and dead letters of its own.
    pub(crate) fn second_recipe(&self) -> Recipe {
        self.recipe_named(&format!("{}-second", self.name))
    }

    /// The recipe of another member of the group of [`recipe`](Self::recipe), which writes to
    /// [`second_action_log`](Self::second_action_log), as a process on another machine would.
    pub(crate) fn recipe_of_second_member(&self) -> Recipe {
        self.second_recipe().top("name", self.group())
    }

    /// The consumer group of [`recipe`](Self::recipe).
    pub(crate) fn group(&self) -> &str {
        &self.name
    }

    /// Runs recipes in one process.
    pub(crate) fn run(&self, recipes: &[&Recipe]) -> Relay {
        Relay::run(&self.directory, recipes, Surroundings::Plain, &self.environment)
    }

    /// Runs recipes in one process and waits until it is ready.
    pub(crate) fn run_until_ready(&self, recipes: &[&Recipe]) -> Relay {
        let mut relay = self.run(recipes);
        relay.wait_until_ready();
        relay
    }

    /// Runs a recipe in surroundings that a test makes use of.
    pub(crate) fn run_in(&self, surroundings: Surroundings, recipe: &Recipe) -> Relay {
        Relay::run(&self.directory, &[recipe], surroundings, &self.environment)
    }

    /// The offsets that the group of [`recipe`](Self::recipe) has committed.
    pub(crate) fn committed(&self, topics: &[(&str, i32)]) -> CommittedOffsets {
        CommittedOffsets::of(self.broker, self.group(), topics)
    }

    /// What [`recipe`](Self::recipe) acted on.
    pub(crate) fn action_log(&self) -> ActionLog {
        ActionLog::at(self.action_log_path(&self.name))
    }

    /// What [`second_recipe`](Self::second_recipe) acted on.
    pub(crate) fn second_action_log(&self) -> ActionLog {
        ActionLog::at(self.action_log_path(&format!("{}-second", self.name)))
    }

    /// The dead letters of [`recipe`](Self::recipe).
    pub(crate) fn dead_letters(&self) -> DeadLetterLog {
        DeadLetterLog::at(self.dead_letter_directory().join("failed_events.log"))
    }

    /// The dead letters of [`recipe_of_second_member`](Self::recipe_of_second_member).
    pub(crate) fn second_dead_letters(&self) -> DeadLetterLog {
        let directory = self.failed_events_directory(&format!("{}-second", self.name));
        DeadLetterLog::at(directory.join(&self.name).join("failed_events.log"))
    }

    /// Where the dead letters of [`recipe`](Self::recipe) are.
    pub(crate) fn dead_letter_directory(&self) -> PathBuf {
        self.failed_events_directory(&self.name).join(&self.name)
    }

    /// The directory that goes with this test.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn recipe_named(&self, name: &str) -> Recipe {
        let recipe = Recipe::new(name, self.broker.bootstrap(), &format!("{}/", self.registry.url()));
        let properties = self.broker.consumer_properties().into_iter();
        properties
            .fold(recipe, |recipe, (property, value)| recipe.consumer(property, value))
            .write_to(&self.action_log_path(name))
            .option("failed_events_dir", self.failed_events_directory(name).to_string_lossy().into_owned())
    }

    fn failed_events_directory(&self, recipe: &str) -> PathBuf {
        self.directory.join("dead-letters").join(recipe)
    }

    fn action_log_path(&self, recipe: &str) -> PathBuf {
        self.directory.join(format!("{recipe}.jsonl"))
    }
}

/// The seed of a run: a new one, unless `DATAHUB_RELAY_SEED` names it. Asked twice in one test it is the
/// same.
pub(crate) fn seed() -> u64 {
    std::thread_local! {
        static SEED: u64 = std::env::var("DATAHUB_RELAY_SEED")
            .map_or_else(|_| fastrand::u64(..), |text| text.parse().expect("DATAHUB_RELAY_SEED is a number"));
    }
    SEED.with(|seed| *seed)
}

/// A registry with the schemas of all writers.
fn registry(port: u16) -> EmbeddedRegistry {
    // DataHub serves its registry below this path.
    let options = RegistryOptions {
        path_prefix: "/schema-registry/api".to_owned(),
        port,
        ..RegistryOptions::default()
    };
    let registry = EmbeddedRegistry::start(options).expect("a port to listen on");
    for writer in Writer::ALL {
        registry.put(writer.id(), writer.schema());
    }
    registry
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() || self.kept.get() {
            println!("kept for a look: {}", self.directory.display());
            if let Some(log) = self.broker.keep_log() {
                println!("and the broker's log: {}", log.display());
            }
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
