//! The schema registry: whether it answers, and whether it is the one that the records were written with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Carried, Found};
use crate::avro::{RegistryError, RegistrySettings, SchemaId, SchemaRegistry};

pub(super) async fn inspect(
    settings: &RegistrySettings,
    carried: &[Carried],
    patience: Duration,
) -> Vec<Found> {
    let shown: Vec<&str> = settings.urls.iter().map(url::Url::as_str).collect();
    let shown = shown.join(", ");
    // A pipeline waits for an id that is unknown, because a record may overtake its schema.
    let mut once = settings.clone();
    once.patience.unknown_id = Duration::ZERO;
    let registry = match SchemaRegistry::new(&once) {
        Ok(registry) => registry,
        Err(error) => return vec![Found::failed("registry", error.to_string())],
    };
    let in_time = |answer: Result<Found, _>| {
        answer.unwrap_or_else(|_| {
            Found::failed("registry", format!("{shown} gave no answer within {} s", patience.as_secs()))
        })
    };
    // The ids of records first: what they say of the registry is certain.
    let mut sources: BTreeMap<SchemaId, &Carried> = BTreeMap::new();
    for one in carried {
        sources.entry(one.id).or_insert(one);
    }
    let mut found = Vec::new();
    for one in sources.values() {
        found.push(in_time(tokio::time::timeout(patience, of_record(&registry, one)).await));
    }
    if found.is_empty() {
        found.push(in_time(tokio::time::timeout(patience, answers(&registry, &shown)).await));
    }
    found
}

async fn of_record(registry: &SchemaRegistry, Carried { source, id }: &Carried) -> Found {
    match registry.schema(*id).await {
        Ok(_) => Found::ok("registry", format!("knows schema {id}, which a record of {source} carries")),
        Err(error @ RegistryError::UnknownSchema { .. }) => {
            Found::failed("registry", format!("{error} (a record of {source} carries the id)"))
        }
        Err(error) => Found::failed("registry", error.to_string()),
    }
}

/// Without a record to go by, any answer of a registry will do.
async fn answers(registry: &SchemaRegistry, shown: &str) -> Found {
    match registry.probe().await {
        Ok(()) if registry.cached(SchemaId(0)).is_some() => {
            Found::ok("registry", format!("{shown} answers, and knows schema 0"))
        }
        Ok(()) => Found::ok("registry", format!("{shown} answers that it does not know schema 0")),
        // An empty 404 is what DataHub's registry answers for an id that it does not know, and what any
        // server answers at a wrong path.
        Err(error) => Found::failed("registry", error.to_string()),
    }
}
