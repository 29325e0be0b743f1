//! YAML 1.1, as the Python framework's parser reads it.

use std::path::Path;

use datahub_relay::environment::Environment;
use datahub_relay::yaml::Document;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::directory::{Directory, errors, minimal};

fn read(name: &str, text: &str) -> Result<Value, String> {
    let document = Document::parse(Path::new(name), text).map_err(|problem| problem.to_string())?;
    match document.errors.first() {
        None => Ok(document.root.to_json().unwrap()),
        Some(problem) => Err(problem.to_string()),
    }
}

fn yaml(text: &str) -> Value {
    read("a.yml", text).unwrap()
}

#[test]
fn merge_keys_fill_in_what_a_map_does_not_have_itself() {
    let text = "base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\nx:\n  <<: *base\n  b: 5\ny:\n  b: 5\n  <<: [*other, *base]\n  d: 6\n";
    let read = yaml(text);
    assert_eq!(read["x"], json!({"a": 1, "b": 5}));
    assert_eq!(read["y"], json!({"a": 1, "b": 5, "c": 4, "d": 6}));
    assert_eq!(yaml("x: {'<<': 1}")["x"], json!({"<<": 1}), "in quotes it is a key like any other");
}

#[test]
fn aliases_and_tags_give_what_they_stand_for() {
    assert_eq!(yaml("a: &x [1, yes]\nb: *x\n")["b"], json!([1, true]));
    assert_eq!(yaml("a: !!str 1\nb: !!int \"2\"\nc: !!float 1.5\n"), json!({"a": "1", "b": 2, "c": 1.5}));
    assert_eq!(
        yaml("a: |\n  two\n  lines\nb: >-\n  one\n  line\n"),
        json!({"a": "two\nlines\n", "b": "one line"})
    );
}

#[test]
fn a_json_file_is_read_as_json() {
    let text =
        "{\n\t\"name\": \"p\",\n\t\"n\": 1e3, \"o\": [1.5, true, null, \"\\u00fc\\/\"],\n\t\"empty\": {}\n}";
    assert_eq!(
        read("a.json", text).unwrap(),
        json!({"name": "p", "n": 1000.0, "o": [1.5, true, null, "ü/"], "empty": {}})
    );
}

#[test]
fn what_cannot_be_a_recipe_is_refused_with_its_place() {
    let cases = [
        ("a: 1\n---\nb: 2\n", "a.yml:2:1: a file holds one document"),
        ("yes: 1\n", "a.yml:1:1: yes: the key `yes` is true in YAML 1.1, not text; put it in quotes"),
        ("a: {1: b}\n", "a.yml:1:5: a.1: the key `1` is a number in YAML 1.1, not text"),
        ("a: {~: b}\n", "a.yml:1:5: a.~: the key `~` is nothing in YAML 1.1, not text"),
        ("[a]: 1\n", "a.yml:1:1: a key must be text"),
        ("a: {[b]: 1}\n", "a.yml:1:5: a: a key must be text"),
        ("a: !ruby/object x\n", "a.yml:1:4: a: the tag !ruby/object is not known here"),
        ("a: [1, !x {}]\n", "a.yml:1:8: a[1]: the tag !x is not known here"),
        ("a: !!int x\n", "a.yml:1:4: a: is not what its tag !!int says"),
        ("a: {b: [1, .inf]}\n", "a.yml:1:12: a.b[1]: `.inf` is not a number that can be used here"),
        ("a: &a [*a]\n", "a.yml:1:8: a[0]: an alias cannot refer to what it is part of"),
        ("a: *b\n", "a.yml:1:4: is not valid YAML: "),
        ("a:\n  <<: 1\n", "a.yml:2:3: a.<<: `<<` takes a map or a list of maps"),
        ("a:\n  <<: [{}, 1]\n", "a.yml:2:12: a.<<: `<<` takes a map or a list of maps"),
    ];
    for (text, error) in cases {
        let found = read("a.yml", text).unwrap_err();
        assert!(found.starts_with(error), "{text:?}: {found}");
    }
}

#[test]
fn what_cannot_be_read_hides_nothing_else_that_is_wrong() {
    assert_eq!(
        errors(&minimal(
            "on: x\noptions: {max_failure_ratio: .nan, retry_cont: !x 1, concurrency: 0}\nfilter: {event_type: !mine [a]}\n"
        )),
        [
            "recipe.yml:6:1: on: the key `on` is true in YAML 1.1, not text; put it in quotes",
            "recipe.yml:6:1: on: unknown key; known here: name, enabled, source, filters, filter, transform, action, datahub, options, tests",
            "recipe.yml:7:30: options.max_failure_ratio: `.nan` is not a number that can be used here; write a finite one, or put it in quotes",
            "recipe.yml:7:48: options.retry_cont: the tag !x is not known here; remove it",
            "recipe.yml:7:54: options.concurrency: expected 1 or more, found 0",
            "recipe.yml:8:22: filter.event_type: the tag !mine is not known here; remove it",
        ]
    );
}

#[test]
fn a_value_that_cannot_be_read_keeps_a_recipe_from_running_even_where_none_is_needed() {
    assert_eq!(
        errors(&minimal("options: {retry_count: !x 1}\n")),
        ["recipe.yml:6:24: options.retry_count: the tag !x is not known here; remove it"]
    );
}

#[test]
fn a_small_file_cannot_stand_for_an_enormous_one() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(read("a.yml", &bomb).unwrap_err().contains("its aliases stand for more than can be read"));
    let deep = format!("a: {}{}", "[".repeat(150), "]".repeat(150));
    let error = read("a.yml", &deep).unwrap_err();
    assert!(error.contains("levels deep"), "{error}");
}

#[test]
fn any_bytes_give_a_recipe_or_an_error() {
    let directory = Directory::with(&[]);
    for bytes in
        [&b"\xff\xfe"[..], b"\0", b"name: \xc3\x28", b"\t", b"{", b"&", b"*", b"!", b"%", b"? a", b"- - -"]
    {
        std::fs::write(directory.file("recipe.yml"), bytes).unwrap();
        let loaded = directory.load(&Environment::default());
        assert!(!loaded.problems.is_empty(), "{bytes:?}");
    }
    assert_eq!(errors(&format!("\u{feff}{}", minimal("").replace('\n', "\r\n"))), Vec::<String>::new());
}

/// Pieces that a recipe, or what was meant to be one, is made of.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "name",
        "source",
        "type",
        "kafka",
        "config",
        "connection",
        "filters",
        "event",
        "action",
        "noop",
        ": ",
        ":\n  ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "|\n",
        ">-\n",
        "\"",
        "'",
        "#",
        "---\n",
        "...\n",
        "? ",
        "%YAML 1.1\n",
        "${",
        "$",
        "\\",
        ":-",
        "yes",
        "0x1F",
        "1:30",
        ".5",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_gives_a_recipe_or_an_error(pieces in prop::collection::vec(piece(), 0..40)) {
        let directory = Directory::with(&[("recipe.yml", &pieces.concat())]);
        let loaded = directory.load(&Environment::default());
        prop_assert_eq!(loaded.problems.is_empty(), loaded.recipes.len() + loaded.disabled.len() == 1);
    }
}
