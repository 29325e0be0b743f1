//! The recipes in `config/recipes/`, which a user copies.

use std::path::{Path, PathBuf};

use datahub_relay::action::ActionConfig;
use datahub_relay::delivery::{CommitMode, Ordering};
use datahub_relay::environment::Environment;
use datahub_relay::event::{
    Envelope, Event, EventType, FieldSet, MetaDetail, Position, Route, TopicPartition,
};
use datahub_relay::filter::ScanVerdict;
use datahub_relay::recipe::{self, Recipe};
use datahub_relay::transform::Transformed;
use serde_json::{Value, json};

fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/recipes");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Those hold the recipes' cases: see cases.rs.
    files.retain(|file| !file.to_string_lossy().ends_with("_test.yml"));
    files.sort();
    files
}

fn example(name: &str) -> Recipe {
    let loaded = recipe::load(&examples(), &Environment::default());
    loaded.recipes.into_iter().find(|recipe| recipe.name == name).expect("an example of this name")
}

#[test]
fn every_example_runs_as_it_is_and_warns_of_nothing() {
    let loaded = recipe::load(&examples(), &Environment::default());
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.recipes.len(), examples().len());
    for recipe in loaded.recipes {
        let stem = recipe.file.file_stem().unwrap().to_str().unwrap();
        assert_eq!(recipe.name, stem, "an example is called as its file");
    }
}

#[test]
fn the_executors_filter_is_decided_on_the_bytes() {
    let recipe = example("execution_requests");
    let fields = recipe.filters.wanted(&Route::ChangeLog);
    let expected =
        FieldSet { entity_type: true, aspect_name: true, change_type: true, ..FieldSet::default() };
    assert_eq!(fields, expected);
    assert_eq!(recipe.filters.decide_unscanned(&Route::PlatformEvent), ScanVerdict::Drop);
}

#[test]
fn the_ordered_example_says_what_its_comments_say() {
    let recipe = example("ownership_in_order");
    assert_eq!(recipe.delivery.ordering, Ordering::Key);
    assert_eq!(recipe.delivery.concurrency, Some(32));
    assert_eq!(recipe.delivery.retry.count, 3);
    assert_eq!(recipe.delivery.commit, CommitMode::Interval(std::time::Duration::from_secs(1)));
    assert!(matches!(recipe.action, ActionConfig::File { .. }));
}

fn transformed(recipe: &Recipe, event_type: EventType, event: Value) -> Value {
    let Value::Object(event) = event else { panic!("an event is a map") };
    let source = TopicPartition { topic: "topic".into(), partition: 0 };
    let position = Position { source, offset: 0 };
    match recipe.transforms.apply(&Envelope::new(event_type, Event::Object(event), position)).unwrap() {
        Transformed::Changed(envelope) => serde_json::to_value(&envelope.event).unwrap(),
        Transformed::Dropped(_) => Value::Null,
        Transformed::Unchanged => panic!("the example changes every event"),
    }
}

#[test]
fn the_alert_on_failed_proposals_keeps_what_a_person_needs() {
    let recipe = example("failed_proposals");
    assert_eq!(
        recipe.consumer.topics,
        [("FailedMetadataChangeProposal_v1".to_owned(), Route::FailedProposal)]
    );
    let aspect = json!({"value": "{}", "contentType": "application/json"});
    let proposal = json!({"entityType": "dataset", "entityUrn": "urn:li:dataset:x", "changeType": "UPSERT",
        "aspectName": "status", "aspect": aspect, "systemMetadata": {"runId": "r", "lastObserved": 1}});
    let event = json!({"metadataChangeProposal": proposal, "error": "no"});
    assert_eq!(
        transformed(&recipe, EventType::FailedMetadataChangeProposal, event),
        json!({"metadataChangeProposal": {"entityUrn": "urn:li:dataset:x", "changeType": "UPSERT",
            "aspectName": "status", "systemMetadata": {"runId": "r"}}, "error": "no"})
    );
}

#[test]
fn the_audit_example_leaves_owners_out_of_nothing_and_lets_the_systems_own_changes_fall() {
    let recipe = example("owners_for_audit");
    assert_eq!(recipe.meta, MetaDetail::Full);
    let change = |actor: &str| {
        let value =
            r#"{"owners": [{"owner": "a", "type": "x"}, {"owner": "b"}], "lastModified": {"time": 1}}"#;
        json!({"entityType": "dataset", "entityUrn": "u", "changeType": "UPSERT", "aspectName": "ownership",
            "aspect": {"value": value, "contentType": "application/json"}, "created": {"actor": actor, "time": 1}})
    };
    assert_eq!(
        transformed(&recipe, EventType::MetadataChangeLog, change("urn:li:corpuser:jdoe")),
        json!({"entityUrn": "u", "changeType": "UPSERT", "created": {"actor": "urn:li:corpuser:jdoe", "time": 1},
            "aspect": {"value": r#"{"owners":[{"owner":"a"},{"owner":"b"}]}"#},
            "environment": "production", "audit": {"log": "ownership", "version": 1}})
    );
    let of_the_system = change("urn:li:corpuser:__datahub_system");
    assert_eq!(transformed(&recipe, EventType::MetadataChangeLog, of_the_system), Value::Null);
}
