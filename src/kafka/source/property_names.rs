//! The names of librdkafka's properties, to say which was meant.
//!
//! Which properties there are, librdkafka decides: a name that is missing here is suggested to nobody, and
//! that is all.

use crate::findings::nearest;

/// Those of a consumer that a recipe may set.
const NAMES: [&str; 103] = [
    "allow.auto.create.topics",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "connections.max.idle.ms",
    "coordinator.query.interval.ms",
    "debug",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.metrics.push",
    "enable.partition.eof",
    "enable.random.seed",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "internal.termination.signal",
    "isolation.level",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.copy.max.bytes",
    "message.max.bytes",
    "metadata.broker.list",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.certificate.stores",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.engine.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
    "topic.blacklist",
];

/// What to do about a property that librdkafka does not take, where its own words do not say it.
pub(super) fn remedy(name: &str, words: &str) -> Option<String> {
    if words.contains("outside allowed range") || name.starts_with("ssl.truststore") {
        return None;
    }
    if name == "sasl.jaas.config" {
        return Some("give sasl.username and sasl.password".to_owned());
    }
    Some(match nearest(name, &NAMES) {
        Some(same) if same == name => "its CONFIGURATION.md says which values there are".to_owned(),
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "remove it, or see its CONFIGURATION.md for what there is".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::*;

    #[test]
    fn every_name_is_one_that_librdkafka_knows() {
        for name in NAMES {
            let of_oidc = ["client.id", "client.secret", "method", "scope", "token.endpoint.url"];
            // Known to it only where it is built with libcurl; here they are ours to read.
            if of_oidc.iter().any(|rest| name == format!("sasl.oauthbearer.{rest}")) {
                continue;
            }
            let refusal = ClientConfig::new().set(name, "x").create_native_config().err();
            let words = refusal.map(|error| error.to_string()).unwrap_or_default();
            assert!(!words.contains("No such configuration property"), "{name}: {words}");
        }
    }

    #[test]
    fn a_slip_suggests_the_name_and_what_librdkafka_explains_is_left_to_it() {
        for (name, words, expected) in [
            ("security.protcol", "", Some("did you mean \"security.protocol\"?")),
            ("Session.Timeout.Ms", "", Some("did you mean \"session.timeout.ms\"?")),
            ("sasl.jaas.config", "", Some("give sasl.username and sasl.password")),
            ("ssl.truststore.location", "use `ssl.ca.location`", None),
            ("key.deserializer", "", Some("remove it, or see its CONFIGURATION.md for what there is")),
            ("session.timeout.ms", "Invalid value", Some("its CONFIGURATION.md says which values there are")),
            ("session.timeout.ms", "value 0 is outside allowed range 1..3600000", None),
        ] {
            assert_eq!(remedy(name, words).as_deref(), expected, "{name}");
        }
    }
}
