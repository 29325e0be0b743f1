//! Clients that stand beside a group: they use its rights and join nothing.

use rdkafka::ClientConfig;

use super::context::{RelayConsumer, RelayContext};
use super::error::ConsumerError;
use crate::kafka::source::{ConsumerSettings, consumer_config};

/// What belongs to a member of a group and not to somebody who looks at it.
const OF_MEMBERS: [&str; 4] =
    ["group.protocol", "group.remote.assignor", "group.instance.id", "partition.assignment.strategy"];

/// A client that may ask what `group` has committed, and joins no group. It fetches tokens where the
/// settings ask for them, and takes new ones when it is polled.
///
/// # Errors
/// If librdkafka refuses the settings.
pub(in crate::kafka) fn client_beside(
    settings: &ConsumerSettings,
    group: &str,
) -> Result<RelayConsumer, ConsumerError> {
    let context = RelayContext::new(group, settings)?;
    let mut config = onlooker_config(settings);
    config.set("group.id", group);
    config.create_with_context(context).map_err(ConsumerError::Create)
}

/// The configuration of a client that joins no group.
pub(in crate::kafka) fn onlooker_config(settings: &ConsumerSettings) -> ClientConfig {
    let mut config = consumer_config(settings);
    for property in OF_MEMBERS {
        config.remove(property);
    }
    config.set("statistics.interval.ms", "0");
    config
}
