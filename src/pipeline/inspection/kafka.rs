//! Brokers, topics, and what this client may do with them.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tokio::runtime::Handle;

use super::{Carried, Found, Verdict};
use crate::avro::wire;
use crate::event::TopicPartition;
use crate::kafka::{
    ConsumerSettings, KnownTopic, LogReader, Membership, Onlooker, Reach, Reading, Standing, StartError,
    Stretch,
};

/// Looks at everything in Kafka that the pipeline needs. Blocks meanwhile.
pub(super) fn inspect(
    name: &str,
    settings: &ConsumerSettings,
    patience: Duration,
) -> (Vec<Found>, Vec<Carried>) {
    let onlooker = match Onlooker::connect(name, settings, patience) {
        Ok(onlooker) => onlooker,
        Err(error) => {
            let skipped = |what| Found::new(what, Verdict::Skipped, "no broker answered");
            return (
                vec![Found::failed("brokers", error.to_string()), skipped("topics"), skipped("group")],
                Vec::new(),
            );
        }
    };
    let mut found = vec![brokers(&onlooker)];
    found.extend(onlooker.topics().iter().map(topic));
    found.extend(settings.dead_letter_topic.as_deref().map(|topic| dead_letter_topic(&onlooker, topic)));
    let standings = match onlooker.standings() {
        Ok(standings) => standings,
        Err(error) => {
            found.push(Found::failed("group", refusal(&onlooker, &error)));
            return (found, Vec::new());
        }
    };
    found.push(group(&onlooker, &standings));
    let (read, carried) = read(name, settings, &standings, patience);
    found.extend(read);
    (found, carried)
}

fn brokers(onlooker: &Onlooker) -> Found {
    Found::ok("brokers", format!("{} answered", onlooker.brokers().join(", ")))
}

fn topic(KnownTopic { name, partitions, .. }: &KnownTopic) -> Found {
    match partitions {
        Ok(1) => Found::ok("topics", format!("{name} has 1 partition")),
        Ok(count) => Found::ok("topics", format!("{name} has {count} partitions")),
        Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Found::failed(
            "topics",
            format!("{name} does not exist; create it, or correct source.config.topic_routes"),
        ),
        Err(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            Found::failed("topics", format!("{name} may not be described by this client; {}", grant(name)))
        }
        Err(error) => Found::failed("topics", format!("{name}: {error}")),
    }
}

/// That it may be written to shows only with the first letter.
fn dead_letter_topic(onlooker: &Onlooker, name: &str) -> Found {
    match onlooker.partitions_of(name) {
        Ok(_) => Found::ok("dead letters", format!("the topic {name} is there")),
        Err(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Found::failed(
            "dead letters",
            format!("the topic {name} does not exist; create it, or correct source.config.dead_letter_topic"),
        ),
        Err(error) => Found::failed("dead letters", format!("the topic {name}: {error}")),
    }
}

fn grant(topic: &str) -> String {
    format!("allow its user DESCRIBE and READ on the topic {topic}")
}

/// The offsets could be had, so the group may be read. Who is in it is an extra.
fn group(onlooker: &Onlooker, standings: &[Standing]) -> Found {
    let group = onlooker.group();
    let committed = standings.iter().filter(|standing| standing.committed.is_some()).count();
    let offsets = match committed {
        0 => "has committed nothing yet".to_owned(),
        some => format!("has committed offsets of {some} of {} partitions", standings.len()),
    };
    match onlooker.members() {
        Ok(Membership::Members(members)) => {
            Found::ok("group", format!("{group} {offsets}; it has {} members now", members.len()))
        }
        Ok(Membership::Empty | Membership::Unknown) => Found::ok("group", format!("{group} {offsets}")),
        Err(error) => {
            let text = format!("{group} {offsets}, but {}", refusal(onlooker, &error));
            Found::new("group", Verdict::Warning, text)
        }
    }
}

fn refusal(onlooker: &Onlooker, error: &StartError) -> String {
    let code = match error {
        StartError::LookUp { source, .. } => source.rdkafka_error_code(),
        _ => None,
    };
    match code {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => format!(
            "{} may not be used by this client: {error}; allow its user DESCRIBE and READ on the group",
            onlooker.group()
        ),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            format!("{error}; allow the client's user DESCRIBE and READ on the topics")
        }
        _ => error.to_string(),
    }
}

/// Reads one record of each topic that has any: whether this is allowed shows in no other way.
fn read(
    name: &str,
    settings: &ConsumerSettings,
    standings: &[Standing],
    patience: Duration,
) -> (Vec<Found>, Vec<Carried>) {
    let mut seen = BTreeSet::new();
    let stretches: Vec<Stretch> = standings
        .iter()
        .filter(|standing| standing.start < standing.end && seen.insert(standing.source.topic.clone()))
        .map(|Standing { source, route, start, end, .. }| Stretch {
            source: source.clone(),
            route: route.clone(),
            from: *start,
            until: Some(*end),
        })
        .collect();
    let mut waiting: Vec<TopicPartition> = stretches.iter().map(|stretch| stretch.source.clone()).collect();
    if stretches.is_empty() {
        let text = "no topic holds a record, so reading could not be tried";
        return (vec![Found::new("reading", Verdict::Warning, text)], Vec::new());
    }
    let reader = match LogReader::start(name, settings, stretches, Reach::FirstOfEach) {
        Ok(reader) => reader,
        Err(error) => return (vec![Found::failed("reading", error.to_string())], Vec::new()),
    };
    let (mut found, mut carried) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some(reading) = reader.next().await {
            match reading {
                Reading::Record(_, record) => {
                    let source = record.position.source;
                    found.push(Found::ok("reading", format!("{} can be read", source.topic)));
                    waiting.retain(|other| *other != source);
                    match record.value.as_deref().map(wire::split) {
                        Some(Ok((id, _))) => carried.push(Carried { source, id }),
                        Some(Err(error)) => {
                            let text = format!("{source}, offset {}: {error}", record.position.offset);
                            found.push(Found::new("schemas", Verdict::Warning, text));
                        }
                        None => {}
                    }
                }
                Reading::Ended(source) => waiting.retain(|other| *other != source),
                Reading::Failed(error) => found.push(Found::failed("reading", cannot_read(&error))),
                Reading::Trouble(_) => {}
            }
            if waiting.is_empty() {
                break;
            }
        }
    };
    let _ = Handle::current().block_on(async { tokio::time::timeout(patience, reading).await });
    let refused = found.iter().any(|found| found.verdict == Verdict::Failed);
    for source in waiting.iter().filter(|_| !refused) {
        let text =
            format!("no record of {source} came within {} s; {}", patience.as_secs(), grant(&source.topic));
        found.push(Found::failed("reading", text));
    }
    (found, carried)
}

fn cannot_read(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
            format!("{error}; allow the client's user READ on the topics")
        }
        _ => error.to_string(),
    }
}
