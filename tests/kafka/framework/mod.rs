//! Beside the Python framework itself: both programs read the same bytes from the same topics by the
//! same recipe files, and take over each other's consumer groups.

mod events;
mod faults;
mod process;
#[path = "../../decoding/records.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the decoding suite uses the rest, and unwraps")]
mod records;
mod recipes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use self::events::Topics;
use self::process::Framework;
use crate::harness::{CommittedOffsets, Relay, Scene, wait_until};
use crate::scene;

/// Events made for the filters; samples and arbitrary ones come on top.
const EVENTS: usize = 300;
/// The framework starts within some seconds, and then has every event for every recipe.
const ALL_COMMITTED: Duration = Duration::from_secs(120);

/// What a recipe's action was given: for each partition, the events in the order in which they came.
type Acted = BTreeMap<(String, i32), Vec<Value>>;
type ByRecipe = BTreeMap<&'static str, Acted>;

#[test]
#[ignore = "needs Java, Maven and Python with the DataHub framework: run ./test.sh"]
fn what_reaches_the_action_is_what_reaches_it_in_the_framework_and_groups_move_over_and_back() {
    let scene = scene("framework");
    let mut topics = Topics::new(&scene);
    let files = recipes::write_all(&scene.directory().join("recipes"));
    topics.feed(EVENTS);
    assert!(topics.fed() >= 200, "only {} events", topics.fed());
    assert!(files.len() >= 20, "only {} recipes", files.len());
    let stage = Stage { scene: &scene, files: &files };

    let mut first = stage.run(&topics, "theirs", "ours", "first");
    first.wait_until_all_is_committed(&topics);
    let (their_first, our_first) = first.acted();
    assert_same(&our_first, &their_first);
    assert_tells_recipes_apart(&their_first, topics.fed());

    // Both stop in the middle of the stream, each pipeline somewhere else, and each goes on with the
    // groups of the other: moving over, and moving back.
    topics.feed_during(|| {
        first.framework.stop();
        first.relay.stop();
    });
    let (their_first, our_first) = (acted(&first.directories.0), acted(&first.directories.1));
    let committed = |run: &str| stage.committed(&topics, &format!("{run}-everything"));
    let (committed_by_them, committed_by_us) = (committed("theirs"), committed("ours"));
    let mut second = stage.run(&topics, "ours", "theirs", "second");
    second.wait_until_all_is_committed(&topics);
    let (their_second, our_second) = second.acted();
    assert_goes_on_at(&committed_by_them, &our_second["everything"]);
    assert_goes_on_at(&committed_by_us, &their_second["everything"]);

    // Neither lost nor repeated anything in either direction, or the two wholes would differ.
    let moved_over = joined(their_first, our_second);
    let moved_back = joined(our_first, their_second);
    assert_same(&moved_over, &moved_back);
    second.relay.stop();
}

/// What both programs run on.
struct Stage<'a> {
    scene: &'a Scene<'a>,
    files: &'a [PathBuf],
}

/// Both programs, running side by side.
struct Both<'a> {
    stage: &'a Stage<'a>,
    framework: Framework,
    relay: Relay,
    /// The beginning of the names of the framework's groups and of ours.
    groups: (&'static str, &'static str),
    /// Where the framework and where this program writes.
    directories: (PathBuf, PathBuf),
}

impl Both<'_> {
    fn wait_until_all_is_committed(&mut self, topics: &Topics) {
        for group in [self.groups.1, self.groups.0] {
            for name in recipes::names() {
                let group = format!("{group}-{name}");
                let committed = self.stage.committed_offsets(topics, &group);
                wait_until(&format!("{group} to have committed everything"), ALL_COMMITTED, || {
                    self.framework.assert_runs();
                    committed.sum() == Some(topics.fed())
                });
            }
        }
    }

    /// What reached the framework's actions and ours.
    fn acted(&self) -> (ByRecipe, ByRecipe) {
        (acted(&self.directories.0), acted(&self.directories.1))
    }
}

