//! A secret that stands in a file of its own: `KEY_file: /path` instead of `KEY: secret`.
//!
//! Which keys may be given so is a property of the schema: a field with `"x-secret": true`, or a map
//! of free keys with a list of `"x-secret-keys"`, or `"*"` for all of them. The value of such a key is a secret however it is
//! given.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

/// At a property: its value is a secret.
const SECRET: &str = "x-secret";

/// At a map of free keys: those whose values are secrets.
const SECRET_KEYS: &str = "x-secret-keys";

/// What is appended to a secret key whose value stands in a file.
const SUFFIX: &str = "_file";

/// A certificate chain with its key has some ten thousand bytes; a device would never end.
const LARGEST_BYTES: u64 = 1 << 20;

/// Whether `key` of a map with this schema holds a secret.
pub(super) fn is_secret(schema: &Value, properties: &Map<String, Value>, key: &str) -> bool {
    match properties.get(key) {
        Some(property) => property.get(SECRET) == Some(&Value::Bool(true)),
        None => match schema.get(SECRET_KEYS) {
            Some(Value::String(all)) => all == "*",
            Some(Value::Array(keys)) => keys.iter().any(|secret| secret == key),
            _ => false,
        },
    }
}

/// The secret key that `key` gives by the path of a file.
pub(super) fn key_of_file<'k>(
    schema: &Value,
    properties: &Map<String, Value>,
    key: &'k str,
) -> Option<&'k str> {
    if properties.contains_key(key) {
        return None;
    }
    let secret = key.strip_suffix(SUFFIX)?;
    let takes_text = properties.get(secret).is_none_or(takes_text);
    (takes_text && is_secret(schema, properties, secret)).then_some(secret)
}

fn takes_text(property: &Value) -> bool {
    match property.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    }
}

/// The secret keys of a map with this schema that may be given by a file, each with its other name.
pub(crate) fn secret_file_keys(schema: &Value) -> Vec<(String, String)> {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    properties
        .iter()
        .filter(|(key, property)| takes_text(property) && is_secret(schema, properties, key))
        .map(|(key, _)| (key.clone(), file_key(key)))
        .collect()
}

/// The name under which a secret key is given by the path of a file.
pub(super) fn file_key(key: &str) -> String {
    format!("{key}{SUFFIX}")
}

/// Why a file cannot serve as a secret. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretFileError {
    #[error("{path} cannot be read: {source}; check the path and its permissions")]
    Read { path: String, source: io::Error },
    #[error("{0} is empty; write the secret into it, or remove the key")]
    Empty(String),
    #[error("{0} is not UTF-8 text, so it holds no secret that could be used here")]
    NotText(String),
    #[error("{0} is larger than 1 MiB, so it holds no secret that could be used here")]
    TooLarge(String),
}

/// The secret in the file at `path`, without the line feed at its end.
pub(super) fn read_secret(path: &str) -> Result<String, SecretFileError> {
    let mut bytes = Vec::new();
    File::open(Path::new(path))
        .and_then(|file| file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| SecretFileError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(SecretFileError::TooLarge(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretFileError::NotText(path.to_owned()))?;
    let secret = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if secret.is_empty() {
        return Err(SecretFileError::Empty(path.to_owned()));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_of(content: &[u8]) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, content).unwrap();
        let prefix = format!("{}/", directory.path().display());
        read_secret(path.to_str().unwrap()).map_err(|error| error.to_string().replace(&prefix, ""))
    }

    #[test]
    fn one_line_feed_at_the_end_is_not_part_of_the_secret() {
        for content in ["s3cr3t", "s3cr3t\n", "s3cr3t\r\n"] {
            assert_eq!(secret_of(content.as_bytes()).as_deref(), Ok("s3cr3t"));
        }
        assert_eq!(secret_of(b" s3 \n\n").as_deref(), Ok(" s3 \n"));
    }

    #[test]
    fn a_file_that_can_hold_no_secret_says_why() {
        assert!(secret_of(b"\n").unwrap_err().starts_with("secret is empty"));
        assert!(secret_of(&[0xff, b'a']).unwrap_err().starts_with("secret is not UTF-8"));
        assert!(read_secret("/dev/zero").unwrap_err().to_string().contains("larger than 1 MiB"));
        assert!(read_secret("/does/not/exist").unwrap_err().to_string().contains("No such file"));
    }
}
