//! `--filter`: a predicate in one word.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::event::EventType;
use crate::filter::{EventTypeFilterConfig, EventTypeSpec, Filters, FiltersConfig};

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

    #[test]
    fn a_filter_is_a_field_and_its_value() {
        for wrong in ["", "entityType", "=dataset", "a..b=c"] {
            assert_eq!(wrong.parse::<FieldFilter>(), Err(FieldFilterError), "{wrong}");
        }
    }
}
