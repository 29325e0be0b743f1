//! How errors speak about values: what was expected, what was found, which name was meant.

use serde_json::Value;

use super::node::{Content, Node};

/// `text "abc"`, `a list`, `nothing`: what stands there, unless it is a secret.
pub(super) fn found(node: &Node) -> String {
    let kind = match &node.content {
        Content::Null | Content::Unresolved => "nothing",
        Content::Bool(_) => "true or false",
        Content::Number(_) => "a number",
        Content::Text(_) => "text",
        Content::List(_) => "a list",
        Content::Map(_) => "a map",
    };
    // The value of a key that the schema marks as a secret counts as one.
    if node.from_variable {
        return format!("{kind} (from a variable, or a secret)");
    }
    match &node.content {
        Content::Bool(flag) => format!("{flag}"),
        Content::Number(number) => format!("{number}"),
        Content::Text(text) => format!("text \"{}\"", shortened(text)),
        _ => kind.to_owned(),
    }
}

/// What a schema's `type` means to a person.
pub(super) fn type_name(name: &str) -> &str {
    match name {
        "object" => "a map",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

/// What a schema takes, in words.
pub(super) fn schema_name(schema: &Value) -> String {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![type_name(name)],
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").map(type_name).collect()
        }
        _ => vec!["another value"],
    };
    names.join(" or ")
}

/// The documentation of a struct's field as a part of a longer sentence.
pub(super) fn phrase(documentation: &str) -> String {
    let text = documentation.replace('\n', " ");
    let text = text.trim_end_matches('.');
    match text.char_indices().nth(1) {
        // Not an abbreviation.
        Some((second, character)) if character.is_lowercase() || character.is_whitespace() => {
            text[..second].to_lowercase() + &text[second..]
        }
        _ => text.to_owned(),
    }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}
