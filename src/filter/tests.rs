use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Filters, ScanVerdict};
use crate::event::{
    Envelope, Event, EventType, FieldSet, Position, Route, Scanned, ScannedFields, TopicPartition,
};

/// From what stands below `filters` (a list of `filter` maps) and `filter`.
fn filters(specs: Value, older: Option<Value>) -> Filters {
    let specs: Vec<Value> =
        specs.as_array().unwrap().iter().map(|filter| json!({ "filter": filter })).collect();
    let older = older.map(|filter| serde_json::from_value(filter).unwrap());
    Filters::compile(&serde_json::from_value(Value::Array(specs)).unwrap(), older.as_ref())
}

fn envelope(event_type: EventType, event: Value) -> Envelope {
    let Value::Object(mut payload) = event else { panic!("an event is a map") };
    payload.retain(|_, value| !value.is_null());
    let source = TopicPartition { topic: "topic".into(), partition: 0 };
    Envelope::new(event_type, Event::Object(payload), Position { source, offset: 0 })
}

fn change_log(event: Value) -> Envelope {
    envelope(EventType::MetadataChangeLog, event)
}

const CHANGE_LOG: &str = "MetadataChangeLogEvent_v1";

/// Each row was put to the framework's `match_util.matches` once; tests/python/filters.py compares
/// the two at random.
#[test]
fn one_entry_matches_by_the_frameworks_rules() {
    let nested = r#"{"a": 1, "b": {"c": "[1]"}, "n": null}"#;
    let rows = [
        (json!("x"), json!("x"), true),
        (json!("x"), json!("X"), false),
        (json!("1"), json!(1), false),
        (json!(1), json!(1.0), true),
        (json!(1.5), json!(1.5), true),
        (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0), false),
        (json!(true), json!(1), true),
        (json!(0), json!(false), true),
        (json!(true), json!("true"), false),
        (json!(null), json!(null), true),
        (json!(null), json!("x"), false),
        (json!("x"), json!(null), false),
        (json!(["x", "y"]), json!("y"), true),
        (json!([1, "1"]), json!(1), false),
        (json!([1, "1"]), json!("1"), true),
        (json!([]), json!("x"), false),
        (json!(["x"]), json!(["x"]), false),
        (json!([null]), json!(null), false),
        (json!("x"), json!(["x"]), false),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
        (json!({"a": {"b": "x"}}), json!({"a": {"b": "x"}}), true),
        (json!({"a": 1}), json!(nested), true),
        (json!({"b": {"c": "[1]"}}), json!(nested), true),
        (json!({"b": {"c": ["[1]"]}}), json!(nested), true),
        (json!({"n": null, "absent": null}), json!(nested), true),
        (json!({}), json!(nested), true),
        (json!({}), json!("{}"), true),
        (json!({}), json!("[]"), false),
        (json!({}), json!("not json"), false),
        (json!({}), json!(null), false),
        (json!({}), json!([]), false),
    ];
    for (wanted, value, expected) in rows {
        let filters = filters(json!([{ CHANGE_LOG: {"event": [{"field": wanted}]} }]), None);
        assert_eq!(filters.matches(&change_log(json!({"field": value}))), expected, "{wanted} and {value}");
    }
}

#[test]
fn predicates_are_alternatives_their_entries_are_not() {
    let filters = filters(json!([{ CHANGE_LOG: {"event": [{"a": 1, "b": 2}, {"c": 3}]} }]), None);
    assert!(filters.matches(&change_log(json!({"a": 1, "b": 2}))));
    assert!(filters.matches(&change_log(json!({"c": 3}))));
    assert!(!filters.matches(&change_log(json!({"a": 1, "b": 3}))));
}

#[test]
fn a_type_without_predicates_passes_and_one_with_an_empty_list_does_not() {
    for whole in [json!(null), json!({}), json!({"event": null}), json!({"event": [{}]})] {
        assert!(filters(json!([{ CHANGE_LOG: whole }]), None).matches(&change_log(json!({"a": 1}))));
    }
    let nothing = filters(json!([{ CHANGE_LOG: {"event": []} }]), None);
    assert!(!nothing.matches(&change_log(json!({"a": 1}))));
    assert_eq!(nothing.decide_unscanned(&Route::ChangeLog), ScanVerdict::Drop);
}

#[test]
fn every_filter_must_let_an_event_pass_the_older_one_too() {
    let older = json!({"event_type": [CHANGE_LOG, "EntityChangeEvent_v1"], "event": {"b": 2}});
    let filters = filters(json!([{ CHANGE_LOG: {"event": [{"a": 1}]} }, { CHANGE_LOG: null }]), Some(older));
    assert!(filters.matches(&change_log(json!({"a": 1, "b": 2}))));
    assert!(!filters.matches(&change_log(json!({"a": 1}))));
    assert!(!filters.matches(&change_log(json!({"b": 2}))));
    assert!(!filters.matches(&envelope(EventType::EntityChange, json!({"a": 1, "b": 2}))));
}

