//! The keys of a recipe whose values are secrets, as the schema marks them: a new one is found by itself.

use serde_json::{Value, json};

/// The schema is not deeper.
const DEEPEST: usize = 24;

/// A key whose value is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretKey {
    /// The way to it from the recipe's top.
    pub(crate) path: Vec<String>,
    /// What its place takes beside text, `object` for instance.
    pub(crate) takes_a_map: bool,
    /// `{type, config}` maps on the way, and the type that each has to have.
    kinds: Vec<(Vec<String>, String)>,
}

impl SecretKey {
    /// Every key that the schema marks.
    pub(crate) fn all() -> Vec<Self> {
        let schema = datahub_relay::recipe::schema();
        let mut found: Vec<Self> = Vec::new();
        walk(&schema, &schema, &Self { path: Vec::new(), takes_a_map: false, kinds: Vec::new() }, &mut found);
        // The two types of source have one struct.
        found.retain(|key| key.kinds.iter().all(|(_, kind)| kind != "datahub-cloud"));
        found
    }

    /// The recipe with this value at the key; `None` if another type stands on the way.
    pub(crate) fn put(&self, recipe: &Value, value: Value) -> Option<Value> {
        let mut recipe = recipe.clone();
        for (path, kind) in &self.kinds {
            let place = &mut place(&mut recipe, path)["type"];
            if place.is_null() {
                *place = json!(kind);
            } else if place != kind {
                return None;
            }
        }
        *place(&mut recipe, &self.path) = value;
        Some(recipe)
    }

    fn below(&self, key: &str) -> Self {
        let mut below = self.clone();
        below.path.push(key.to_owned());
        below
    }
}

fn place<'a>(recipe: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(recipe, |map, key| {
        assert!(map.is_object() || map.is_null(), "a secret in a list needs code here: {path:?}");
        &mut map[key]
    })
}

fn walk(root: &Value, schema: &Value, here: &SecretKey, found: &mut Vec<SecretKey>) {
    assert!(here.path.len() < DEEPEST, "{:?}", here.path);
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("what is referred to is there");
        walk(root, target, here, found);
    }
    if schema["x-secret"] == true {
        let takes_a_map = schema["type"].to_string().contains("object");
        found.push(SecretKey { takes_a_map, ..here.clone() });
        return;
    }
    let listed = schema["x-secret-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    found.extend(listed.map(|key| here.below(key)));
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        walk(root, below, &here.below(key), found);
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        for branch in schema[word].as_array().into_iter().flatten() {
            match branch.pointer("/if/properties/type/const").and_then(Value::as_str) {
                None => walk(root, branch, here, found),
                Some(kind) => {
                    let mut of_kind = here.clone();
                    of_kind.kinds.push((here.path.clone(), kind.to_owned()));
                    walk(root, &branch["then"], &of_kind, found);
                }
            }
        }
    }
}
