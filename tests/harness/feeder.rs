//! What is fed to Kafka: records that carry their own place, the same ones for the same seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

use super::action_log::Place;
use super::broker::Broker;
use super::fates::{Fate, Fates, Partition};
use super::writer::{Encoder, Writer};

/// A broker may be gone for minutes meanwhile.
const DELIVERY: Duration = Duration::from_secs(300);
/// [`Feeder::change_logs_during`] feeds 5,000 records a second, for two minutes at most.
const PORTION: usize = 50;
const PORTION_EVERY: Duration = Duration::from_millis(10);
const MOST_PORTIONS: usize = 12_000;
/// How many entities a partition has events of, until told otherwise: few, so that each comes up often.
const ENTITIES_PER_PARTITION: u32 = 5;

/// The aspect that [`Mix`]'s recipes want, and the one that they drop.
pub(crate) const WANTED_ASPECT: &str = "status";
const UNWANTED_ASPECT: &str = "globalTags";

/// Of what kinds the records are that a run of the fault suite is fed, in thousandths; the rest has to
/// reach the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mix {
    /// The recipe's filter drops them.
    pub(crate) dropped: u32,
    /// They cannot be decoded: cut, too long, or without a wire header.
    pub(crate) bad: u32,
    /// All of them are by the early writer and carry this schema id instead of its own.
    pub(crate) schema_id: Option<u32>,
}

/// Says what has to become of a record that can be decoded and is wanted.
pub(crate) type Judge = Box<dyn Fn(&Place) -> Fate + Send>;

/// Produces records to topics that nobody else writes to, so that the n-th record of a partition
/// has offset n.
pub(crate) struct Feeder {
    producer: BaseProducer,
    watermarks: BaseConsumer,
    encoder: Encoder,
    rng: Rng,
    next_offsets: BTreeMap<Partition, i64>,
    first_timestamp_ms: i64,
    fates: Fates,
    judge: Judge,
    entities_per_partition: u32,
}

