//! The stage on which every row plays: two topics, good records around the bad ones, and what is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::rows::{NESTING_ID, NESTING_SCHEMA, a_change_log, a_platform_event, tag_added};
use super::{ALL_FINISHED, AROUND, Case, Expected, Topic};
use crate::harness::action_log::{DeadLetterLog, Place};
use crate::harness::bare_feeder::{BareFeeder, BareRecord};
use crate::harness::broker::Broker;
use crate::harness::observer::CommittedOffsets;
use crate::harness::recipe::Recipe;
use crate::harness::relay::{Ended, Relay};
use crate::harness::scene::Scene;
use crate::harness::wait::wait_until;

/// From the last commit until the metrics say what it was.
const COUNTED: Duration = Duration::from_secs(30);

/// A record's place, and the case that it is; `None` for a good one around them.
pub(super) type Fed = Vec<(Place, Option<Case>)>;

pub(super) struct BadInputStage<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) change_logs: String,
    platform_events: String,
}

impl<'a> BadInputStage<'a> {
    pub(super) fn new(broker: &'a dyn Broker, row: &str) -> Self {
        let scene = Scene::on(broker, &format!("bad-{row}"));
        scene.registry.put(NESTING_ID, NESTING_SCHEMA);
        let (change_logs, platform_events) = (scene.topic("versioned", 1), scene.topic("platform", 1));
        Self { scene, change_logs, platform_events }
    }

    pub(super) fn reading(&self, recipe: Recipe) -> Recipe {
        recipe.change_logs(&self.change_logs).platform_events(&self.platform_events)
    }

    pub(super) fn topic(&self, topic: Topic) -> &str {
        match topic {
            Topic::ChangeLogs => &self.change_logs,
            Topic::PlatformEvents => &self.platform_events,
        }
    }

    /// Good records, the cases, good records.
    pub(super) fn feed(&self, feeder: &mut BareFeeder, cases: Vec<Case>) -> Fed {
        let mut fed: Fed = self.feed_good(feeder);
        for case in cases {
            let place = feeder.feed(self.topic(case.topic), &case.record);
            fed.push((place, Some(case)));
        }
        fed.extend(self.feed_good(feeder));
        feeder.flush();
        fed
    }

    pub(super) fn feed_good(&self, feeder: &mut BareFeeder) -> Fed {
        let change_log = BareRecord::of(a_change_log());
        let platform_event = BareRecord::of(a_platform_event("entityChangeEvent", &tag_added()));
        let mut good = Vec::new();
        for _ in 0..AROUND {
            good.push((feeder.feed(&self.change_logs, &change_log), None));
            good.push((feeder.feed(&self.platform_events, &platform_event), None));
        }
        good
    }

    pub(super) fn topics(&self) -> [(&str, i32); 2] {
        [(&self.change_logs, 1), (&self.platform_events, 1)]
    }

    pub(super) fn wait_until_committed(&self, fed: &Fed) {
        let committed = self.scene.committed(&self.topics());
        let all = i64::try_from(fed.len()).expect("few records");
        wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(all));
    }

    /// Dead letters are counted by stage, and what needed nothing by reason. The polling thread tells its
    /// counts after the commit, so they are waited for.
    pub(super) fn wait_until_counted(&self, relay: &Relay, fed: &Fed) {
        let mut letters: BTreeMap<&str, f64> = BTreeMap::new();
        let mut acknowledged = 0.0;
        for case in fed.iter().filter_map(|(_, case)| case.as_ref()) {
            match case.expected {
                Expected::DeadLetter(stage, _) => *letters.entry(stage).or_default() += 1.0,
                Expected::Acknowledged => acknowledged += 1.0,
                Expected::ActedOn => {}
            }
        }
        for (stage, count) in letters {
            let label = format!("stage=\"{stage}\"");
            wait_until(&format!("{count} dead letters of {label}"), COUNTED, || {
                relay.metric("datahub_relay_dead_lettered_total", &[&label]) == Some(count)
            });
        }
        wait_until(&format!("{acknowledged} to be counted by their reason"), COUNTED, || {
            let reasons = ["reason=\"tombstone\"", "reason=\"unknown_platform_event\""];
            let counted = reasons.map(|reason| relay.metric("datahub_relay_dropped_total", &[reason]));
            counted.into_iter().flatten().sum::<f64>() == acknowledged
        });
    }

    pub(super) fn assert_ended_as_expected(&self, fed: &Fed) {
        let (mut actions, mut letters) = (self.scene.action_log(), self.scene.dead_letters());
        let mut acted: BTreeMap<Place, usize> = BTreeMap::new();
        for line in actions.read() {
            *acted.entry(line.place().clone()).or_default() += 1;
        }
        let letters: BTreeMap<&Place, _> =
            letters.read().iter().map(|letter| (&letter.record.place, letter)).collect();
        for (place, case) in fed {
            let (what, expected) = match case {
                Some(case) => (case.what.as_str(), case.expected),
                None => ("a good record", Expected::ActedOn),
            };
            let letter = letters.get(place);
            let found = letter.map(|letter| (letter.error.stage.as_str(), letter.error.class.as_str()));
            let times = acted.get(place).copied().unwrap_or_default();
            match expected {
                Expected::DeadLetter(stage, class) => {
                    assert_eq!((found, times), (Some((stage, class)), 0), "{what} at {place:?}");
                    let bytes = case.as_ref().and_then(|case| case.record.value.clone());
                    assert_eq!(letter.and_then(|letter| letter.record.value()), bytes, "{what}");
                }
                Expected::Acknowledged => assert_eq!((found, times), (None, 0), "{what} at {place:?}"),
                Expected::ActedOn => assert_eq!((found, times), (None, 1), "{what} at {place:?}"),
            }
        }
    }

    pub(super) fn assert_throw_stops_at_one_of(&self, bad: &BTreeSet<Place>) {
        let directory = self.scene.directory().join("thrown");
        let recipe = self
            .reading(self.scene.second_recipe())
            .option("failure_mode", "THROW")
            .option("failed_events_dir", directory.to_string_lossy().into_owned());
        let mut relay = self.scene.run(&[&recipe]);
        assert_eq!(relay.wait_for_end(ALL_FINISHED), Ended::Code(1), "{}", relay.log());
        let file = directory.join(recipe.name()).join("failed_events.log");
        let letters = DeadLetterLog::at(file).read().to_vec();
        // Each topic is a lane of its own, and each may meet its first bad record before all stop.
        assert!((1..=2).contains(&letters.len()), "{} dead letters", letters.len());
        let committed = CommittedOffsets::of(self.scene.broker, recipe.name(), &self.topics());
        let committed = committed.read().expect("the broker answers");
        for letter in letters {
            let place = letter.record.place;
            let first = bad.iter().find(|bad| bad.topic == place.topic);
            assert_eq!(first, Some(&place), "it stops at the first");
            let committed = committed.get(&(place.topic.clone(), place.partition));
            assert_eq!(committed, Some(&place.offset), "all before it, and not itself");
        }
    }
}