impl<'a> Stage<'a> {
    /// Runs all recipes with both: the framework with groups that begin with `theirs`, this program
    /// with groups that begin with `ours`.
    fn run(&'a self, topics: &Topics, theirs: &'static str, ours: &'static str, round: &str) -> Both<'a> {
        let directory = |of: &str| {
            let directory = self.scene.directory().join(round).join(of);
            fs::create_dir_all(&directory).expect("the test's directory can be written");
            directory
        };
        let (their_directory, our_directory) = (directory("framework"), directory("relay"));
        let variables = self.variables(topics, "append_events:AppendEvents", theirs, &their_directory);
        let framework = Framework::run(&their_directory, self.files, &variables);
        let variables = self.variables(topics, "file", ours, &our_directory);
        let relay = Relay::run_files(&our_directory, self.files, &variables);
        Both {
            stage: self,
            framework,
            relay,
            groups: (theirs, ours),
            directories: (their_directory, our_directory),
        }
    }

    fn variables(
        &self,
        topics: &Topics,
        action: &str,
        run: &str,
        directory: &Path,
    ) -> Vec<(&'static str, String)> {
        let (versioned, _) = topics.partitions()[0];
        let topics = versioned.strip_suffix("-versioned").expect("its name ends so").to_owned();
        vec![
            ("ACTION", action.to_owned()),
            ("RUN", format!("{}-{run}", self.scene.group())),
            ("OUT", directory.to_string_lossy().into_owned()),
            ("BOOTSTRAP", self.scene.broker.bootstrap().to_owned()),
            ("REGISTRY", format!("{}/", self.scene.registry.url())),
            ("TOPICS", topics),
            ("CATEGORY", "TAG".to_owned()),
            ("OPERATION", "ADD".to_owned()),
        ]
    }

    fn committed_offsets(&self, topics: &Topics, group: &str) -> CommittedOffsets {
        let group = format!("{}-{group}", self.scene.group());
        CommittedOffsets::of(self.scene.broker, &group, &topics.partitions())
    }

    fn committed(&self, topics: &Topics, group: &str) -> BTreeMap<(String, i32), i64> {
        self.committed_offsets(topics, group).read().expect("the broker answers")
    }
}

fn acted(directory: &Path) -> ByRecipe {
    recipes::names().map(|name| (name, acted_on(&directory.join(format!("{name}.jsonl"))))).collect()
}

fn acted_on(path: &Path) -> Acted {
    let text = fs::read_to_string(path).expect("both programs create their file at the start");
    let mut acted = Acted::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        let kafka = &event["meta"]["kafka"];
        let topic = kafka["topic"].as_str().expect("a topic").to_owned();
        let partition = kafka["partition"].as_i64().and_then(|number| i32::try_from(number).ok());
        let partition = partition.expect("a partition");
        acted.entry((topic, partition)).or_default().push(event);
    }
    acted
}

/// What was done before and after the group had moved, in this order.
fn joined(mut before: ByRecipe, after: ByRecipe) -> ByRecipe {
    for (name, after) in after {
        let before = before.get_mut(name).expect("both ran the same recipes");
        for (partition, events) in after {
            before.entry(partition).or_default().extend(events);
        }
    }
    before
}

/// The first event of each partition is the one at the committed offset. Platform events that nobody
/// knows reach no action, so that there the first one may stand behind it.
fn assert_goes_on_at(committed: &BTreeMap<(String, i32), i64>, acted: &Acted) {
    for (partition, events) in acted {
        let (first, committed) = (offset(&events[0]), committed[partition]);
        let unknown_may_come_first = partition.0.ends_with("-platform");
        assert!(
            first == committed || unknown_may_come_first && first > committed,
            "{partition:?}: {first} instead of {committed}"
        );
    }
}

fn offset(event: &Value) -> i64 {
    event["meta"]["kafka"]["offset"].as_i64().expect("an offset")
}

/// Event by event first: a whole map that differs says too much.
fn assert_same(ours: &ByRecipe, theirs: &ByRecipe) {
    for (name, theirs) in theirs {
        let ours = &ours[name];
        for (partition, theirs) in theirs {
            let none = Vec::new();
            let ours = ours.get(partition).unwrap_or(&none);
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours, theirs, "recipe {name}");
            }
            assert_eq!(ours.len(), theirs.len(), "recipe {name}, {partition:?}");
        }
        assert!(ours.keys().eq(theirs.keys()), "recipe {name} passes events of other partitions");
    }
}

/// The recipes do different things, or nothing is proved by them.
fn assert_tells_recipes_apart(acted: &ByRecipe, fed: i64) {
    let counts: BTreeMap<&str, usize> =
        acted.iter().map(|(name, acted)| (*name, acted.values().map(Vec::len).sum())).collect();
    println!("of {fed} events, each recipe passes: {counts:?}");
    let passes_none: Vec<_> =
        counts.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    assert_eq!(passes_none, ["no-alternative", "no-string-is-in-a-list"]);
    let different: std::collections::BTreeSet<_> = counts.values().collect();
    assert!(different.len() > 15, "{counts:?}");
}
