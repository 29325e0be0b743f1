//! The JSON schema of a recipe, for editors and for whoever generates recipes.
//!
//! Made from the structs that recipes are read into, so that it says what is read. Beside them it has what
//! the reading adds: what `config` holds depends on `type`, a secret may stand in a file, and whatever a
//! variable fills in is text.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

#[cfg(test)]
use super::kinds::{ACTIONS, FILTERS, SOURCES, TRANSFORMS};
use super::model::RecipeConfig;
use crate::action::{FileConfig, HelloWorldConfig, NoopConfig, WebhookConfig};
use crate::filter::EventTypeFilterConfig;
use crate::kafka::KafkaSourceConfig;
use crate::transform::{EnrichConfig, FilterTransformConfig, ProjectConfig};
use crate::yaml::{TO_FILE, secret_file_keys};

/// The JSON schema (draft 2020-12) of a recipe as it is written.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let kinds = [
        ("/properties/source", kinds(&mut generator, SOURCE_CONFIGS)),
        ("/properties/filters/items", kinds(&mut generator, FILTER_CONFIGS)),
        ("/properties/transform/items", kinds(&mut generator, TRANSFORM_CONFIGS)),
        ("/properties/action", kinds(&mut generator, ACTION_CONFIGS)),
    ];
    let mut schema = generator.into_root_schema_for::<RecipeConfig>().to_value();
    for (pointer, kind) in kinds {
        if let Some(place) = schema.pointer_mut(pointer) {
            let description = place.get("description").cloned();
            *place = kind;
            if let (Value::Object(place), Some(description)) = (place, description) {
                place.insert("description".to_owned(), description);
            }
        }
    }
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        // Replaced by what depends on the type.
        definitions.remove("Typed");
    }
    as_written(&mut schema);
    schema["title"] = json!("A recipe of datahub-relay");
    schema
}

/// The schema of one type's `config`.
type ConfigOf = fn(&mut SchemaGenerator) -> Schema;

const SOURCE_CONFIGS: &[(&str, ConfigOf)] =
    &[("kafka", of::<KafkaSourceConfig>), ("datahub-cloud", of::<KafkaSourceConfig>)];

const FILTER_CONFIGS: &[(&str, ConfigOf)] = &[("event_type", of::<EventTypeFilterConfig>)];

const TRANSFORM_CONFIGS: &[(&str, ConfigOf)] = &[
    ("filter", of::<FilterTransformConfig>),
    ("project", of::<ProjectConfig>),
    ("enrich", of::<EnrichConfig>),
];

const ACTION_CONFIGS: &[(&str, ConfigOf)] = &[
    ("hello_world", of::<HelloWorldConfig>),
    ("noop", of::<NoopConfig>),
    ("file", of::<FileConfig>),
    ("webhook", of::<WebhookConfig>),
];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// `{type, config}`, where the type says what `config` holds.
fn kinds(generator: &mut SchemaGenerator, configs: &[(&str, ConfigOf)]) -> Value {
    let names: Vec<&str> = configs.iter().map(|(name, _)| *name).collect();
    let branches: Vec<Value> = configs
        .iter()
        .map(|(name, config)| {
            let config = config(generator).to_value();
            json!({
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {"properties": {"config": {"anyOf": [config, {"type": "null"}]}}},
            })
        })
        .collect();
    json!({
        "type": "object",
        "properties": {
            "type": {"description": "Which kind it is.", "type": "string", "examples": names},
            "config": {"description": "Its settings."},
        },
        "required": ["type"],
        "additionalProperties": false,
        "allOf": branches.into_iter().chain([one_of_the_types(&names)]).collect::<Vec<_>>(),
    })
}

fn one_of_the_types(names: &[&str]) -> Value {
    json!({"properties": {"type": {"anyOf": [{"enum": names}, variable()]}}})
}

/// Text that a variable has a part in.
fn variable() -> Value {
    json!({"type": "string", "pattern": "\\$"})
}

