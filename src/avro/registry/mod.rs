//! Writers' schemas, from a Confluent-compatible registry.
//!
//! The library's own cache keeps failures until it is told otherwise, so one hiccup would poison an id
//! until the next start. [`SchemaRegistry`] keeps schemas for ever (an id never changes its meaning)
//! and failures for seconds.

mod answer;
mod client;
mod error;
mod look_ups;
mod presence;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::compiled::CompiledSchema;
use super::settings::{Patience, RegistrySettings};
use super::wire::SchemaId;
use client::{FoundSchema, LookUpFailure, RegistryClient};
pub use error::{RegistryError, RegistrySetupError};
use look_ups::LookUps;
use presence::Presence;
pub use presence::RegistryReports;

/// Writers' schemas by id, compiled, asked for once.
pub struct SchemaRegistry {
    clients: Vec<RegistryClient>,
    patience: Patience,
    schemas: RwLock<HashMap<SchemaId, Arc<CompiledSchema>>>,
    look_ups: LookUps,
    presence: Presence,
}

/// What the addresses said instead of a schema: the first one each.
#[derive(Default)]
struct Failed {
    /// "Unknown", or no schema of Avro's.
    refused: Option<RegistryError>,
    outage: Option<RegistryError>,
}

impl SchemaRegistry {
    /// A registry's client; nothing is asked yet.
    ///
    /// # Errors
    /// If the settings name no address, or files that can't be used.
    pub fn new(settings: &RegistrySettings) -> Result<Self, RegistrySetupError> {
        Ok(Self {
            clients: RegistryClient::for_each_url(settings)?,
            patience: settings.patience,
            schemas: RwLock::default(),
            look_ups: LookUps::default(),
            presence: Presence::new(),
        })
    }

    /// Tells `reports` from now on how the registry answers. Only the first call has an effect.
    pub fn report_to(&self, reports: Arc<dyn RegistryReports>) {
        self.presence.report_to(reports);
    }

