//! Environment variables in a recipe's values.
//!
//! The forms and their meaning are those of the Python framework, which uses a shell-like expansion:
//! a value that has a `${…}` is expanded as a whole, a value that only begins with `$` is expanded
//! where that works and left alone where it does not, and every other value stays as it is.

use crate::environment::Environment;
use crate::findings::{Findings, KeyPath};
use crate::yaml::{Content, Node};

/// Fills in the variables of every value from here down. A value whose variables are not there
/// becomes [`Content::Unresolved`], with an error that names the variable.
pub(super) fn expand_all(node: &mut Node, at: &KeyPath, environment: &Environment, findings: &mut Findings) {
    match &mut node.content {
        Content::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand_all(item, &at.index(index), environment, findings);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                expand_all(&mut entry.value, &at.key(&entry.key), environment, findings);
            }
        }
        Content::Text(text) => match expand(text, environment) {
            Ok(None) => {}
            Ok(Some(expanded)) => {
                values_in(text, environment).for_each(|value| findings.value_of_variable(value));
                node.from_variable = true;
                node.content = Content::Text(expanded);
            }
            Err(error) => {
                findings.error(at, error.to_string());
                node.content = Content::Unresolved;
            }
        },
        _ => {}
    }
}

/// What the variables named in a text hold, apart from what is no secret by itself, such as a port:
/// hidden everywhere, it would only make texts hard to read.
fn values_in<'e>(text: &str, environment: &'e Environment) -> impl Iterator<Item = &'e str> {
    const LONGEST_PORT: usize = 5;
    let is_a_port = |value: &str| value.len() <= LONGEST_PORT && value.bytes().all(|b| b.is_ascii_digit());
    text.split('$')
        .skip(1)
        .map(|after| split_name(after.strip_prefix('{').unwrap_or(after)).0)
        .filter_map(|name| environment.get(name))
        .filter(move |value| !is_a_port(value) && !matches!(*value, "true" | "false"))
}

/// Why a value's variables could not be filled in. Says nothing of any variable's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum VariableError {
    #[error("the variable {0} is not set; set it, or write ${{{0}:-default}}")]
    Unset(String),
    #[error("the variable {name} is not set: {message}")]
    Required { name: String, message: String },
    #[error(
        "{form} is not supported; ${{VAR}}, ${{VAR:-default}}, ${{VAR:?message}} and ${{VAR:+other}} are"
    )]
    UnknownForm { form: String },
    #[error("a ${{ has no closing brace; add it, or write \\$ for a dollar sign")]
    UnclosedBrace,
    #[error("ends in a backslash, which escapes the character after it; write two")]
    DanglingBackslash,
}

/// The text with its variables filled in; `None` if it has none.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<Option<String>, VariableError> {
    let strict = Expander { environment, unset: Unset::IsAnError };
    if has_braced_variable(text) {
        return strict.expand(text).map(Some);
    }
    if !text.starts_with('$') {
        return Ok(None);
    }
    match strict.expand(text) {
        Ok(expanded) if expanded == text => Ok(None),
        Ok(expanded) => Ok(Some(expanded)),
        Err(VariableError::Unset(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether one line has `${`, something, and `}`, in this order.
fn has_braced_variable(text: &str) -> bool {
    text.split('\n').any(|line| {
        line.find("${").is_some_and(|start| {
            let mut inside = line[start + 2..].chars();
            inside.next().is_some() && inside.as_str().contains('}')
        })
    })
}

#[derive(Clone, Copy)]
enum Unset {
    IsAnError,
    /// Inside a default.
    IsEmpty,
}

#[derive(Clone, Copy)]
struct Expander<'a> {
    environment: &'a Environment,
    unset: Unset,
}

impl Expander<'_> {
    fn expand(self, text: &str) -> Result<String, VariableError> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '$']) {
            expanded.push_str(&rest[..at]);
            let special = &rest[at..];
            let after = &special[1..];
            rest = if special.starts_with('\\') {
                escaped(after, &mut expanded)?
            } else if let Some(braced) = after.strip_prefix('{') {
                let (inside, rest) = until_closing_brace(braced)?;
                expanded.push_str(&self.braced(inside)?);
                rest
            } else if after.starts_with('$') {
                return Err(VariableError::UnknownForm { form: "$$ (the process's id)".to_owned() });
            } else {
                let (name, rest) = split_name(after);
                match name {
                    "" => expanded.push('$'),
                    name => expanded.push_str(self.value(name)?),
                }
                rest
            };
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn braced(self, inside: &str) -> Result<String, VariableError> {
        let (name, operation) = split_name(inside);
        let unknown = |form: String| Err(VariableError::UnknownForm { form });
        if name.is_empty() {
            return match inside.chars().next() {
                Some('!') => unknown("${!…} (indirection)".to_owned()),
                Some('#') => unknown("${#…} (a length)".to_owned()),
                _ => unknown("${…} without a name".to_owned()),
            };
        }
        if operation.is_empty() {
            return self.value(name).map(str::to_owned);
        }
        // With and without the colon: an empty variable counts as unset either way.
        let operation = operation.strip_prefix(':').unwrap_or(operation);
        let given = self.environment.get(name);
        // What is not used is not looked at: its variables may be missing.
        let inner = Expander { unset: Unset::IsEmpty, ..self };
        let mut characters = operation.chars();
        match (characters.next(), given) {
            (Some('-' | '?'), Some(value)) => Ok(value.to_owned()),
            (Some('-'), None) | (Some('+'), Some(_)) => inner.expand(characters.as_str()),
            (Some('+'), None) => Ok(String::new()),
            (Some('?'), None) => Err(VariableError::Required {
                name: name.to_owned(),
                // As it is written: a variable in it may be a secret.
                message: match characters.as_str() {
                    "" => "it is required".to_owned(),
                    message => message.to_owned(),
                },
            }),
            (Some('='), _) => unknown(format!("${{{name}:=…}} (setting a variable)")),
            _ => unknown(format!("${{{name}:…}} (part of a value)")),
        }
    }

    fn value(&self, name: &str) -> Result<&str, VariableError> {
        match (self.environment.get_even_if_empty(name), self.unset) {
            (Some(value), _) => Ok(value),
            (None, Unset::IsEmpty) => Ok(""),
            (None, Unset::IsAnError) => Err(VariableError::Unset(name.to_owned())),
        }
    }
}

