//! What a DataHub looks like to a consumer: three topics, and a registry with fixed ids.

use std::io;

use super::broker::{BrokerError, EmbeddedBroker};
use super::registry::{EmbeddedRegistry, RegistryOptions, UnknownId};
use crate::avro::schemas;

/// Carries versioned change logs.
pub(super) const VERSIONED_TOPIC: &str = "MetadataChangeLog_Versioned_v1";
/// The topic of timeseries change logs.
pub(super) const TIMESERIES_TOPIC: &str = "MetadataChangeLog_Timeseries_v1";
/// The topic of platform events.
pub(super) const PLATFORM_EVENT_TOPIC: &str = "PlatformEvent_v1";
/// The topics that an embedded DataHub has.
pub const TOPICS: [&str; 3] = [VERSIONED_TOPIC, TIMESERIES_TOPIC, PLATFORM_EVENT_TOPIC];

/// The ids under which DataHub's own registry serves its newest schemas.
pub(super) const VERSIONED_ID: u32 = 18;
pub(super) const TIMESERIES_ID: u32 = 19;
pub(super) const PLATFORM_EVENT_ID: u32 = 4;

/// The id of proposals. Consumers that do not read them ask for it too: it is how they see that this is a
/// registry.
const PROPOSAL_ID: u32 = 0;

/// Where DataHub's metadata service serves the registry.
const REGISTRY_PATH: &str = "/schema-registry/api";

/// Why an embedded DataHub did not start.
#[derive(Debug, thiserror::Error)]
pub enum DatahubError {
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The registry.
    #[error("the embedded registry does not start: {0}; check that this user may listen on 127.0.0.1")]
    Registry(#[source] io::Error),
}

/// A broker and a registry in this process that present themselves as a self-hosted DataHub does.
#[derive(Debug)]
pub struct EmbeddedDatahub {
    broker: EmbeddedBroker,
    registry: EmbeddedRegistry,
}

impl EmbeddedDatahub {
    /// Starts both on free ports of 127.0.0.1, with `partitions` partitions in each of [`TOPICS`].
    ///
    /// # Errors
    /// If one of them cannot listen.
    pub fn start(partitions: i32) -> Result<Self, DatahubError> {
        let broker = EmbeddedBroker::start(&TOPICS.map(|topic| (topic, partitions)))?;
        let options = RegistryOptions {
            path_prefix: REGISTRY_PATH.to_owned(),
            unknown_id: UnknownId::EmptyBody,
            port: 0,
        };
        let registry = EmbeddedRegistry::start(options).map_err(DatahubError::Registry)?;
        registry.put(PROPOSAL_ID, schemas::METADATA_CHANGE_PROPOSAL_JSON);
        for id in [VERSIONED_ID, TIMESERIES_ID] {
            registry.put(id, schemas::METADATA_CHANGE_LOG_JSON);
        }
        registry.put(PLATFORM_EVENT_ID, schemas::PLATFORM_EVENT_JSON);
        Ok(Self { broker, registry })
    }

    /// The broker's `host:port`.
    pub fn bootstrap(&self) -> &str {
        self.broker.bootstrap()
    }

    /// The registry's URL, with DataHub's path.
    pub fn registry_url(&self) -> String {
        self.registry.url()
    }
}
