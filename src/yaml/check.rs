//! Walks a file's tree and the JSON schema of the struct it is meant for, side by side.
//!
//! An own walk and not a JSON schema validator, because the walk does two things at once that
//! belong together: a variable's value is always text, so `"3"`, `"true"` and `"on"` have to become
//! what the schema wants *while* it is checked against it; and a key that a later version will know
//! is another error than one that nobody ever heard of.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::expected::{found, phrase, schema_name};
use super::node::{Content, Entry, Node};
use super::secret_file::{file_key, is_secret, key_of_file, read_secret};
use crate::findings::{Findings, KeyPath, suggestion};

/// In a schema: what an unknown key leads to where the struct does not deny it. `"ignore"`: nothing;
/// absent: a warning.
const UNKNOWN_KEYS: &str = "x-unknown-keys";

/// Reads `node` as a `T` and notes *every* key that does not fit.
///
/// Where something did not fit, the `T` is what can be made of the rest, if anything can: good for
/// finding further errors, not for use. Whether it is for use, the number of errors says.
///
/// A null stands for a key that is not there, except where the schema takes null itself.
pub fn read_as<T: DeserializeOwned + JsonSchema>(
    node: &Node,
    at: &KeyPath,
    findings: &mut Findings,
) -> Option<T> {
    let schema = schemars::schema_for!(T).to_value();
    let errors = findings.errors();
    let checked = Checker { root: &schema }.check(node, &schema, at, findings)?;
    let value = serde_json::from_value(checked).ok();
    // An error noted before (a variable that is not set) explains it, too.
    if value.is_none() && findings.errors() == errors && errors == 0 {
        // The schema comes from the same struct, so this is ours to mend, not the user's. serde's own
        // words are left out, they may quote a secret.
        findings.error(at, "cannot be read, although every key fits: please report this file as a bug");
    }
    value
}

