//! A recipe: any text.

use std::io::Write as _;
use std::path::PathBuf;

use datahub_relay::environment::Environment;
use datahub_relay::recipe::{Loaded, Problem, load};

/// What a variable holds must not be seen in any message.
const SECRET: &str = "canary-93b1f0";

/// A recipe is loaded, or off, or its errors say where they are; a secret is shown by none of them.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A recipe may name files that hold secrets: which of this machine's, a fuzzer must not choose.
    if text.contains(SECRET) || text.contains("_file") || text.contains("TO_FILE") {
        return;
    }
    let mut file = tempfile::Builder::new().suffix(".yml").tempfile().expect("a temporary file");
    file.write_all(data).expect("a temporary file can be written");
    let path = file.path().to_owned();
    let environment = Environment::from([("SECRET", SECRET), ("EMPTY", ""), ("OFF", "off"), ("N", "3")]);
    let Loaded { recipes, problems, warnings, disabled, .. } =
        load(std::slice::from_ref(&path), &environment);
    if problems.is_empty() {
        assert_eq!(recipes.len() + disabled.len(), 1, "one file is one recipe, or off");
    } else {
        assert!(recipes.is_empty() && disabled.is_empty(), "a recipe that has errors would run");
    }
    for problem in problems.iter().chain(&warnings) {
        assert_shows_the_place(problem, &path, text);
    }
    for problem in &problems {
        assert!(!problem.to_string().contains(SECRET), "shows a secret: {problem}");
    }
}

fn assert_shows_the_place(problem: &Problem, path: &PathBuf, text: &str) {
    assert_eq!(&problem.file, path);
    assert!(!problem.text.is_empty());
    let Some(place) = problem.place else {
        assert!(problem.key.steps().is_empty(), "a key without a place: {problem}");
        return;
    };
    // The end of the text may be on a line of its own. YAML knows more ends of lines than one.
    let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines = text.chars().filter(|character| ends.contains(character)).count() + 1;
    assert!((1..=lines).contains(&place.line) && place.column >= 1, "no such line: {problem}");
}
