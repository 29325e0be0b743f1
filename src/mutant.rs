//! Defects on purpose, each of which the fault suite has to catch: a suite that cannot fail proves nothing.
//!
//! They exist in builds with the feature `mutants` only, and there only where `DATAHUB_RELAY_MUTANT` names
//! one. Without the feature [`is`] is a constant `false` and nothing of them is compiled in; with it no
//! optimised build can be made.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` breaks the program on purpose: it is for tests, in debug builds");

/// A defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Commits what was received instead of what is finished.
    CommitBeforeAcknowledge,
    /// Goes on working on a partition that it has given up, and commits what it finishes then.
    AcknowledgeAfterRevoke,
    /// Takes an event for finished although its dead letter could not be stored.
    StepPastAFailedEvent,
    /// Decodes bodies without having checked that they are whole.
    AcceptCutRecords,
}

/// Whether this process has that defect.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_defect: Mutant) -> bool {
    false
}

/// Whether this process has that defect.
#[cfg(feature = "mutants")]
pub(crate) fn is(defect: Mutant) -> bool {
    use std::sync::OnceLock;

    /// Read here and not handed on: no other build may know that there is such a variable.
    static CHOSEN: OnceLock<Option<Mutant>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("DATAHUB_RELAY_MUTANT").ok()?;
        let mutant = match name.as_str() {
            "commit-before-acknowledge" => Mutant::CommitBeforeAcknowledge,
            "acknowledge-after-revoke" => Mutant::AcknowledgeAfterRevoke,
            "step-past-a-failed-event" => Mutant::StepPastAFailedEvent,
            "accept-cut-records" => Mutant::AcceptCutRecords,
            _ => panic!("DATAHUB_RELAY_MUTANT names no mutant: {name}"),
        };
        tracing::warn!(?mutant, "this program is broken on purpose");
        Some(mutant)
    });
    *chosen == Some(defect)
}
