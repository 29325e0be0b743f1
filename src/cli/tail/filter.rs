//! `--filter`: a predicate in one word.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::event::{EventType, Route};
use crate::filter::{Arriving, EventTypeFilterConfig, EventTypeSpec, Filters, FiltersConfig};
use crate::findings::{Findings, KeyPath, suggestion};

/// Selects events by their type and not by a field.
const EVENT_TYPE: &str = "event_type";

/// `entityType=dataset`, `aspect.value.removed=true`, `operation=ADD,REMOVE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldFilter {
    path: Vec<String>,
    values: Vec<String>,
}

/// What is wrong with the text of a [`FieldFilter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected FIELD=VALUE, such as entityType=dataset, aspect.value.removed=true or operation=ADD,REMOVE"
)]
pub(super) struct FieldFilterError;

impl FromStr for FieldFilter {
    type Err = FieldFilterError;

    fn from_str(text: &str) -> Result<Self, FieldFilterError> {
        let (path, values) = text.split_once('=').ok_or(FieldFilterError)?;
        let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(FieldFilterError);
        }
        Ok(Self { path, values: values.split(',').map(str::to_owned).collect() })
    }
}

/// The filters that these make, all of which must let an event pass. `event_types` are the types that may
/// come beside the standard ones.
pub(super) fn compiled(filters: &[FieldFilter], event_types: &[EventType]) -> Filters {
    let names =
        || EventType::STANDARD.iter().chain(event_types).map(|event_type| event_type.as_str().to_owned());
    let configs = filters.iter().map(|filter| {
        let wanted: BTreeMap<String, Option<EventTypeSpec>> = if filter.path == [EVENT_TYPE] {
            filter.values.iter().map(|name| (name.clone(), None)).collect()
        } else {
            let predicates = filter.predicates();
            names().map(|name| (name, Some(EventTypeSpec { event: Some(predicates.clone()) }))).collect()
        };
        EventTypeFilterConfig { filter: wanted }
    });
    Filters::compile(&FiltersConfig(configs.collect()), None)
}

/// What looks like a slip in filters on events of these topics: warnings of fields that no event has.
///
/// # Errors
/// A type that no event has.
pub(super) fn review<'r>(
    filters: &[FieldFilter],
    routes: impl Iterator<Item = &'r Route>,
) -> Result<Vec<String>, String> {
    let routes: Vec<&Route> = routes.collect();
    let read: Vec<EventType> = routes.iter().flat_map(|route| route.event_types()).collect();
    let mut types: Vec<&str> = read.iter().chain(&EventType::STANDARD).map(EventType::as_str).collect();
    types.dedup();
    let arriving = Arriving::on(routes);
    let mut warnings = Vec::new();
    for filter in filters {
        if filter.path == [EVENT_TYPE] {
            if let Some(wrong) = filter.values.iter().find(|name| !types.contains(&name.as_str())) {
                return Err(format!(
                    "--filter {EVENT_TYPE}={wrong}: no event has this type; {}",
                    suggestion(wrong, &types)
                ));
            }
        } else if let Some(level) = arriving.level(None) {
            let (at, mut findings) = (KeyPath::root(), Findings::default());
            level.review_path(&filter.path, &at, &mut findings);
            let path = filter.path.join(".");
            warnings.extend(findings.into_iter().map(|finding| format!("--filter {path}: {}", finding.text)));
        }
    }
    Ok(warnings)
}

impl FieldFilter {
    /// Predicates of which one must match: on a command line `true` and `7` may be text or not.
    fn predicates(&self) -> Vec<Map<String, Value>> {
        let texts = self.values.iter().map(|value| Value::String(value.clone()));
        let others = self.values.iter().filter_map(|value| match serde_json::from_str(value).ok()? {
            typed @ (Value::Bool(_) | Value::Number(_) | Value::Null) => Some(typed),
            _ => None,
        });
        texts.chain(others).map(|value| self.at_path(value)).collect()
    }