/// Sets a flag when it goes out of scope, also by a panic.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Feeder {
    pub(crate) fn new(broker: &dyn Broker, seed: u64) -> Self {
        let mut config = broker.client();
        // Idempotent: a retried request repeats nothing, and offsets stay what they are said to be.
        let producer = config.set("enable.idempotence", "true").set("linger.ms", "5");
        Self {
            producer: producer.create().expect("a producer"),
            watermarks: broker.client().create().expect("a client that asks for watermarks"),
            encoder: Encoder::new(),
            rng: Rng::with_seed(seed),
            next_offsets: BTreeMap::new(),
            // An hour ago: old enough for many records a millisecond apart, and too young for retention.
            first_timestamp_ms: now_ms() - 3_600_000,
            fates: Fates::default(),
            judge: Box::new(|_| Fate::Act),
            entities_per_partition: ENTITIES_PER_PARTITION,
        }
    }

    /// What has to become of each record, as [`mixed`](Self::mixed) writes it down.
    pub(crate) fn fates(&self) -> Fates {
        self.fates.clone()
    }

    /// From now on `judge` says what has to become of records that can be decoded and are wanted.
    pub(crate) fn judge(&mut self, judge: Judge) {
        self.judge = judge;
    }

    /// From now on a partition has events of so many entities.
    pub(crate) fn set_entities_per_partition(&mut self, entities: u32) {
        self.entities_per_partition = entities;
    }

    /// Feeds one change log of `mix`, delivered with the next [`flush`](Self::flush), and writes down
    /// what has to become of it.
    pub(crate) fn mixed(&mut self, topic: &str, partitions: i32, mix: Mix) -> Place {
        let partition = self.rng.i32(0..partitions);
        let place = self.next_place(topic, partition);
        let kind = self.rng.u32(..1_000);
        let dropped = (mix.bad..mix.bad + mix.dropped).contains(&kind);
        let aspect = if dropped { UNWANTED_ASPECT } else { WANTED_ASPECT };
        let writer = match mix.schema_id {
            Some(_) => Writer::EarlyChangeLog,
            None => Writer::OF_CHANGE_LOGS[self.rng.usize(..Writer::OF_CHANGE_LOGS.len())],
        };
        let (urn, mut value) = self.change_log_of(&place, writer, aspect);
        if let Some(id) = mix.schema_id {
            value[1..5].copy_from_slice(&id.to_be_bytes());
        }
        let fate = if kind < mix.bad {
            self.spoil(&mut value);
            Fate::DeadLetter
        } else if dropped {
            Fate::Drop
        } else {
            (self.judge)(&place)
        };
        self.fates.add(topic, partition, fate);
        self.send(&place, &urn, Some(&value));
        place
    }

    /// Makes a whole record one that cannot be decoded.
    fn spoil(&mut self, value: &mut Vec<u8>) {
        match self.rng.u8(..10) {
            0 => value[0] = 1,
            1 => value.extend_from_slice(b"more"),
            // A cut at any byte: the wire header's, the body's first, its last.
            _ => value.truncate(self.rng.usize(..value.len())),
        }
    }

    /// Feeds `count` change logs by writers of all versions, to partitions 0 to `partitions` - 1.
    pub(crate) fn change_logs(&mut self, topic: &str, partitions: i32, count: usize) {
        for _ in 0..count {
            let writer = Writer::OF_CHANGE_LOGS[self.rng.usize(..Writer::OF_CHANGE_LOGS.len())];
            let partition = self.rng.i32(0..partitions);
            self.change_log(topic, partition, writer);
        }
        self.flush();
    }

    /// Feeds change logs to one partition, and waits until they are delivered.
    pub(crate) fn change_logs_to(&mut self, topic: &str, partition: i32, count: usize) {
        for _ in 0..count {
            self.change_log(topic, partition, Writer::EarlyChangeLog);
        }
        self.flush();
    }

    /// Feeds one change log by a writer of the test's choice; it is delivered with the next
    /// [`flush`](Self::flush).
    pub(crate) fn change_log(&mut self, topic: &str, partition: i32, writer: Writer) -> Place {
        let place = self.next_place(topic, partition);
        let aspect = if self.rng.u8(..10) == 0 { UNWANTED_ASPECT } else { WANTED_ASPECT };
        let (urn, value) = self.change_log_of(&place, writer, aspect);
        self.send(&place, &urn, Some(&value));
        place
    }

    /// A change log that knows its place: its entity and its bytes.
    fn change_log_of(&mut self, place: &Place, writer: Writer, aspect_name: &str) -> (String, Vec<u8>) {
        let urn = self.entity(place.partition);
        let aspect = json!({ "removed": false, "sequence": place.offset }).to_string();
        let change_types = ["UPSERT", "CREATE", "DELETE"];
        let record = json!({
            "entityType": "dataset",
            "entityUrn": urn,
            "changeType": change_types[self.rng.usize(..change_types.len())],
            "aspectName": aspect_name,
            "aspect": { "value": aspect, "contentType": "application/json" },
        });
        let value = self.encoder.encode(writer, &record);
        (urn, value)
    }

    /// Feeds `count` entity change events, and relationship change events among them.
    pub(crate) fn platform_events(&mut self, topic: &str, partitions: i32, count: usize) {
        for _ in 0..count {
            let partition = self.rng.i32(0..partitions);
            let place = self.next_place(topic, partition);
            let urn = self.entity(partition);
            let (name, payload) = if self.rng.u8(..4) == 0 {
                ("relationshipChangeEvent", relationship_change(&urn, place.offset))
            } else {
                ("entityChangeEvent", entity_change(&urn, place.offset))
            };
            let record = json!({
                "header": { "timestampMillis": 1_700_000_000_000_i64 + place.offset },
                "name": name,
                "payload": { "value": payload.to_string(), "contentType": "application/json" },
            });
            let value = self.encoder.encode(Writer::PlatformEvent, &record);
            self.send(&place, &format!("{name}-{urn}"), Some(&value));
        }
        self.flush();
    }

    /// Feeds bytes as they are, whatever they are; they have to become a dead letter.
    pub(crate) fn raw(&mut self, topic: &str, partition: i32, value: &[u8]) -> Place {
        self.fates.add(topic, partition, Fate::DeadLetter);
        let place = self.keyed(topic, partition, "raw", Some(value));
        self.flush();
        place
    }

    /// Feeds bytes as they are, or a tombstone, with a key; delivered with the next
    /// [`flush`](Self::flush).
    pub(crate) fn keyed(&mut self, topic: &str, partition: i32, key: &str, value: Option<&[u8]>) -> Place {
        let place = self.next_place(topic, partition);
        self.send(&place, key, value);
        place
    }

    /// Feeds change logs, at a steady rate, for as long as `work` takes: so there is always something
    /// left to do when `work` ends.
    pub(crate) fn change_logs_during<T>(
        &mut self,
        topic: &str,
        partitions: i32,
        work: impl FnOnce() -> T,
    ) -> T {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..MOST_PORTIONS {
                    if done.load(Ordering::Acquire) {
                        return;
                    }
                    self.change_logs(topic, partitions, PORTION);
                    std::thread::sleep(PORTION_EVERY);
                }
            });
            // Also when `work` panics: the scope waits for the feeding thread.
            let _ending = SetOnDrop(&done);
            work()
        })
    }

    /// What is fed from now on carries times this long ago, a millisecond more for each offset.
    pub(crate) fn set_age(&mut self, age: Duration) {
        let age_ms = i64::try_from(age.as_millis()).expect("an age of less than 292 million years");
        self.first_timestamp_ms = now_ms() - age_ms;
    }

    /// Waits until everything is delivered.
    pub(crate) fn flush(&self) {
        self.producer.flush(DELIVERY).expect("Kafka takes everything that is fed");
    }

    /// Every record fed so far.
    ///
    /// # Panics
    /// If the topics do not hold exactly these.
    pub(crate) fn fed(&self) -> BTreeSet<Place> {
        let mut fed = BTreeSet::new();
        for ((topic, partition), end) in self.ends() {
            fed.extend((0..end).map(|offset| Place { topic: topic.clone(), partition, offset }));
        }
        fed
    }

    /// How many records each partition was fed.
    ///
    /// # Panics
    /// If the topics do not hold exactly these.
    pub(crate) fn ends(&self) -> BTreeMap<Partition, i64> {
        for ((topic, partition), next) in &self.next_offsets {
            // The client has to hear of partitions that were added.
            self.watermarks.fetch_metadata(Some(topic), DELIVERY).expect("the broker answers");
            let (_, end) =
                self.watermarks.fetch_watermarks(topic, *partition, DELIVERY).expect("the partition's end");
            assert_eq!(end, *next, "{topic}[{partition}] holds what was fed and nothing else");
        }
        self.next_offsets.clone()
    }

    /// The time that the record at `offset` of any partition carries, in milliseconds since the
    /// Unix epoch.
    pub(crate) const fn timestamp_ms(&self, offset: i64) -> i64 {
        self.first_timestamp_ms + offset
    }

    fn next_place(&mut self, topic: &str, partition: i32) -> Place {
        let next = self.next_offsets.entry((topic.to_owned(), partition)).or_default();
        let place = Place { topic: topic.to_owned(), partition, offset: *next };
        *next += 1;
        place
    }

    /// An entity whose events all go to this partition, as DataHub's keys see to.
    fn entity(&mut self, partition: i32) -> String {
        let table = self.rng.u32(..self.entities_per_partition);
        format!("urn:li:dataset:(urn:li:dataPlatform:hive,p{partition}.table_{table},PROD)")
    }

    fn send(&self, place: &Place, key: &str, value: Option<&[u8]>) {
        let mut record = BaseRecord::to(&place.topic).partition(place.partition).key(key);
        record = record.timestamp(self.timestamp_ms(place.offset));
        record.payload = value;
        for _ in 0..1_000 {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    self.producer.poll(Duration::from_millis(50));
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::UnknownPartition), again)) => {
                    // It was added a moment ago: the producer has to hear of it.
                    record = again;
                    let client = self.producer.client();
                    client.fetch_metadata(Some(&place.topic), DELIVERY).expect("the broker answers");
                    self.producer.poll(Duration::from_millis(50));
                }
                Err((error, _)) => panic!("cannot feed {place:?}: {error}"),
            }
        }
        panic!("Kafka takes no more records");
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock behind 1970");
    i64::try_from(since_epoch.as_millis()).expect("a clock before the year 292 million")
}

fn entity_change(urn: &str, sequence: i64) -> serde_json::Value {
    json!({
        "entityType": "dataset",
        "entityUrn": urn,
        "category": "TAG",
        "operation": "ADD",
        "modifier": "urn:li:tag:checked",
        "parameters": { "sequence": sequence.to_string() },
        "auditStamp": { "actor": "urn:li:corpuser:feeder", "time": 1_700_000_000_000_i64 + sequence },
        "version": 0,
    })
}

fn relationship_change(urn: &str, sequence: i64) -> serde_json::Value {
    json!({
        "sourceUrn": urn,
        "destinationUrn": "urn:li:glossaryTerm:checked",
        "operation": "ADD",
        "relationshipType": "TermedWith",
        "lifecycleOwner": urn,
        "via": null,
        "properties": { "sequence": sequence.to_string() },
        "auditStamp": { "actor": "urn:li:corpuser:feeder", "time": 1_700_000_000_000_i64 + sequence },
    })
}
