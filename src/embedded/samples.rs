//! Sample records of every kind, as DataHub writes them: some are the examples of its documentation.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::datahub::{PLATFORM_EVENT_ID, TIMESERIES_ID, TIMESERIES_TOPIC, VERSIONED_ID};
use super::feeder::FeedRecord;
use crate::avro::{SchemaId, encode_json, platform_event_json, schemas};

/// Entities that random records are about: enough for every partition to get its share.
const ENTITIES: u32 = 10_000;

/// Platforms that random datasets stand on.
const PLATFORMS: [&str; 4] = ["hive", "kafka", "postgres", "snowflake"];

/// The samples.
#[derive(Debug, Clone)]
pub struct Samples {
    change_logs: Vec<ChangeLogSample>,
    platform_events: Vec<PlatformEventSample>,
}

#[derive(Debug, Clone, Deserialize)]
struct ChangeLogSample {
    topic: Arc<str>,
    key: String,
    record: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlatformEventSample {
    topic: Arc<str>,
    key: String,
    name: String,
    timestamp_millis: i64,
    payload: Value,
}

impl Samples {
    /// Reads the samples that come with the program.
    pub fn read() -> Self {
        let mut change_logs: Vec<ChangeLogSample> = parsed(include_str!("samples/versioned.json"));
        change_logs.extend(parsed::<ChangeLogSample>(include_str!("samples/timeseries.json")));
        let platform_events = parsed(include_str!("samples/platform_events.json"));
        Self { change_logs, platform_events }
    }

    /// Every sample once, topic by topic, and among them what a topic may hold besides events: a
    /// record that was cut off, one that never was Avro, and a tombstone.
    pub fn tour(&self) -> Vec<FeedRecord> {
        let mut records: Vec<FeedRecord> = self.change_logs.iter().map(ChangeLogSample::record).collect();
        if let Some(first) = self.change_logs.first().map(ChangeLogSample::record) {
            // Behind the whole one of the same key, so that what follows shows that the partition
            // goes on.
            let whole = first.value.as_deref().unwrap_or_default();
            let cut = FeedRecord { value: Some(whole[..whole.len() / 2].to_vec()), ..first.clone() };
            let tombstone = FeedRecord { value: None, ..first };
            records.splice(1..1, [cut, tombstone]);
        }
        records.extend(self.platform_events.iter().map(PlatformEventSample::record));
        if let Some(last) = records.last() {
            records.push(FeedRecord { value: Some(b"{\"not\": \"avro\"}".to_vec()), ..last.clone() });
        }
        records
    }

    /// One of the samples, about some dataset.
    pub fn random(&self, random: &mut fastrand::Rng) -> FeedRecord {
        let platform = PLATFORMS[random.usize(..PLATFORMS.len())];
        let number = random.u32(..ENTITIES);
        let urn = format!("urn:li:dataset:(urn:li:dataPlatform:{platform},shop.table_{number},PROD)");
        let index = random.usize(..self.change_logs.len() + self.platform_events.len());
        match self.change_logs.get(index) {
            Some(sample) => sample.about(&urn).record(),
            None => self.platform_events[index - self.change_logs.len()].about(&urn).record(),
        }
    }
}

impl ChangeLogSample {
    fn about(&self, urn: &str) -> Self {
        let mut sample = Self { key: urn.to_owned(), ..self.clone() };
        sample.record["entityUrn"] = urn.into();
        sample.record["entityType"] = "dataset".into();
        sample
    }

    fn record(&self) -> FeedRecord {
        let id = if *self.topic == *TIMESERIES_TOPIC { TIMESERIES_ID } else { VERSIONED_ID };
        let value = encode_json(SchemaId(id), schemas::metadata_change_log(), &self.record)
            .expect("a test writes every sample, and a random one differs in its URN alone");
        FeedRecord {
            key: Some(self.key.clone().into_bytes()),
            ..FeedRecord::new(Arc::clone(&self.topic), value)
        }
    }
}

impl PlatformEventSample {
    fn about(&self, urn: &str) -> Self {
        let mut sample = self.clone();
        if let Some(entity) = sample.payload.get_mut("entityUrn") {
            *entity = urn.into();
            sample.payload["entityType"] = "dataset".into();
            sample.key = format!("{}-{urn}", sample.name);
        }
        sample
    }

    fn record(&self) -> FeedRecord {
        let event = platform_event_json(&self.name, self.timestamp_millis, &self.payload);
        let value = encode_json(SchemaId(PLATFORM_EVENT_ID), schemas::platform_event(), &event)
            .expect("a test writes every sample, and a random one differs in its URN alone");
        FeedRecord {
            key: Some(self.key.clone().into_bytes()),
            ..FeedRecord::new(Arc::clone(&self.topic), value)
        }
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(json: &str) -> Vec<T> {
    serde_json::from_str(json).expect("a test reads every sample")
}

#[cfg(test)]
mod tests {
    use super::super::datahub::TOPICS;
    use super::*;

    #[test]
    fn the_tour_shows_every_sample_and_what_is_no_event() {
        let samples = Samples::read();
        let tour = samples.tour();
        assert_eq!(tour.len(), samples.change_logs.len() + samples.platform_events.len() + 3);
        assert_eq!(tour.iter().filter(|record| record.value.is_none()).count(), 1);
        for topic in TOPICS {
            assert!(tour.iter().any(|record| *record.topic == *topic), "{topic}");
        }
    }

    #[test]
    fn random_records_can_always_be_written_and_spread_over_entities() {
        let samples = Samples::read();
        let mut random = fastrand::Rng::with_seed(7);
        let keys: std::collections::BTreeSet<_> =
            (0..500).filter_map(|_| samples.random(&mut random).key).collect();
        assert!(keys.len() > 300, "{} keys", keys.len());
    }
}
