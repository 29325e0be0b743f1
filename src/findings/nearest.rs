//! The name that was probably meant by a wrong one.

/// `did you mean "connection"?`, or else the list of what there is.
pub(crate) fn suggestion(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None if known.is_empty() => "none is known here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}