#[test]
fn without_filters_everything_passes_and_nothing_is_scanned() {
    let filters = Filters::default();
    assert!(filters.matches(&change_log(json!({}))));
    for route in [Route::ChangeLog, Route::PlatformEvent] {
        assert_eq!(filters.decide_unscanned(&route), ScanVerdict::MayPass);
        assert!(filters.wanted(&route).is_empty());
    }
}

#[test]
fn a_scan_reads_what_can_decide_and_no_more() {
    let wanted = |predicates: Value| {
        filters(json!([{ CHANGE_LOG: {"event": predicates}, "EntityChangeEvent_v1": null }]), None)
            .wanted(&Route::ChangeLog)
    };
    let entity_type = FieldSet { entity_type: true, ..FieldSet::default() };
    assert_eq!(wanted(json!([{"entityType": "a", "other": 1}])), entity_type);
    assert_eq!(
        wanted(json!([{"entityType": "a"}, {"aspectName": ["b"]}])),
        FieldSet { aspect_name: true, ..entity_type }
    );
    assert!(
        wanted(json!([{"entityType": "a"}, {"other": 1}])).is_empty(),
        "one predicate may match anything"
    );
    let entity_urn = FieldSet { entity_urn: true, ..FieldSet::default() };
    assert_eq!(wanted(json!([{"entityUrn": {"in": "json"}}])), entity_urn, "text that is no JSON map can go");
    assert!(wanted(json!([])).is_empty(), "decided without a scan");
}

#[test]
fn platform_events_that_no_filter_accepts_are_dropped_by_name() {
    let filters = filters(json!([{ "EntityChangeEvent_v1": {"event": [{"category": "TAG"}]} }]), None);
    let named = |name| ScannedFields { event_name: Scanned::Text(name), ..ScannedFields::default() };
    let decide = |name| filters.decide_on_scan(&Route::PlatformEvent, &named(name));
    assert!(filters.wanted(&Route::PlatformEvent).event_name);
    assert_eq!(decide("relationshipChangeEvent"), ScanVerdict::Drop);
    assert_eq!(decide("entityChangeEvent"), ScanVerdict::MayPass);
    assert_eq!(decide("somethingElse"), ScanVerdict::MayPass, "counted by name once it is decoded");
    assert_eq!(filters.decide_unscanned(&Route::ChangeLog), ScanVerdict::Drop);
    assert_eq!(filters.decide_unscanned(&Route::PlatformEvent), ScanVerdict::MayPass);
}

#[test]
fn types_that_a_recipe_named_itself_are_filtered_by_that_name() {
    let filters = filters(json!([{ "Mine": {"event": [{"a": 1}]}, "Whole": null }]), None);
    let other = |name: &str, event| envelope(EventType::Other(name.into()), event);
    assert!(filters.matches(&other("Mine", json!({"a": 1}))));
    assert!(!filters.matches(&other("Mine", json!({"a": 2}))));
    assert!(filters.matches(&other("Whole", json!({"a": 2}))));
    assert!(!filters.matches(&other("Not named", json!({"a": 1}))));
    let decide = |name: &str| filters.decide_unscanned(&Route::Avro(name.into()));
    assert_eq!([decide("Mine"), decide("Whole")], [ScanVerdict::MayPass; 2]);
    assert_eq!(decide("Not named"), ScanVerdict::Drop);
}

#[test]
fn platform_events_of_other_names_are_decided_by_name_where_all_are_read() {
    let filters = filters(json!([{ "PlatformEvent_v1": {"event": [{"name": "mine"}]} }]), None);
    let named = |name| ScannedFields { event_name: Scanned::Text(name), ..ScannedFields::default() };
    let decide = |name| filters.decide_on_scan(&Route::EveryPlatformEvent, &named(name));
    assert!(filters.wanted(&Route::EveryPlatformEvent).event_name);
    assert_eq!(decide("mine"), ScanVerdict::MayPass);
    assert_eq!(decide("theirs"), ScanVerdict::Drop);
    assert_eq!(decide("entityChangeEvent"), ScanVerdict::Drop);
    assert_eq!(filters.decide_unscanned(&Route::PlatformEvent), ScanVerdict::Drop, "they do not come there");
}

