//! Properties of librdkafka that have two names.
//!
//! librdkafka takes whichever name it is given last, and a client's configuration has no order: with both
//! names in it, chance would decide. So only one of the two gets there.

use std::collections::BTreeMap;

/// Java's name of a property, and librdkafka's own.
const PAIRS: [(&str, &str); 9] = [
    ("acks", "request.required.acks"),
    ("bootstrap.servers", "metadata.broker.list"),
    ("compression.type", "compression.codec"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("retries", "message.send.max.retries"),
    ("sasl.mechanism", "sasl.mechanisms"),
];

/// The other name of a property that has two.
pub(super) fn other_name(name: &str) -> Option<&'static str> {
    PAIRS.iter().find_map(|(java, own)| match name {
        _ if name == *java => Some(*own),
        _ if name == *own => Some(*java),
        _ => None,
    })
}

/// Whether `properties` have this property, under either name.
pub(super) fn has(properties: &BTreeMap<String, String>, name: &str) -> bool {
    properties.contains_key(name) || other_name(name).is_some_and(|other| properties.contains_key(other))
}

/// Leaves Java's name alone where both are given; gives the pairs whose values differed.
pub(super) fn without_doubles<T: AsRef<str>>(
    properties: &mut BTreeMap<String, T>,
) -> Vec<(&'static str, &'static str)> {
    let mut differing = Vec::new();
    for (java, own) in PAIRS {
        if let Some(given) = properties.get(java)
            && properties.get(own).is_some_and(|other| other.as_ref() != given.as_ref())
        {
            differing.push((java, own));
        }
        if properties.contains_key(java) {
            properties.remove(own);
        }
    }
    differing
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::*;

    #[test]
    fn both_names_mean_one_property_to_librdkafka() {
        for (java, own) in PAIRS {
            let value = match java {
                "bootstrap.servers" => "a:1",
                "compression.type" => "zstd",
                "sasl.mechanism" => "SCRAM-SHA-256",
                _ => "7",
            };
            let config = ClientConfig::new().set(java, value).create_native_config().unwrap();
            assert_eq!(config.get(own).as_deref(), Ok(value), "{java}");
            assert_eq!((other_name(java), other_name(own)), (Some(own), Some(java)));
        }
        assert_eq!(other_name("group.id"), None);
    }
}
