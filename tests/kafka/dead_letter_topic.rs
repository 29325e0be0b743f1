//! Dead letters in a topic.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::harness::{Broker, Ended, KafkaBroker, Tally, Writer, wait_until};
use crate::scene;

const ALL_FINISHED: Duration = Duration::from_secs(60);

/// Longer than a producer waits for a topic that is gone to come back.
const NOTICED: Duration = Duration::from_secs(90);

/// A record as Kafka hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Stored {
    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }
}

/// Everything that partition 0 of a topic holds.
fn stored_in(topic: &str) -> Vec<Stored> {
    let consumer: BaseConsumer =
        KafkaBroker::shared().client().set("group.id", "nobody").create().expect("a consumer");
    let (start, end) = consumer.fetch_watermarks(topic, 0, ALL_FINISHED).expect("the topic's bounds");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(start)).expect("an offset");
    consumer.assign(&list).expect("an assignment");
    let mut stored = Vec::new();
    wait_until("the topic to be read", ALL_FINISHED, || {
        while let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            let headers = message.headers().map_or_else(Vec::new, |headers| {
                headers.iter().map(|one| (one.key.to_owned(), one.value.map(<[u8]>::to_vec))).collect()
            });
            stored.push(Stored {
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                timestamp: message.timestamp().to_millis(),
                headers,
            });
        }
        i64::try_from(stored.len()).expect("a small number") >= end - start
    });
    stored
}

fn admin(client: &mut ClientConfig) -> (AdminClient<DefaultClientContext>, AdminOptions) {
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    (client.create().expect("an admin client"), options)
}

fn create_with(topic: &str, setting: &str, value: &str) {
    let (admin, options) = admin(&mut KafkaBroker::shared().client());
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set(setting, value);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let created = runtime.block_on(admin.create_topics([&new], &options)).expect("an answer");
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}

