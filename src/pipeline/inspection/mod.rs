//! Whether what a recipe needs is there: brokers, topics, permissions, registry, store, endpoint.
//!
//! Joins no group, commits nothing, sends no event, leaves no file behind.

mod kafka;
mod schemas;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::action::{self, Reach};
use crate::avro::SchemaId;
use crate::event::TopicPartition;
use crate::line_file::{Writable, check_writable};
use crate::recipe::Recipe;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What was checked, such as `topics`.
    pub what: &'static str,
    /// Whether it will do.
    pub verdict: Verdict,
    /// What was found and, where it will not do, what to do. Holds no secrets.
    pub text: String,
}

/// Whether what was found will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It will.
    Ok,
    /// It may.
    Warning,
    /// It will not.
    Failed,
    /// Nothing was found out, because of what failed before.
    Skipped,
}

impl Found {
    fn new(what: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self { what, verdict, text: text.into() }
    }

    fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Ok, text)
    }

    fn failed(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Failed, text)
    }
}

/// The schema id that a record of a topic carries.
struct Carried {
    source: TopicPartition,
    id: SchemaId,
}

/// Looks for everything that a recipe needs; each part takes at most about `patience`. Runs on a runtime
/// with time and I/O.
pub async fn inspect(recipe: &Recipe, patience: Duration) -> Vec<Found> {
    let (name, consumer, on_gap) = (recipe.name.clone(), recipe.consumer.clone(), recipe.delivery.on_gap);
    // librdkafka's look-ups block.
    let kafka = tokio::task::spawn_blocking(move || kafka::inspect(&name, (&consumer, on_gap), patience));
    let (mut found, carried) = match kafka.await {
        Ok(result) => result,
        Err(_) => {
            let text = "the look at Kafka panicked; please report this";
            (vec![Found::failed("brokers", text)], Vec::new())
        }
    };
    found.extend(schemas::inspect(&recipe.registry, &carried, patience).await);
    found.push(dead_letters(&recipe.delivery.failed_events_file(&recipe.name)));
    found.push(endpoint(recipe, patience).await);
    for found in &mut found {
        found.text = recipe.secrets.redact(&found.text).into_owned();
    }
    found
}

fn dead_letters(path: &Path) -> Found {
    let shown = path.display();
    match check_writable(path) {
        Ok(Writable::Exists) => Found::ok("dead letters", format!("{shown} can be written")),
        Ok(Writable::CanBeMade) => Found::ok("dead letters", format!("{shown} can be made")),
        Err(error) => Found::failed(
            "dead letters",
            format!(
                "{shown} cannot be written: {error}; mend its permissions, or set options.failed_events_dir"
            ),
        ),
    }
}

async fn endpoint(recipe: &Recipe, patience: Duration) -> Found {
    let name: Arc<str> = recipe.name.as_str().into();
    match tokio::time::timeout(patience, action::reach(&recipe.action, &name)).await {
        Ok(Reach::Ok(text)) => Found::ok("action", text),
        Ok(Reach::Doubtful(text)) => Found::new("action", Verdict::Warning, text),
        Ok(Reach::Failed(text)) => Found::failed("action", text),
        Err(_) => Found::failed("action", format!("no answer within {} s", patience.as_secs())),
    }
}
