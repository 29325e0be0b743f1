use serde_json::{Value, json};

use super::*;
use crate::event::{ChangeLog, EventType, MetaDetail, Position, Record, TopicPartition};

fn compiled(configs: &[TransformConfig]) -> Transforms {
    let (mut transforms, mut findings) = (Transforms::default(), Findings::default());
    for config in configs {
        transforms.push(config, &KeyPath::root(), &mut findings);
    }
    let problems: Vec<_> = findings.into_iter().map(|finding| finding.text).collect();
    assert_eq!(problems, Vec::<String>::new());
    transforms
}

fn project(config: Value) -> TransformConfig {
    TransformConfig::Project(serde_json::from_value(config).unwrap())
}

fn enrich(config: Value) -> TransformConfig {
    TransformConfig::Enrich(serde_json::from_value(config).unwrap())
}

fn filter(config: Value) -> TransformConfig {
    TransformConfig::Filter(serde_json::from_value(config).unwrap())
}

fn envelope(event_type: EventType, event: Event) -> Envelope {
    let source = TopicPartition { topic: "t".into(), partition: 0 };
    Envelope::new(event_type, event, Position { source, offset: 7 })
}

fn object(event: Value) -> Envelope {
    let Value::Object(event) = event else { panic!("an event is a map") };
    envelope(EventType::EntityChange, Event::Object(event))
}

/// What the transforms make of an event; null if it falls.
fn event_after(transforms: &[TransformConfig], event: Value) -> Value {
    match compiled(transforms).apply(&object(event.clone())).unwrap() {
        Transformed::Unchanged => event,
        Transformed::Changed(envelope) => serde_json::to_value(&envelope.event).unwrap(),
        Transformed::Dropped(_) => Value::Null,
    }
}

fn aspect(value: &str) -> Value {
    json!({"aspect": {"value": value, "contentType": "application/json"}, "entityType": "dataset"})
}

