//! Brokers, topics, and what this client may do with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tokio::runtime::Handle;

use super::{Carried, Found, Verdict};
use crate::avro::wire;
use crate::delivery::OnGap;
use crate::event::Record;
use crate::kafka::{
    ConsumerSettings, Gap, GapKeeper, KnownTopic, LogReader, Membership, Onlooker, Reach, Reading, Standing,
    StartError, Stretch, gap_before,
};

/// Looks at everything in Kafka that the pipeline needs. Blocks meanwhile.
pub(super) fn inspect(
    name: &str,
    (settings, on_gap): (&ConsumerSettings, OnGap),
    patience: Duration,
) -> (Vec<Found>, Vec<Carried>) {
    let onlooker = match Onlooker::connect(name, settings, patience) {
        Ok(onlooker) => onlooker.with_patience(patience),
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
    found.extend(group(&onlooker, (settings, on_gap)));
    match onlooker.whole_logs() {
        Ok(logs) => {
            let (read, carried) = read(name, settings, &logs, patience);
            found.extend(read);
            (found, carried)
        }
        Err(error) => {
            found.push(Found::failed("reading", refusal(&onlooker, &error)));
            (found, Vec::new())
        }
    }
}

fn brokers(onlooker: &Onlooker) -> Found {
    Found::ok("brokers", format!("{} answered", onlooker.brokers().join(", ")))
}

fn topic(topic: &KnownTopic) -> Found {
    let KnownTopic { name, partitions, .. } = topic;
    match partitions {
        Ok(1) => Found::ok("topics", format!("{name} has 1 partition")),
        Ok(count) => Found::ok("topics", format!("{name} has {count} partitions")),
        Err(_) if topic.is_missing() => Found::failed(
            "topics",
            format!("{name} does not exist; create it, or correct source.config.topic_routes"),
        ),
        Err(code @ RDKafkaErrorCode::TopicAuthorizationFailed) => {
            Found::failed("topics", format!("{name} may not be described: {code}; {}", grant(name)))
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
        Err(code @ RDKafkaErrorCode::TopicAuthorizationFailed) => Found::failed(
            "dead letters",
            format!(
                "the topic {name} may not be described: {code}; allow this client's user WRITE on the topic {name}, which includes DESCRIBE"
            ),
        ),
        Err(error) => Found::failed("dead letters", format!("the topic {name}: {error}")),
    }
}

/// Where the group stands, before which gaps, and whether it may be joined. Who is in it is an extra.
fn group(onlooker: &Onlooker, (settings, on_gap): (&ConsumerSettings, OnGap)) -> Vec<Found> {
    let group = onlooker.group();
    let standings = match onlooker.standings() {
        Ok(standings) if standings.is_empty() => {
            let text = format!("{group}: no topic can be described, so its offsets were not asked for");
            return vec![Found::new("group", Verdict::Skipped, text), may_join(onlooker)];
        }
        Ok(standings) => standings,
        Err(error) => return vec![Found::failed("group", refusal(onlooker, &error))],
    };
    let committed = standings.iter().filter(|standing| standing.committed.is_some()).count();
    let offsets = match committed {
        0 => "has committed nothing yet".to_owned(),
        some => format!("has committed offsets of {some} of {} partitions", standings.len()),
    };
    let stands = match onlooker.members() {
        Ok(Membership::Members(members)) => {
            Found::ok("group", format!("{group} {offsets}; it has {} members now", members.len()))
        }
        Ok(Membership::Empty | Membership::Unknown) => Found::ok("group", format!("{group} {offsets}")),
        Err(error) => {
            let text = format!("{group} {offsets}, but {}", refusal(onlooker, &error));
            Found::new("group", Verdict::Warning, text)
        }
    };
    let mut found = vec![stands];
    found.extend(gaps(&standings, (settings, on_gap)));
    found.push(may_join(onlooker));
    found
}

/// Positions outside of their logs, and what becomes of them when the pipeline starts. Whether the record at a
/// position can be read at all is not tried: that takes long, and `offsets acknowledge` does it.
fn gaps(standings: &[Standing], (settings, on_gap): (&ConsumerSettings, OnGap)) -> Vec<Found> {
    if settings.reset_offsets {
        // What is committed does not count then.
        return Vec::new();
    }
    let gaps: Vec<Gap> = standings.iter().filter_map(gap_before).collect();
    let acknowledged = if gaps.is_empty() || on_gap == OnGap::Continue {
        None
    } else {
        // What keeps this from being known is no reason to say nothing of the gap.
        GapKeeper::new(settings).ok().and_then(|keeper| keeper.are_acknowledged(&gaps).ok())
    };
    let told = gaps.iter().enumerate().map(|(index, gap)| {
        let is_acknowledged = acknowledged.as_ref().is_some_and(|acknowledged| acknowledged[index]);
        let then = match on_gap {
            OnGap::Continue => format!("goes on at offset {} at its next start (on_gap: continue)", gap.to),
            OnGap::Wait if is_acknowledged => {
                format!("goes on at offset {} at its next start, since the gap was acknowledged", gap.to)
            }
            OnGap::Wait => {
                "waits at its next start until `datahub-relay offsets acknowledge` (on_gap: wait)".to_owned()
            }
        };
        Found::new("group", Verdict::Warning, format!("{gap}; the partition {then}"))
    });
    told.collect()
}

fn may_join(onlooker: &Onlooker) -> Found {
    let group = onlooker.group();
    match onlooker.may_join() {
        Ok(()) => Found::ok("group", format!("{group} may be joined")),
        Err(error) => match error.rdkafka_error_code() {
            Some(code @ RDKafkaErrorCode::GroupAuthorizationFailed) => {
                Found::failed("group", format!("{group} may not be joined: {code}; {}", grant_group(group)))
            }
            _ => {
                let text = format!("whether {group} may be joined could not be found out: {error}");
                Found::new("group", Verdict::Warning, text)
            }
        },
    }
}

fn refusal(onlooker: &Onlooker, error: &StartError) -> String {
    let code = match error {
        StartError::LookUp { source, .. } => source.rdkafka_error_code(),
        _ => None,
    };
    let group = onlooker.group();
    match code {
        Some(code @ RDKafkaErrorCode::GroupAuthorizationFailed) => {
            format!("{group} may not be used: {code}; {}", grant_group(group))
        }
        Some(code @ RDKafkaErrorCode::TopicAuthorizationFailed) => {
            format!("{code}; allow this client's user READ on the topics, which includes DESCRIBE")
        }
        _ => error.to_string(),
    }
}

fn grant(topic: &str) -> String {
    format!("allow this client's user READ on the topic {topic}, which includes DESCRIBE")
}

fn grant_group(group: &str) -> String {
    format!("allow this client's user READ on the group {group}, which includes DESCRIBE")
}

/// Reads one record of each topic: whether this is allowed shows in no other way. Of a topic without records
/// its end is asked for, which takes the same permission.
fn read(
    name: &str,
    settings: &ConsumerSettings,
    logs: &[Stretch],
    patience: Duration,
) -> (Vec<Found>, Vec<Carried>) {
    let mut waiting: BTreeMap<Arc<str>, Stretch> = BTreeMap::new();
    for log in logs {
        let first = waiting.entry(Arc::clone(&log.source.topic)).or_insert_with(|| log.clone());
        if is_empty(first) && !is_empty(log) {
            *first = log.clone();
        }
    }
    for log in waiting.values_mut().filter(|log| is_empty(log)) {
        // One record further than there is: the reader asks the broker, and is told of the end.
        log.until = log.until.map(|end| end + 1);
    }
    let (mut found, mut carried) = (Vec::new(), Vec::new());
    // A reader for each topic: an error that it reports names none.
    let mut readers = Vec::new();
    for (topic, log) in &waiting {
        match LogReader::start(name, settings, vec![log.clone()], Reach::FirstOfEach) {
            Ok(reader) => readers.push((Arc::clone(topic), reader)),
            Err(error) => found.push(Found::failed("reading", format!("{topic}: {error}"))),
        }
    }
    let deadline = Instant::now() + patience;
    for (topic, reader) in readers {
        let left = deadline.saturating_duration_since(Instant::now());
        let first = Handle::current().block_on(async { tokio::time::timeout(left, first(&reader)).await });
        let (verdict, text) = match first {
            Ok(First::Record(record)) => {
                let (source, offset) = (record.position.source, record.position.offset);
                match record.value.as_deref().map(wire::split) {
                    Some(Ok((id, _))) => carried.push(Carried { source, id }),
                    Some(Err(error)) => {
                        let text = format!("{source}, offset {offset}: {error}");
                        found.push(Found::new("schemas", Verdict::Warning, text));
                    }
                    None => {}
                }
                (Verdict::Ok, format!("{topic} can be read"))
            }
            Ok(First::End) => (Verdict::Ok, format!("{topic} can be read, and holds no record")),
            Ok(First::Failed(error)) => (Verdict::Failed, cannot_read(&topic, &error)),
            Err(_) => {
                let text =
                    format!("no record of {topic} came within {} s; {}", patience.as_secs(), grant(&topic));
                (Verdict::Failed, text)
            }
        };
        found.push(Found::new("reading", verdict, text));
    }
    (found, carried)
}

fn is_empty(log: &Stretch) -> bool {
    log.until.is_some_and(|end| log.from >= end)
}

/// What comes first of a topic.
enum First {
    Record(Box<Record>),
    End,
    Failed(KafkaError),
}

async fn first(reader: &LogReader) -> First {
    loop {
        match reader.next().await {
            Some(Reading::Record(_, record)) => return First::Record(Box::new(record)),
            Some(Reading::Ended(_)) | None => return First::End,
            Some(Reading::Failed(error)) => return First::Failed(error),
            Some(Reading::Trouble(_)) => {}
        }
    }
}

fn cannot_read(topic: &str, error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(code @ RDKafkaErrorCode::TopicAuthorizationFailed) => {
            format!("{topic} may be described but not read: {code}; {}", grant(topic))
        }
        _ => format!("{topic}: {error}"),
    }
}