fn delete(topic: &str) {
    let (admin, options) = admin(&mut KafkaBroker::shared().client());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let deleted = runtime.block_on(admin.delete_topics(&[topic], &options)).expect("an answer");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_letter_in_a_topic_is_the_record_byte_for_byte_with_what_went_wrong_beside_it() {
    let scene = scene("letters-topic");
    let (topic, letters) = (scene.topic("versioned", 1), scene.topic("letters", 1));
    let canary = "c4n4ry-of-s3crets";
    let headers = OwnedHeaders::new()
        .insert(Header { key: "trace", value: Some(b"a".as_slice()) })
        .insert(Header { key: "trace", value: None::<&[u8]> })
        .insert(Header { key: "empty", value: Some(b"".as_slice()) });
    let producer: BaseProducer = KafkaBroker::shared().client().create().expect("a producer");
    let values: [&[u8]; 3] = [b"no wire header", b"", &[0, 0, 0, 0, 18, 255, 0, b'\n']];
    let records = [
        (None, 1_700_000_000_123_i64),
        (Some([0xff, 0].as_slice()), 1_700_000_000_124),
        (Some(b"".as_slice()), 1_700_000_000_125),
    ];
    for ((key, timestamp), value) in records.iter().zip(values) {
        let mut record = BaseRecord::<[u8], [u8]>::to(&topic).payload(value).timestamp(*timestamp);
        record = record.headers(headers.clone()).partition(0);
        record.key = *key;
        producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    }
    producer.flush(ALL_FINISHED).expect("the records are delivered");

    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .source("dead_letter_topic", letters.as_str())
        .consumer("sasl.password", canary);
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(3));
    relay.stop();

    let stored = stored_in(&letters);
    assert_eq!(stored.len(), 3);
    for (index, (letter, ((key, timestamp), value))) in
        stored.iter().zip(records.iter().zip(values)).enumerate()
    {
        assert_eq!(letter.key.as_deref(), *key);
        assert_eq!(letter.value.as_deref(), Some(value));
        assert_eq!(letter.timestamp, Some(*timestamp));
        let own = [
            ("trace".to_owned(), Some(b"a".to_vec())),
            ("trace".to_owned(), None),
            ("empty".to_owned(), Some(Vec::new())),
        ];
        assert_eq!(letter.headers[..3], own);
        let offset = index.to_string();
        let id = format!("{}/{topic}/0/{index}", scene.group());
        for (name, expected) in [
            ("__connect.errors.topic", topic.as_str()),
            ("__connect.errors.partition", "0"),
            ("__connect.errors.offset", &offset),
            ("__connect.errors.connector.name", scene.group()),
            ("datahub.pipeline", scene.group()),
            ("datahub.source.offset", &offset),
            ("datahub_relay.attempts", "1"),
            ("datahub_relay.round", "1"),
            ("datahub_relay.id", &id),
        ] {
            assert_eq!(letter.header(name), Some(expected), "{name}");
        }
        let text = format!(
            "{:?}",
            letter
                .headers
                .iter()
                .map(|(_, value)| value.as_deref().map(String::from_utf8_lossy))
                .collect::<Vec<_>>()
        );
        assert!(!text.contains(canary), "{text}");
    }
    assert_eq!(stored[2].header("datahub_relay.schema_id"), Some("18"));
    assert!(scene.dead_letters().read().is_empty(), "nothing goes to the file");
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_letter_too_large_for_its_topic_loses_a_header_and_then_goes_to_the_file() {
    const LIMIT: usize = 4_000;
    let scene = scene("letters-large");
    let topic = scene.topic("versioned", 1);
    let letters = format!("{topic}-letters");
    create_with(&letters, "max.message.bytes", &LIMIT.to_string());
    let mut feeder = scene.feeder();
    // Somewhere in between lies the size at which one header less is enough.
    let sizes: Vec<usize> = (LIMIT - 2_000..LIMIT).step_by(40).collect();
    for size in &sizes {
        feeder.raw(&topic, 0, &vec![1; *size]);
    }
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    let fed = i64::try_from(sizes.len()).expect("a small number");
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(fed));
    relay.stop();

    let stored = stored_in(&letters);
    let mut file = scene.dead_letters();
    let in_file: Vec<usize> =
        file.read().iter().map(|letter| letter.record.value().expect("a value").len()).collect();
    let in_topic: Vec<usize> =
        stored.iter().map(|letter| letter.value.as_ref().expect("a value").len()).collect();
    let all: Vec<usize> = in_topic.iter().chain(&in_file).copied().collect();
    assert_eq!(all, sizes, "the smaller ones in the topic, the larger ones in the file, each once");
    let most = stored[0].headers.len();
    let fewer = stored.iter().filter(|letter| letter.headers.len() == most - 1).count();
    assert!(fewer > 0, "some fit with one header less");
    assert!(!in_file.is_empty() && in_topic.len() > fewer);
    assert!(stored.iter().all(|letter| letter.header("datahub_relay.id").is_some()));
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_letter_that_its_topic_takes_at_no_time_goes_to_the_file() {
    let scene = scene("letters-refused");
    let topic = scene.topic("versioned", 1);
    let letters = format!("{topic}-letters");
    // A compacted topic takes no record without a key.
    create_with(&letters, "cleanup.policy", "compact");
    let producer: BaseProducer = KafkaBroker::shared().client().create().expect("a producer");
    let record = BaseRecord::<[u8], [u8]>::to(&topic).payload(b"no key").partition(0);
    producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    producer.flush(ALL_FINISHED).expect("the record is delivered");
    scene.feeder().change_logs(&topic, 1, 5);
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let relay = scene.run_until_ready(&[&recipe]);
    let committed = scene.committed(&[(&topic, 1)]);
    wait_until("everything to be committed", ALL_FINISHED, || committed.sum() == Some(6));
    let log = relay.stop_and_tell();
    assert!(log.contains("the topic does not take the dead letter"), "{log}");
    assert!(stored_in(&letters).is_empty());
    assert_eq!(scene.dead_letters().read().len(), 1);
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_topic_that_is_gone_holds_the_commit_until_it_is_back() {
    let scene = scene("letters-gone");
    let (topic, letters) = (scene.topic("versioned", 2), scene.topic("letters", 1));
    let mut feeder = scene.feeder();
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", letters.as_str());
    let mut relay = scene.run_until_ready(&[&recipe]);
    delete(&letters);
    let bad = feeder.raw(&topic, 0, b"bad");
    for partition in [0, 1] {
        for _ in 0..20 {
            feeder.change_log(&topic, partition, Writer::EarlyChangeLog);
        }
    }
    feeder.flush();

    // On a slow machine it says first that the letter takes long, and where.
    let says = format!("there is no topic {letters} for dead letters; create it");
    let mut last = None;
    wait_until("readiness to say which topic is gone", NOTICED, || {
        let answer = relay.get("/readyz");
        let (status, body) = answer.unwrap_or_default();
        if status == 503 && last.as_ref() != Some(&body) {
            println!("readiness: {body}");
            assert!(!body.contains("disk"), "a topic has none: {body}");
            last = Some(body.clone());
        }
        status == 503 && body.contains("dead_letters") && body.contains(&says)
    });
    let committed = scene.committed(&[(&topic, 2)]);
    let held = [((topic.clone(), 0), bad.offset), ((topic.clone(), 1), 20)];
    wait_until("the other partition to be done and this one to be held", ALL_FINISHED, || {
        committed.read() == Some(held.clone().into())
    });
    assert_eq!(relay.ended(), None);

    assert!(scene.broker.create_topic(&letters, 1), "it was deleted");
    wait_until("the rest to be committed", NOTICED, || committed.sum() == Some(41));
    wait_until("readiness to say yes again", ALL_FINISHED, || relay.ready() == Some(true));
    relay.stop();
    let stored = stored_in(&letters);
    assert!(!stored.is_empty() && stored.iter().all(|letter| letter.value.as_deref() == Some(b"bad")));
    let (mut actions, mut file) = (scene.action_log(), scene.dead_letters());
    Tally::of(&mut actions, &mut file).assert_nothing_repeated();
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn a_pipeline_whose_dead_letter_topic_does_not_exist_does_not_start() {
    let scene = scene("letters-missing");
    let topic = scene.topic("versioned", 1);
    let mut feeder = scene.feeder();
    feeder.change_logs(&topic, 1, 5);
    let recipe = scene.recipe().change_logs(&topic).source("dead_letter_topic", "nobody-made-this");
    let mut relay = scene.run(&[&recipe]);
    assert_eq!(relay.wait_for_end(ALL_FINISHED), Ended::Code(1), "{}", relay.log());
    assert!(relay.log().contains("no topic nobody-made-this for dead letters; create it"), "{}", relay.log());
    assert!(scene.action_log().read().is_empty(), "it has read nothing");
}
