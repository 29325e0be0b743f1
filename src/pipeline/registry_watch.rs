//! What the registry's client tells, passed on to metrics, health and the log.

use std::sync::Arc;
use std::time::Duration;

use crate::avro::{RegistryError, RegistryReports, SchemaId};
use crate::redaction::Secrets;
use crate::telemetry::{Condition, PipelineHealth, PipelineMetrics, RegistryLookup};

/// Passes on how the registry of one pipeline answers.
pub(super) struct RegistryWatch {
    pub(super) pipeline: Arc<str>,
    pub(super) metrics: Arc<PipelineMetrics>,
    pub(super) health: Arc<PipelineHealth>,
    /// An error quotes the registry's URL, which may hold one.
    pub(super) secrets: Secrets,
}

impl RegistryReports for RegistryWatch {
    fn looked_up(&self, result: &Result<(), RegistryError>) {
        self.metrics.registry_lookup(match result {
            Ok(()) => RegistryLookup::Found,
            Err(RegistryError::UnknownSchema { .. }) => RegistryLookup::Unknown,
            Err(RegistryError::InvalidSchema { .. } | RegistryError::Unavailable { .. }) => {
                RegistryLookup::Failed
            }
        });
    }

    fn asks_again(&self, id: SchemaId, patience: Duration) {
        let seconds = patience.as_secs();
        tracing::warn!(
            pipeline = %self.pipeline,
            "the schema registry does not know schema id {id}; its records wait while it is asked again for {seconds} s, and are dead letters then"
        );
    }

    fn answers(&self, again: bool) {
        self.health.holds(Condition::Registry);
        if again {
            tracing::info!(pipeline = %self.pipeline, "the schema registry answers again");
        }
    }

    fn is_out(&self, error: &RegistryError, since_now: bool) {
        self.health.lacks(Condition::Registry, error.to_string());
        if since_now {
            let error = error.to_string();
            let error = self.secrets.redact(&error);
            tracing::warn!(pipeline = %self.pipeline, "waiting for the schema registry: {error}");
        }
    }
}