#[test]
fn fields_are_kept_or_dropped_by_their_paths_also_within_the_json_of_an_aspect_and_in_each_item_of_a_list() {
    let event = || json!({"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}, {"f": 3}], "g": null, "h.i": 4});
    let rows = [
        (json!({"keep": ["a.b"]}), json!({"a": {"b": 1}})),
        (json!({"keep": ["a", "a.b"]}), json!({"a": {"b": 1, "c": 2}})),
        (json!({"keep": ["d.e", r"h\.i", "nowhere.at.all"]}), json!({"d": [{"e": 1}], "h.i": 4})),
        (json!({"keep": ["a.b.c", "g"]}), json!({"g": null})),
        (
            json!({"drop": ["a.b", "d.f", "nowhere"]}),
            json!({"a": {"c": 2}, "d": [{"e": 1}, {}], "g": null, "h.i": 4}),
        ),
        (json!({"drop": ["a.b.c", "g.x", r"h\.i", "d"]}), json!({"a": {"b": 1, "c": 2}, "g": null})),
    ];
    for (config, expected) in rows {
        assert_eq!(event_after(&[project(config.clone())], event()), expected, "{config}");
    }
    let of_aspect = aspect(r#"{ "owners": [{"owner": "a", "type": "x"}], "extra": {"big": 1.50} }"#);
    assert_eq!(
        event_after(
            &[project(json!({"keep": ["aspect.value.owners.owner", "entityType"]}))],
            of_aspect.clone()
        ),
        json!({"aspect": {"value": r#"{"owners":[{"owner":"a"}]}"#}, "entityType": "dataset"})
    );
    assert_eq!(
        event_after(&[project(json!({"drop": ["aspect.value.owners.type", "entityType"]}))], of_aspect),
        json!({"aspect": {"value": r#"{"owners":[{"owner":"a"}],"extra":{"big":1.5}}"#, "contentType": "application/json"}})
    );
    let not_json = aspect("{broken");
    let untouched = event_after(&[project(json!({"drop": ["aspect.value.owners"]}))], not_json.clone());
    assert_eq!(untouched, not_json);
    let spaced = aspect(r#"{ "a" : 1 }"#);
    let untouched = event_after(&[project(json!({"drop": ["aspect.value.b"]}))], spaced.clone());
    assert_eq!(untouched, spaced, "what is not changed is not written anew");
}

#[test]
fn constants_are_added_where_nothing_stands_and_set_whatever_stands_there() {
    let event = || json!({"a": {"b": 1}, "list": [{}, {"x": 2}], "empty": null});
    let rows = [
        (
            json!({"add": {"team": "core", "a.b": 9, "a.c": [1]}}),
            json!({"a": {"b": 1, "c": [1]}, "list": [{}, {"x": 2}], "empty": null, "team": "core"}),
        ),
        (
            json!({"set": {"a.b": 9, "empty.deep.er": {"k": true}}}),
            json!({"a": {"b": 9}, "list": [{}, {"x": 2}], "empty": {"deep": {"er": {"k": true}}}}),
        ),
        (json!({"add": {"list.x": 1}}), json!({"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}], "empty": null})),
        (
            json!({"add": {"new.key": 1, "empty": 2}}),
            json!({"a": {"b": 1}, "list": [{}, {"x": 2}], "empty": 2, "new": {"key": 1}}),
        ),
    ];
    for (config, expected) in rows {
        assert_eq!(event_after(&[enrich(config.clone())], event()), expected, "{config}");
    }
    assert_eq!(
        event_after(&[enrich(json!({"add": {"aspect.value.team": "core"}}))], aspect(r#"{ "a": 1 }"#)),
        aspect(r#"{"a":1,"team":"core"}"#)
    );
}

#[test]
fn a_constant_that_cannot_be_put_where_it_belongs_is_an_error_that_names_the_path_and_no_value() {
    for (event, found) in [
        (json!({"a": "canary"}), "text"),
        (json!({"a": "{canary"}), "text"),
        (json!({"a": 7}), "a number"),
        (json!({"a": [true]}), "a boolean"),
    ] {
        let transforms =
            compiled(&[project(json!({"drop": ["x"]})), enrich(json!({"add": {"a.b": "canary"}}))]);
        let error = transforms.apply(&object(event)).unwrap_err();
        assert_eq!(error.class(), "not_a_map");
        assert_eq!(
            error.to_string(),
            format!("transform[1] (enrich) cannot set `a.b`: {found} stands in its way, not a map")
        );
    }
}

#[test]
fn a_filter_keeps_what_matches_or_drops_it() {
    let keep = json!({"event_type": "EntityChangeEvent_v1", "event": {"category": "TAG"}});
    let mut drop = keep.clone();
    drop["matching"] = json!("drop");
    let (tag, owner) = (json!({"category": "TAG"}), json!({"category": "OWNER"}));
    assert_eq!(event_after(&[filter(keep.clone())], tag.clone()), tag);
    assert_eq!(event_after(&[filter(keep)], owner.clone()), Value::Null);
    assert_eq!(event_after(&[filter(drop.clone())], tag.clone()), Value::Null);
    assert_eq!(event_after(&[filter(drop)], owner.clone()), owner);
    let either =
        json!({"event_type": ["X", "EntityChangeEvent_v1"], "event": [{"a": 1}, {"category": "OWNER"}]});
    assert_eq!(event_after(&[filter(either.clone())], owner.clone()), owner);
    assert_eq!(event_after(&[filter(either)], tag.clone()), Value::Null);
    let other_type = json!({"event_type": "MetadataChangeLogEvent_v1"});
    assert_eq!(event_after(&[filter(other_type.clone())], tag.clone()), Value::Null);
    let mut but_not_others = other_type;
    but_not_others["matching"] = json!("drop");
    assert_eq!(event_after(&[filter(but_not_others)], tag.clone()), tag);
}

#[test]
fn each_transform_takes_what_the_one_before_it_made() {
    let transforms = [
        enrich(json!({"set": {"category": "MINE"}})),
        filter(json!({"event_type": "EntityChangeEvent_v1", "event": {"category": "MINE"}})),
        project(json!({"keep": ["category"]})),
    ];
    assert_eq!(event_after(&transforms, json!({"category": "TAG", "x": 1})), json!({"category": "MINE"}));
}

#[test]
fn other_types_of_event_stay_as_they_are_where_a_transform_names_one() {
    let change_log = || {
        let event =
            ChangeLog { entity_type: "dataset".into(), change_type: "UPSERT".into(), ..Default::default() };
        envelope(EventType::MetadataChangeLog, Event::ChangeLog(Box::new(event)))
    };
    let of_others = compiled(&[
        project(json!({"drop": ["changeType"], "event_type": "EntityChangeEvent_v1"})),
        enrich(json!({"add": {"x": 1}, "event_type": ["EntityChangeEvent_v1"]})),
    ]);
    assert_eq!(of_others.apply(&change_log()), Ok(Transformed::Unchanged));
    let of_it =
        compiled(&[project(json!({"drop": ["changeType"], "event_type": "MetadataChangeLogEvent_v1"}))]);
    let Ok(Transformed::Changed(changed)) = of_it.apply(&change_log()) else { panic!("expected a change") };
    assert_eq!(serde_json::to_value(&changed.event).unwrap(), json!({"entityType": "dataset"}));
}

#[test]
fn type_and_meta_are_never_touched() {
    let mut event = object(json!({"a": 1}));
    let source = TopicPartition { topic: "t".into(), partition: 0 };
    let key = Some(b"k".to_vec());
    let record = Record {
        position: Position { source, offset: 7 },
        timestamp_ms: Some(1),
        key,
        value: None,
        headers: Vec::new(),
    };
    event.details = MetaDetail::Full.details_of(&record);
    let transforms = compiled(&[
        project(json!({"drop": ["meta", "event_type"]})),
        enrich(json!({"set": {"meta.kafka.offset": 1, "event_type": "Other"}})),
    ]);
    let Ok(Transformed::Changed(changed)) = transforms.apply(&event) else { panic!("expected a change") };
    let (before, after) = (serde_json::to_value(&event).unwrap(), serde_json::to_value(&changed).unwrap());
    assert_eq!((&after["event_type"], &after["meta"]), (&before["event_type"], &before["meta"]));
    assert_eq!(after["event"], json!({"a": 1, "meta": {"kafka": {"offset": 1}}, "event_type": "Other"}));
}

#[test]
fn what_a_configuration_lacks_is_found() {
    let problems = |config: TransformConfig| {
        let (mut transforms, mut findings) = (Transforms::default(), Findings::default());
        transforms.push(&config, &KeyPath::root().key("config"), &mut findings);
        findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>()
    };
    assert!(problems(project(json!({})))[0].starts_with("needs `keep` or `drop`"));
    assert!(problems(project(json!({"keep": ["a"], "drop": ["b"]})))[0].contains("exclude each other"));
    assert!(problems(project(json!({"keep": []})))[0].starts_with("is empty"));
    assert_eq!(problems(project(json!({"keep": ["a..b", "c", "."]}))).len(), 2);
    assert!(problems(enrich(json!({})))[0].starts_with("needs `add` or `set`"));
    assert!(problems(enrich(json!({"add": {"a": null}})))[0].starts_with("expected a value"));
    assert!(problems(enrich(json!({"set": {"": 1}})))[0].starts_with("expected a path"));
}