    fn at_path(&self, value: Value) -> Map<String, Value> {
        let mut steps = self.path.iter().rev();
        let nested = |value, step: &String| Value::Object([(step.clone(), value)].into_iter().collect());
        let innermost = steps.next().map(|step| nested(value, step)).unwrap_or_default();
        match steps.fold(innermost, nested) {
            Value::Object(predicate) => predicate,
            // A path has at least one step.
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Envelope, Event, Position, TopicPartition};

    fn passes(filters: &[&str], event_type: EventType, event: &Value) -> bool {
        let filters: Vec<FieldFilter> = filters.iter().map(|text| text.parse().unwrap()).collect();
        let source = TopicPartition { topic: "t".into(), partition: 0 };
        let event = Event::Object(event.as_object().unwrap().clone());
        let other = [EventType::Other("Mine".into())];
        compiled(&filters, &other).matches(&Envelope::new(event_type, event, Position { source, offset: 0 }))
    }

    #[test]
    fn all_filters_must_match_and_of_several_values_one() {
        let event = json!({"entityType": "dataset", "operation": "ADD", "version": 0,
            "aspect": {"value": "{\"removed\": true}"}});
        let passes = |filters: &[&str]| passes(filters, EventType::EntityChange, &event);
        assert!(passes(&[]));
        assert!(passes(&["entityType=dataset", "operation=REMOVE,ADD"]));
        assert!(!passes(&["entityType=dataset", "operation=REMOVE"]));
        assert!(passes(&["aspect.value.removed=true", "version=0"]));
        assert!(!passes(&["aspect.value.removed=false"]));
        assert!(passes(&["event_type=EntityChangeEvent_v1,Mine"]));
        assert!(!passes(&["event_type=Mine"]));
        assert!(passes(&["modifier=null"]), "as in a recipe, null matches what is not there");
    }

    #[test]
    fn other_types_of_event_are_filtered_too() {
        let event = json!({"name": "a=b"});
        assert!(passes(&["name=a=b"], EventType::Other("Mine".into()), &event));
        assert!(!passes(&["name=c"], EventType::Other("Mine".into()), &event));
    }

    fn reviewed(filter: &str, routes: &[Route]) -> Result<Vec<String>, String> {
        review(&[filter.parse().unwrap()], routes.iter())
    }

    #[test]
    fn a_field_that_no_event_has_is_warned_of_with_the_nearest() {
        let routes = [Route::ChangeLog, Route::EveryPlatformEvent];
        for right in
            ["category=TAG", "entityType=dataset", "aspect.value.anything=1", "name=x", "auditStamp.actor=x"]
        {
            assert_eq!(reviewed(right, &routes), Ok(Vec::new()), "{right}");
        }
        for (wrong, meant) in
            [("categry=TAG", "\"category\"?"), ("auditStamp.actr=x", "\"auditStamp.actor\"?")]
        {
            let warnings = reviewed(wrong, &routes).unwrap();
            assert!(warnings[0].contains("did you mean") && warnings[0].ends_with(meant), "{warnings:?}");
        }
        let other = [Route::Avro("Mine".into())];
        assert_eq!(reviewed("categry=TAG", &other), Ok(Vec::new()), "nothing is known of its fields");
    }

    #[test]
    fn a_type_that_no_event_has_is_an_error_with_the_nearest() {
        let routes = [Route::PlatformEvent, Route::Avro("Mine".into())];
        for right in ["event_type=EntityChangeEvent_v1", "event_type=Mine,MetadataChangeLogEvent_v1"] {
            assert_eq!(reviewed(right, &routes), Ok(Vec::new()));
        }
        let error = reviewed("event_type=Mine,EntityChangeEvent", &routes).unwrap_err();
        assert!(error.contains("did you mean \"EntityChangeEvent_v1\"?"), "{error}");
    }

    #[test]
    fn a_filter_is_a_field_and_its_value() {
        for wrong in ["", "entityType", "=dataset", "a..b=c"] {
            assert_eq!(wrong.parse::<FieldFilter>(), Err(FieldFilterError), "{wrong}");
        }
    }
}