/// From what is read to what may be written, from `schema` down.
fn as_written(schema: &mut Value) {
    let Value::Object(map) = schema else {
        if let Value::Array(list) = schema {
            list.iter_mut().for_each(as_written);
        }
        return;
    };
    for (keyword, below) in map.iter_mut() {
        match keyword.as_str() {
            // Names, not schemas.
            "enum" | "const" | "examples" | "required" | "if" | "type" => {}
            "properties" | "$defs" | "patternProperties" => {
                below.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(as_written);
            }
            _ => as_written(below),
        }
    }
    secrets_from_files(map);
    content_to_files(map);
    text_for_scalars(map);
    variables_for_names(map);
}

/// `KEY_file` beside each secret key.
fn secrets_from_files(map: &mut Map<String, Value>) {
    let keys = secret_file_keys(&Value::Object(map.clone()));
    let mut either = Vec::new();
    for (key, file_key) in keys {
        if let Some(required) = map.get_mut("required").and_then(Value::as_array_mut)
            && let Some(place) = required.iter().position(|name| *name == key.as_str())
        {
            required.remove(place);
            either.push(json!({"anyOf": [{"required": [key]}, {"required": [file_key]}]}));
        }
        if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
            let description = format!("File that holds {key}; a line feed at its end does not count.");
            properties.insert(file_key, json!({"description": description, "type": ["string", "null"]}));
        }
    }
    if !either.is_empty() {
        map.insert("allOf".to_owned(), Value::Array(either));
    }
}

/// `__DATAHUB_TO_FILE_KEY` in each map that allows no other keys.
fn content_to_files(map: &mut Map<String, Value>) {
    if map.get("additionalProperties") == Some(&Value::Bool(false)) {
        let content = json!({"description": "Text that is put into a private file, whose path is the key's value.", "type": ["string", "null"]});
        map.insert("patternProperties".to_owned(), json!({format!("^{TO_FILE}"): content}));
    }
}

/// Numbers and flags may be written as text, which is what variables make of them.
fn text_for_scalars(map: &mut Map<String, Value>) {
    let Some(kind) = map.get_mut("type") else { return };
    let mut kinds = match &*kind {
        Value::String(one) => vec![one.clone()],
        Value::Array(some) => some.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => return,
    };
    let is_scalar = kinds.iter().any(|kind| matches!(kind.as_str(), "boolean" | "integer" | "number"));
    if is_scalar && !kinds.iter().any(|kind| kind == "string") {
        kinds.push("string".to_owned());
        *kind = json!(kinds);
        // Says how wide the number is, which no validator of text understands.
        map.remove("format");
    }
}

/// A name out of a list may come from a variable, too.
fn variables_for_names(map: &mut Map<String, Value>) {
    let lists_names = |schema: &Value| schema.get("const").is_some_and(Value::is_string);
    if let Some(Value::Array(alternatives)) = map.get_mut("oneOf")
        && alternatives.iter().all(lists_names)
    {
        alternatives.push(variable());
    } else if map.contains_key("enum") {
        let mut names = Map::new();
        for keyword in ["type", "enum"] {
            if let Some(value) = map.remove(keyword) {
                names.insert(keyword.to_owned(), value);
            }
        }
        map.insert("anyOf".to_owned(), json!([names, variable()]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_type_has_the_schema_of_its_config() {
        for (kinds, configs) in [
            (&SOURCES, SOURCE_CONFIGS),
            (&FILTERS, FILTER_CONFIGS),
            (&TRANSFORMS, TRANSFORM_CONFIGS),
            (&ACTIONS, ACTION_CONFIGS),
        ] {
            let names: Vec<&str> = configs.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, kinds.known, "add the type's config to this file");
        }
    }

    #[test]
    fn secrets_have_their_file_and_numbers_their_text() {
        let schema = schema();
        let webhook = &schema["$defs"]["WebhookConfig"];
        assert!(webhook["properties"]["url_file"].is_object());
        assert_eq!(
            webhook["allOf"][0],
            json!({"anyOf": [{"required": ["url"]}, {"required": ["url_file"]}]})
        );
        assert!(
            schema["$defs"]["OptionsConfig"]["properties"]["retry_count"]["type"]
                .as_array()
                .is_some_and(|kinds| kinds.contains(&json!("string")))
        );
    }
}
