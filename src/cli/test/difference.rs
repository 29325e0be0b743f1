//! Two JSON values, and what differs.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::cli::colour::Colours;

/// Lines around a difference that are shown, too.
const CONTEXT: usize = 3;

/// The lines of both values, those that differ marked: `-` was expected, `+` was found.
pub(super) fn lines(expected: &Value, found: &Value, colours: Colours) -> Vec<String> {
    let (expected, found) = (format!("{expected:#}\n"), format!("{found:#}\n"));
    let difference = TextDiff::from_lines(&expected, &found);
    let mut lines = vec![colours.red("- expected"), colours.green("+ found")];
    for (index, group) in difference.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            lines.push("  …".to_owned());
        }
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            let text = change.value().trim_end_matches('\n');
            lines.push(match change.tag() {
                ChangeTag::Delete => colours.red(format!("- {text}")),
                ChangeTag::Insert => colours.green(format!("+ {text}")),
                ChangeTag::Equal => format!("  {text}"),
            });
        }
    }
    lines
}

/// The part of `found` that `pattern` speaks of: keys that it does not name are left out.
pub(super) fn projected(found: &Value, pattern: &Value) -> Value {
    match (found, pattern) {
        (Value::Object(found), Value::Object(pattern)) => pattern
            .iter()
            .filter_map(|(key, pattern)| Some((key.clone(), projected(found.get(key)?, pattern))))
            .collect(),
        _ => found.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_stands_among_the_lines_around_it() {
        let expected = json!({"a": 1, "b": {"c": "x"}});
        let found = json!({"a": 1, "b": {"c": "y"}});
        assert_eq!(
            lines(&expected, &found, Colours::none()),
            [
                "- expected",
                "+ found",
                "  {",
                "    \"a\": 1,",
                "    \"b\": {",
                "-     \"c\": \"x\"",
                "+     \"c\": \"y\"",
                "    }",
                "  }",
            ]
        );
    }

    #[test]
    fn a_pattern_speaks_only_of_the_keys_that_it_names() {
        let found = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1, 2]});
        assert_eq!(projected(&found, &json!({"b": {"c": 7}, "x": 1})), json!({"b": {"c": 2}}));
        assert_eq!(projected(&found, &json!({"e": [1]})), json!({"e": [1, 2]}));
    }
}
