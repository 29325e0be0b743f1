//! Transforms between filters and action, and what a dead letter then carries.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Letters, PATIENCE, Scripted, delivery, parts, registry, stages};
use crate::action::{Action, ActionError};
use crate::dead_letter::{DeadLetter, DeadLetterStore, StoreError, StorePlace};
use crate::delivery::{Processed, Processor as _};
use crate::event::{DropReason, Envelope, Outcome, Stage};
use crate::findings::{Findings, KeyPath};
use crate::pipeline::attempts::Attempts;
use crate::pipeline::stages::Parts;
use crate::telemetry::{HealthBoard, Metrics};
use crate::transform::{FilterTransformConfig, TransformConfig, Transforms};

/// Keeps the event that each letter carries.
#[derive(Default)]
struct Events(Mutex<Vec<Value>>);

#[async_trait]
impl DeadLetterStore for Events {
    fn place(&self) -> StorePlace {
        StorePlace::File("nowhere".into())
    }

    async fn store(&self, letter: &DeadLetter<'_>) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(serde_json::to_value(letter.envelope).unwrap());
        Ok(())
    }
}

/// Remembers what it saw, and refuses it.
#[derive(Default)]
struct Refuses(Mutex<Vec<Value>>);

#[async_trait]
impl Action for Refuses {
    async fn act(&self, event: &Envelope) -> Result<(), ActionError> {
        self.0.lock().unwrap().push(serde_json::to_value(event).unwrap());
        Err(ActionError::permanent("no"))
    }
}

fn transforms(configs: &[TransformConfig]) -> Transforms {
    let (mut transforms, mut findings) = (Transforms::default(), Findings::default());
    for config in configs {
        transforms.push(config, &KeyPath::root(), &mut findings);
    }
    assert_eq!(findings.errors(), 0);
    transforms
}

fn enrich(config: Value) -> TransformConfig {
    TransformConfig::Enrich(serde_json::from_value(config).unwrap())
}

#[tokio::test]
async fn the_action_sees_the_transformed_event_and_its_dead_letter_carries_the_original() {
    let (_server, registry) = registry().await;
    let (letters, action) = (Arc::new(Events::default()), Arc::new(Refuses::default()));
    let parts = parts(registry, Scripted(|_| Ok(())), Arc::default());
    let transforms = transforms(&[enrich(json!({"set": {"changeType": "MINE", "team": "core"}}))]);
    let (dead_letters, seen) = (Arc::clone(&letters), Arc::clone(&action));
    let attempts = Attempts { action, ..parts.attempts };
    let stages = stages(Parts { transforms, attempts, dead_letters, ..parts });
    let processed = stages.process(&delivery(0)).await;
    assert!(matches!(processed, Processed::Ended(Outcome::DeadLettered(_, Stage::Action))), "{processed:?}");
    let meta = json!({"kafka": {"topic": "MetadataChangeLog_Versioned_v1", "partition": 0, "offset": 0}});
    let event_type = "MetadataChangeLogEvent_v1";
    let seen_event = json!({"entityType": "dataset", "changeType": "MINE", "team": "core"});
    assert_eq!(
        *seen.0.lock().unwrap(),
        [json!({"event_type": event_type, "event": seen_event, "meta": meta})]
    );
    let original = json!({"entityType": "dataset", "changeType": "UPSERT"});
    assert_eq!(
        *letters.0.lock().unwrap(),
        [json!({"event_type": event_type, "event": original, "meta": meta})]
    );
}

#[tokio::test]
async fn a_transform_that_fails_makes_a_dead_letter_of_its_stage_and_the_action_sees_nothing() {
    let (_server, registry) = registry().await;
    let letters = Arc::new(Letters::default());
    let parts = parts(registry, Scripted(|_| panic!("not to be called")), Arc::clone(&letters));
    let transforms = transforms(&[enrich(json!({"add": {"entityType.deep": 1}}))]);
    let processed = stages(Parts { transforms, ..parts }).process(&delivery(0)).await;
    assert!(
        matches!(processed, Processed::Ended(Outcome::DeadLettered(_, Stage::Transform))),
        "{processed:?}"
    );
    let message =
        "transform[0] (enrich) cannot set `entityType.deep`: text stands in its way, not a map".to_owned();
    assert_eq!(*letters.0.lock().unwrap(), [(Stage::Transform, "not_a_map", message, true)]);
}

#[tokio::test]
async fn an_event_that_a_transform_lets_fall_is_finished_and_counted_as_that() {
    let (_server, registry) = registry().await;
    let parts = parts(registry, Scripted(|_| panic!("not to be called")), Arc::default());
    let config = json!({"event_type": "MetadataChangeLogEvent_v1", "matching": "drop"});
    let filter: FilterTransformConfig = serde_json::from_value(config).unwrap();
    let metrics = Metrics::new();
    let transforms = transforms(&[TransformConfig::Filter(filter)]);
    let stages = stages(Parts { transforms, metrics: metrics.pipeline("p"), ..parts });
    let processed = stages.process(&delivery(0)).await;
    assert!(
        matches!(processed, Processed::Ended(Outcome::Dropped(_, DropReason::Transform))),
        "{processed:?}"
    );
    let text = metrics.text(&HealthBoard::new(PATIENCE)).unwrap();
    assert!(text.contains(r#"dropped_total{pipeline="p",reason="transform"} 1"#), "{text}");
}