#[test]
fn a_scan_decides_on_proposals_as_on_change_logs() {
    let spec = json!([{ "MetadataChangeProposalEvent_v1": {"event": [{"aspectName": "status"}]} }]);
    let filters = filters(spec, None);
    assert!(filters.wanted(&Route::Proposal).aspect_name);
    let of_aspect = |name| ScannedFields { aspect_name: Scanned::Text(name), ..ScannedFields::default() };
    let decide = |name| filters.decide_on_scan(&Route::Proposal, &of_aspect(name));
    assert_eq!(decide("status"), ScanVerdict::MayPass);
    assert_eq!(decide("ownership"), ScanVerdict::Drop);
    assert_eq!(filters.decide_unscanned(&Route::FailedProposal), ScanVerdict::Drop);
}

const SCANNED: [&str; 4] = ["entityType", "entityUrn", "aspectName", "changeType"];

/// Few values, so that predicates match often.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["a", "b", "1", "{\"a\": \"b\"}", "{\"a\": 1}"]).prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..2).prop_map(Value::from),
    ]
}

fn wanted_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => leaf(),
        2 => prop::collection::vec(leaf(), 0..3).prop_map(Value::from),
        1 => prop::collection::btree_map("[ab]", leaf(), 0..2)
            .prop_map(|map| Value::Object(map.into_iter().collect())),
    ]
}

fn predicate() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["entityType", "entityUrn", "aspectName", "changeType", "other"]);
    prop::collection::btree_map(name, wanted_value(), 0..4).prop_map(|map| {
        Value::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

/// What stands below one filter's `filter`: change logs perhaps, and perhaps another type.
fn spec() -> impl Strategy<Value = Value> {
    let of_type = prop_oneof![
        1 => Just(Value::Null),
        4 => prop::collection::vec(predicate(), 0..3).prop_map(|event| json!({ "event": event })),
    ];
    (prop::option::weighted(0.9, of_type), any::<bool>()).prop_map(|(of_type, other)| {
        let mut spec = Map::new();
        spec.extend(of_type.map(|of_type| (CHANGE_LOG.to_owned(), of_type)));
        spec.extend(other.then(|| ("EntityChangeEvent_v1".to_owned(), Value::Null)));
        Value::Object(spec)
    })
}

fn older() -> impl Strategy<Value = Option<Value>> {
    prop::option::of(predicate().prop_map(|predicate| json!({"event_type": CHANGE_LOG, "event": predicate})))
}

/// A change log whose scanned fields are text or absent, as the schema has them.
fn event() -> impl Strategy<Value = Map<String, Value>> {
    let text = prop::sample::select(vec!["a", "b", "1", "{\"a\": \"b\"}", "{\"a\": 1}"]);
    (prop::collection::vec(prop::option::of(text), 4), leaf()).prop_map(|(texts, other)| {
        let mut event: Map<String, Value> = SCANNED
            .iter()
            .zip(texts)
            .filter_map(|(name, text)| Some(((*name).to_owned(), text?.into())))
            .collect();
        event.insert("other".to_owned(), other);
        event
    })
}

fn scanned<'a>(event: &'a Map<String, Value>, known: &[bool]) -> ScannedFields<'a> {
    let field = |index: usize| match event.get(SCANNED[index]).and_then(Value::as_str) {
        _ if !known[index] => Scanned::Unknown,
        Some(text) => Scanned::Text(text),
        None => Scanned::Null,
    };
    ScannedFields {
        entity_type: field(0),
        entity_urn: field(1),
        aspect_name: field(2),
        change_type: field(3),
        event_name: Scanned::Unknown,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_a_scan_drops_the_full_filter_rejects(
        specs in prop::collection::vec(spec(), 0..3),
        older in older(),
        event in event(),
        known in prop::collection::vec(prop::bool::weighted(0.8), 4),
    ) {
        let filters = filters(Value::Array(specs), older);
        let verdict = filters.decide_on_scan(&Route::ChangeLog, &scanned(&event, &known));
        let matches = filters.matches(&change_log(Value::Object(event)));
        prop_assert!(verdict == ScanVerdict::MayPass || !matches);
        prop_assert!(filters.decide_unscanned(&Route::ChangeLog) == ScanVerdict::MayPass || !matches);
    }

    #[test]
    fn the_fields_that_are_wanted_decide_as_much_as_all_fields_do(
        specs in prop::collection::vec(spec(), 0..3),
        older in older(),
        event in event(),
    ) {
        let filters = filters(Value::Array(specs), older);
        if filters.decide_unscanned(&Route::ChangeLog) == ScanVerdict::Drop {
            return Ok(());
        }
        let wanted = filters.wanted(&Route::ChangeLog);
        let known = [wanted.entity_type, wanted.entity_urn, wanted.aspect_name, wanted.change_type];
        let decide = |known: &[bool]| filters.decide_on_scan(&Route::ChangeLog, &scanned(&event, known));
        prop_assert_eq!(decide(&known), decide(&[true; 4]));
    }
}