    /// The schema of `id` if it has been resolved before. Never asks, never waits for somebody who asks.
    pub fn cached(&self, id: SchemaId) -> Option<Arc<CompiledSchema>> {
        self.schemas.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The schema of `id`, from the registry if need be. However many ask for an id, the registry is
    /// asked once; after a failure all of them get the same error until its `retry_after` is over, or
    /// until the registry answers anybody ([`SchemaRegistry::wait_for_answers`]). The future may be
    /// dropped at any time; whoever waits next goes on.
    ///
    /// An id that the registry does not know is asked for again for [`Patience::unknown_id`], as a
    /// record may overtake the news of its schema. That happens once per id, not once per record.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] during an outage, at once; the others once the patience is over.
    pub async fn schema(&self, id: SchemaId) -> Result<Arc<CompiledSchema>, RegistryError> {
        if let Some(schema) = self.cached(id) {
            return Ok(schema);
        }
        let look_up = self.look_ups.of(id);
        let mut look_up = look_up.lock().await;
        let mut told = false;
        loop {
            if let Some(schema) = self.cached(id) {
                return Ok(schema);
            }
            if let Some(error) = look_up.standing_error(self.presence.recoveries()) {
                return Err(error);
            }
            let answer = self.ask(id).await;
            let recoveries = self.presence.note(id, &answer);
            self.presence.looked_up(&answer);
            match answer {
                Ok(schema) => {
                    self.keep(id, &schema);
                    return Ok(schema);
                }
                Err(error) => {
                    let wait = look_up.note(error, recoveries, &self.patience)?;
                    if !std::mem::replace(&mut told, true) {
                        self.presence.asks_again(id, self.patience.unknown_id);
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Waits until the registry is not known to be out: returns at once where its last answer was one,
    /// and otherwise with its next answer, to whomever. Whoever got [`RegistryError::Unavailable`] need
    /// not wait longer than this, however much of its `retry_after` is left.
    pub async fn wait_for_answers(&self) {
        self.presence.wait().await;
    }

    /// Asks the registry, past all caches, whether it works: that it knows an id or says that it does
    /// not are both signs of health, and one address that gives them is enough. After a look-up that was
    /// not answered it also has to answer that.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] if it gives neither answer.
    pub async fn probe(&self) -> Result<(), RegistryError> {
        let mut id = self.known_id().unwrap_or(SchemaId(0));
        let mut answer = self.ask_each(id).await.map_err(|Failed { refused, outage }| first(refused, outage));
        if let Some(in_vain) = self.presence.asked_in_vain()
            && in_vain != id
            && !matches!(answer, Err(RegistryError::Unavailable { .. }))
        {
            // Otherwise an id that the registry alone can't serve would make it come and go.
            id = in_vain;
            answer = self.ask(id).await;
        }
        if let Ok(schema) = &answer {
            self.keep(id, schema);
        }
        self.presence.note(id, &answer);
        match answer {
            Err(error @ RegistryError::Unavailable { .. }) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A schema wins over an outage, and an outage over "unknown": the address that is out may know the id.
    async fn ask(&self, id: SchemaId) -> Result<Arc<CompiledSchema>, RegistryError> {
        self.ask_each(id).await.map_err(|Failed { refused, outage }| first(outage, refused))
    }

    /// Asks one address after the other until one has the schema.
    async fn ask_each(&self, id: SchemaId) -> Result<Arc<CompiledSchema>, Failed> {
        let mut failed = Failed::default();
        for client in &self.clients {
            let failure = match client.look_up(id).await.and_then(compile) {
                Ok(schema) => {
                    client.has_resolved(id);
                    return Ok(schema);
                }
                Err(LookUpFailure::UnknownIdOfARegistry { answer }) if !self.is_registry(client).await => {
                    let advice = "no schema came from there yet; check the path of the registry's URL";
                    LookUpFailure::Outage { answer, advice }
                }
                Err(failure) => failure,
            };
            let error = self.error_of(id, client.url(), failure);
            match error {
                RegistryError::Unavailable { .. } => failed.outage = failed.outage.or(Some(error)),
                _ => failed.refused = failed.refused.or(Some(error)),
            }
        }
        Err(failed)
    }

    /// Whether an address is a registry for certain: it has resolved an id. One that was never needed, behind
    /// another one, had no chance to, and is asked for what the other one has resolved.
    async fn is_registry(&self, client: &RegistryClient) -> bool {
        if client.resolved().is_some() {
            return true;
        }
        let Some(known) = self.known_id() else { return false };
        let knows = client.look_up(known).await.is_ok();
        if knows {
            client.has_resolved(known);
        }
        knows
    }

    /// An id that one of the addresses has resolved.
    fn known_id(&self) -> Option<SchemaId> {
        self.clients.iter().find_map(RegistryClient::resolved)
    }

    fn error_of(&self, id: SchemaId, url: &str, failure: LookUpFailure) -> RegistryError {
        let url = url.to_owned();
        match failure {
            LookUpFailure::UnknownId { answer } | LookUpFailure::UnknownIdOfARegistry { answer } => {
                RegistryError::UnknownSchema { id, url, answer, waited: Duration::ZERO }
            }
            LookUpFailure::NotAvro { reason } => RegistryError::InvalidSchema { id, url, reason },
            LookUpFailure::Outage { answer, advice } => {
                let retry_after = self.patience.first_wait;
                RegistryError::Unavailable { id, url, answer, advice, retry_after }
            }
        }
    }

    fn keep(&self, id: SchemaId, schema: &Arc<CompiledSchema>) {
        self.schemas.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(schema));
        self.look_ups.forget(id);
    }
}

/// Shows the addresses, nothing else: the clients hold credentials.
impl fmt::Debug for SchemaRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.clients.iter().map(RegistryClient::url).collect();
        f.debug_struct("SchemaRegistry").field("urls", &urls).finish_non_exhaustive()
    }
}

fn first(one: Option<RegistryError>, other: Option<RegistryError>) -> RegistryError {
    one.or(other).expect("a registry has at least one address, and each that fails leaves an error")
}

fn compile(found: FoundSchema) -> Result<Arc<CompiledSchema>, LookUpFailure> {
    CompiledSchema::parse_with_references(&found.json, &found.references)
        .map(Arc::new)
        .map_err(|error| LookUpFailure::NotAvro { reason: error.to_string() })
}