/// Text that stands for true or false, with every spelling the framework takes.
pub(crate) fn boolean_of_text(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "t" | "y" => Some(true),
        "false" | "no" | "off" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    /// What can be used of `node`: all of it, unless an error was noted.
    fn check(&self, node: &Node, schema: &Value, at: &KeyPath, findings: &mut Findings) -> Option<Value> {
        let schema = self.resolve(schema);
        if node.content == Content::Unresolved {
            return None;
        }
        if let Some(alternatives) = alternatives(schema) {
            return self.check_alternatives(node, alternatives, at, findings);
        }
        let types = types(schema);
        if types.is_empty() {
            return node.to_json();
        }
        let Some(kind) = types
            .iter()
            .copied()
            .find(|kind| is_a(node, kind))
            .or_else(|| types.iter().copied().find(|kind| coerced(node, kind).is_some()))
        else {
            let remedy =
                if types.contains(&"string") && !is_collection(node) { "; put it in quotes" } else { "" };
            findings.error(at, format!("expected {}, found {}{remedy}", schema_name(schema), found(node)));
            return None;
        };
        match kind {
            // A map that takes anything belongs to somebody who reads it later.
            "object" if schema.get("properties").is_none() && takes_anything(schema) => node.to_json(),
            "object" => Some(self.check_map(node.entries(), schema, at, findings)),
            "array" => Some(self.check_list(node.items(), schema, at, findings)),
            _ => {
                let value = coerced(node, kind)?;
                limits(&value, schema, node, at, findings).then_some(value)
            }
        }
    }

    /// Follows `$ref`.
    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        match reference.and_then(|pointer| self.root.pointer(pointer)) {
            Some(target) => self.resolve(target),
            None => schema,
        }
    }

    /// An optional struct, an enum whose variants have descriptions, or a choice of types.
    fn check_alternatives(
        &self,
        node: &Node,
        alternatives: &[Value],
        at: &KeyPath,
        findings: &mut Findings,
    ) -> Option<Value> {
        let alternatives: Vec<&Value> = alternatives.iter().map(|schema| self.resolve(schema)).collect();
        if node.is_null() && alternatives.iter().any(|schema| types(schema).contains(&"null")) {
            return Some(Value::Null);
        }
        let options: Vec<&str> = alternatives.iter().flat_map(|schema| names(schema)).collect();
        if !options.is_empty() && options.len() >= alternatives.len() {
            return one_of(node, &options, at, findings);
        }
        let candidates: Vec<&Value> =
            alternatives.into_iter().filter(|schema| types(schema) != ["null"]).collect();
        let (exact, others): (Vec<&Value>, Vec<&Value>) =
            candidates.iter().partition(|schema| types(schema).iter().any(|kind| is_a(node, kind)));
        for schema in exact.iter().chain(&others) {
            let mut attempt = Findings::default();
            let value = self.check(node, schema, at, &mut attempt);
            if value.is_some() && attempt.errors() == 0 {
                findings.append(attempt);
                return value;
            }
        }
        // Into the one alternative that was meant, so that the error is about what is wrong in it.
        let meant = match (exact.as_slice(), candidates.as_slice()) {
            ([only], _) | (_, [only]) => only,
            _ => {
                let names: Vec<String> = candidates.iter().map(|schema| schema_name(schema)).collect();
                findings.error(at, format!("expected {}, found {}", names.join(" or "), found(node)));
                return None;
            }
        };
        self.check(node, meant, at, findings)
    }

    fn check_list(&self, items: &[Node], schema: &Value, at: &KeyPath, findings: &mut Findings) -> Value {
        let each = schema.get("items").unwrap_or(&Value::Bool(true));
        let items = items.iter().enumerate();
        items.filter_map(|(index, item)| self.check(item, each, &at.index(index), findings)).collect()
    }

    fn check_map(&self, entries: &[Entry], schema: &Value, at: &KeyPath, findings: &mut Findings) -> Value {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut map = Map::new();
        for Entry { key, value, .. } in entries {
            let here = at.key(key);
            if let Some(secret) = key_of_file(schema, properties, key) {
                if has(entries, secret) {
                    findings.error(&here, format!("{secret} is given too; remove one of the two"));
                } else if let Some(value) = secret_of_file(value, &here, findings)
                    && let Some(below) = below(schema, properties, secret, &here, findings)
                    && let Some(value) = self.check(&value, below, &here, findings)
                {
                    map.insert(secret.to_owned(), value);
                }
                continue;
            }
            let Some(below) = below(schema, properties, key, &here, findings) else { continue };
            if value.is_null() && !self.takes_null(below) {
                continue;
            }
            let checked = if is_secret(schema, properties, key) {
                self.check(&kept_secret(value, findings), below, &here, findings)
            } else {
                self.check(value, below, &here, findings)
            };
            if let Some(value) = checked {
                map.insert(key.clone(), value);
            }
        }
        let given = |name: &str| {
            has(entries, name) || (is_secret(schema, properties, name) && has(entries, &file_key(name)))
        };
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str).filter(|name| !given(name)) {
            let meaning = properties.get(name).and_then(|property| property.get("description")?.as_str());
            let meaning = meaning.map(|text| format!(": {}", phrase(text))).unwrap_or_default();
            findings.error(&at.key(name), format!("is missing; add it{meaning}"));
        }
        Value::Object(map)
    }

    fn takes_null(&self, schema: &Value) -> bool {
        let schema = self.resolve(schema);
        let own = types(schema);
        match alternatives(schema) {
            Some(alternatives) => alternatives.iter().any(|schema| self.takes_null(schema)),
            None => own.is_empty() || own.contains(&"null"),
        }
    }
}

/// The schema of what is below `key`. A key that the schema does not have is noted.
fn below<'s>(
    schema: &'s Value,
    properties: &'s Map<String, Value>,
    key: &str,
    at: &KeyPath,
    findings: &mut Findings,
) -> Option<&'s Value> {
    match (properties.get(key), schema.get("additionalProperties")) {
        (Some(property), _) => return Some(property),
        (None, Some(others @ Value::Object(_))) => return Some(others),
        (None, others) => {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            let text = format!("unknown key; {}", suggestion(key, &known));
            if others.is_some() {
                findings.error(at, text);
            } else if schema.get(UNKNOWN_KEYS).is_none() {
                findings.warning(at, format!("has no effect: {text}"));
            }
        }
    }
    None
}

fn has(entries: &[Entry], key: &str) -> bool {
    entries.iter().any(|entry| entry.key == key && !entry.value.is_null())
}

/// The secret in the file that `node` names; none, too, where it names none, as an empty variable does.
fn secret_of_file(node: &Node, at: &KeyPath, findings: &mut Findings) -> Option<Node> {
    let path = match &node.content {
        Content::Null | Content::Unresolved => return None,
        Content::Text(path) if path.is_empty() => return None,
        Content::Text(path) => path,
        _ => {
            findings.error(at, format!("expected the path of a file, found {}", found(node)));
            return None;
        }
    };
    match read_secret(path) {
        Ok(secret) => {
            findings.secret(&secret);
            Some(Node { mark: node.mark, content: Content::Text(secret), from_variable: true })
        }
        Err(error) => {
            findings.error(at, error.to_string());
            None
        }
    }
}