/// `\$` and `\\` lose their backslash, every other character keeps it.
fn escaped<'t>(after: &'t str, expanded: &mut String) -> Result<&'t str, VariableError> {
    let mut characters = after.chars();
    match characters.next() {
        None => return Err(VariableError::DanglingBackslash),
        Some(character @ ('$' | '\\')) => expanded.push(character),
        Some(character) => expanded.extend(['\\', character]),
    }
    Ok(characters.as_str())
}

/// Braces inside must pair up, as those of a default that is a variable do.
fn until_closing_brace(text: &str) -> Result<(&str, &str), VariableError> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return Ok((&text[..at], &text[at + 1..])),
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err(VariableError::UnclosedBrace)
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<Option<String>, VariableError> {
        let environment =
            Environment::from([("HOST", "broker"), ("PORT", "9092"), ("EMPTY", ""), ("BRACE", "a}b$HOST")]);
        expand(text, &environment)
    }

    /// The right column is what the framework's loader makes of the left one with these variables.
    #[test]
    fn variables_expand_as_the_framework_expands_them() {
        let cases = [
            ("${HOST}", "broker"),
            ("${HOST}:${PORT}", "broker:9092"),
            ("${EMPTY}", ""),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY-x}", "x"),
            ("${NONE:-x}", "x"),
            ("${NONE:-}", ""),
            ("${NONE:-${HOST}}", "broker"),
            ("${NONE:-${ALSO_NONE:-deep}}", "deep"),
            ("${NONE:-${ALSO_NONE}}", ""),
            ("${NONE:-a$ALSO_NONE-b}", "a-b"),
            ("${HOST:+other}", "other"),
            ("${HOST+other}", "other"),
            ("${NONE:+other}", ""),
            ("${NONE+other}", ""),
            ("${EMPTY:+other}", ""),
            ("${EMPTY+other}", ""),
            ("${HOST:+${PORT}}", "9092"),
            ("${HOST:?needed}", "broker"),
            ("${HOST?needed}", "broker"),
            ("${HOST} $PORT", "broker 9092"),
            ("$PORT ${HOST}", "9092 broker"),
            ("$HOST:$PORT", "broker:9092"),
            ("\\${HOST}", "${HOST}"),
            ("\\$HOST ${HOST}", "$HOST broker"),
            ("a\\\\b ${HOST}", "a\\b broker"),
            ("a\\nb ${HOST}", "a\\nb broker"),
            ("${BRACE}", "a}b$HOST"),
            ("100% $ ${HOST}", "100% $ broker"),
        ];
        for (text, result) in cases {
            assert_eq!(expanded(text), Ok(Some(result.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_value_without_a_variable_stays_as_it_is() {
        for text in ["", "plain", "a $HOST", "$NONE", "$NONE and $HOST", "^a\\.b$", "a${}b", "$", "$.path"] {
            assert_eq!(expanded(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_expanded_says_why() {
        let cases = [
            ("${NONE}", "the variable NONE is not set; set it, or write ${NONE:-default}"),
            ("${NONE:?ask your platform team}", "the variable NONE is not set: ask your platform team"),
            ("${NONE:?not $HOST}", "the variable NONE is not set: not $HOST"),
            ("${NONE?}", "the variable NONE is not set: it is required"),
            ("${EMPTY:?needed}", "the variable EMPTY is not set: needed"),
            ("${EMPTY?needed}", "the variable EMPTY is not set: needed"),
            ("${HOST} $NONE", "the variable NONE is not set; set it, or write ${NONE:-default}"),
            ("${HOST} ${PORT", "a ${ has no closing brace; add it, or write \\$ for a dollar sign"),
            ("${HOST}\\", "ends in a backslash, which escapes the character after it; write two"),
        ];
        for (text, message) in cases {
            assert_eq!(expanded(text).unwrap_err().to_string(), message, "{text}");
        }
        for (text, form) in [
            ("${HOST:=x}", "${HOST:=…} (setting a variable)"),
            ("${HOST:1:2}", "${HOST:…} (part of a value)"),
            ("${!HOST}", "${!…} (indirection)"),
            ("${#HOST}", "${#…} (a length)"),
            ("$$ ${HOST}", "$$ (the process's id)"),
        ] {
            assert_eq!(expanded(text), Err(VariableError::UnknownForm { form: form.to_owned() }), "{text}");
        }
    }
}