/// The value of a secret key, which no text may show, however it is given.
fn kept_secret(node: &Node, findings: &mut Findings) -> Node {
    node.for_each_scalar(&mut |scalar| match &scalar.content {
        Content::Text(text) => findings.secret(text),
        Content::Number(number) => findings.secret(&number.to_string()),
        _ => {}
    });
    Node { from_variable: true, ..node.clone() }
}

fn is_collection(node: &Node) -> bool {
    matches!(node.content, Content::List(_) | Content::Map(_))
}

fn takes_anything(map: &Value) -> bool {
    map.get("additionalProperties").is_some_and(|others| *others == Value::Bool(true))
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
}

/// A schema's `type`; none for one that takes anything.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The names that a schema lists: `enum`, or the `const` of one variant.
fn names(schema: &Value) -> Vec<&str> {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(names)), _) => names.iter().filter_map(Value::as_str).collect(),
        (_, Some(Value::String(name))) => vec![name],
        _ => Vec::new(),
    }
}

fn is_a(node: &Node, kind: &str) -> bool {
    match (&node.content, kind) {
        (Content::Null, "null")
        | (Content::Bool(_), "boolean")
        | (Content::Number(_), "number")
        | (Content::Text(_), "string")
        | (Content::List(_), "array")
        | (Content::Map(_), "object") => true,
        (Content::Number(number), "integer") => whole(number).is_some(),
        _ => false,
    }
}

/// The scalar as the type that is wanted, if it is that or clearly stands for it.
fn coerced(node: &Node, kind: &str) -> Option<Value> {
    match (&node.content, kind) {
        (Content::Null, "null") => Some(Value::Null),
        (Content::Bool(flag), "boolean") => Some(Value::Bool(*flag)),
        (Content::Number(number), "boolean") => boolean_of_text(&number.to_string()).map(Value::Bool),
        (Content::Text(text), "boolean") => boolean_of_text(text.trim()).map(Value::Bool),
        (Content::Number(number), "number") => Some(Value::Number(number.clone())),
        (Content::Number(number), "integer") => whole(number).map(Value::Number),
        (Content::Text(text), "number" | "integer") => {
            let number: Number = serde_json::from_str(text.trim()).ok()?;
            if kind == "integer" { whole(&number).map(Value::Number) } else { Some(Value::Number(number)) }
        }
        (Content::Text(text), "string") => Some(Value::String(text.clone())),
        _ => None,
    }
}

/// `3.0` counts as 3.
fn whole(number: &Number) -> Option<Number> {
    if number.is_i64() || number.is_u64() {
        return Some(number.clone());
    }
    // Beyond 2^53 a fraction's neighbours are no longer whole numbers one apart.
    let float =
        number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0)?;
    Some(Number::from(float as i64))
}

fn one_of(node: &Node, options: &[&str], at: &KeyPath, findings: &mut Findings) -> Option<Value> {
    if let Some(option) = node.text().and_then(|text| options.iter().find(|option| **option == text)) {
        return Some(Value::String((*option).to_owned()));
    }
    findings.error(at, format!("expected one of {}, found {}", options.join(", "), found(node)));
    None
}

/// The schema's `enum`, bounds and lengths. Says whether the value keeps them.
fn limits(value: &Value, schema: &Value, node: &Node, at: &KeyPath, findings: &mut Findings) -> bool {
    let options = names(schema);
    if !options.is_empty() {
        return one_of(node, &options, at, findings).is_some();
    }
    if value.as_str().is_some_and(str::is_empty) && schema.get("minLength").is_some() {
        findings.error(at, "must not be empty");
        return false;
    }
    let Some(number) = value.as_f64() else { return true };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let highest = bound("maximum").or(match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => Some(f64::from(u32::MAX)),
        Some("uint16") => Some(f64::from(u16::MAX)),
        _ => None,
    });
    let expected = match (bound("minimum"), bound("exclusiveMinimum"), highest) {
        (Some(lowest), _, _) if number < lowest => format!("{lowest} or more"),
        (_, Some(lowest), _) if number <= lowest => format!("more than {lowest}"),
        (_, _, Some(highest)) if number > highest => format!("{highest} or less"),
        _ => return true,
    };
    findings.error(at, format!("expected {expected}, found {}", found(node)));
    false
}
