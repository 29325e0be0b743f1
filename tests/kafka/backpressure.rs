//! Memory stays bounded whatever the topics hold and however slow the action is.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

use crate::harness::{Broker, Relay, Writer, wait_until};
use crate::scene;

const PARTITIONS: i32 = 24;
/// Three times as many bytes in all as the process may take.
const RECORDS_PER_PARTITION: usize = 32;
const MIB: usize = 1 << 20;
const SEEN: Duration = Duration::from_secs(180);
const MAX_IN_FLIGHT: usize = 32 * MIB;
/// What the process may take, as docs/operations.md says:
const BOUND: usize = MAX_IN_FLIGHT
    // one record of each partition is admitted whatever the others hold;
    + 24 * MIB
    // of every event that acts there are the text inside it and the body that is sent, whose buffer doubles;
    + 24 * 3 * MIB
    // librdkafka prefetches `queued.max.messages.kbytes`, and one answer of `fetch.max.bytes` beyond;
    + (16 + 50) * MIB
    // the process itself.
    + 64 * MIB;
const _: () =
    assert!(RECORDS_PER_PARTITION * PARTITIONS as usize * MIB > 5 * BOUND / 2, "a bound that can be missed");
/// What comes with a record's value, generously.
const BESIDE_VALUE: usize = 1 << 10;
/// How long an answer takes once the endpoint answers: slow enough for partitions to pause again.
const SLOW: Duration = Duration::from_millis(50);

/// An HTTP endpoint that takes requests in and does not answer until it is told to; from then on it
/// answers each, slowly.
struct Endpoint {
    url: String,
    open: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("a bound address"));
        let (open, taken) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let endpoint = Self { url, open: Arc::clone(&open), taken: Arc::clone(&taken) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (open, taken) = (Arc::clone(&open), Arc::clone(&taken));
                thread::spawn(move || serve(stream, &open, &taken));
            }
        });
        endpoint
    }
}

/// Serves one connection until the other side closes it.
fn serve(mut stream: TcpStream, open: &AtomicBool, taken: &AtomicUsize) {
    let mut buffer = vec![0; 64 << 10];
    while let Some(()) = read_request(&mut stream, &mut buffer) {
        taken.fetch_add(1, Ordering::AcqRel);
        while !open.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(SLOW);
        if stream.write_all(b"HTTP/1.1 204 Done\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Reads a request and forgets it; `None` at the end of the connection.
fn read_request(stream: &mut TcpStream, buffer: &mut [u8]) -> Option<()> {
    let mut head = Vec::new();
    let begin_of_body = loop {
        let read = stream.read(buffer).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&head[..begin_of_body]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse();
    let mut left = length.unwrap_or(0_usize) - (head.len() - begin_of_body);
    while left > 0 {
        let wanted = left.min(buffer.len());
        left -= stream.read(&mut buffer[..wanted]).ok().filter(|read| *read > 0)?;
    }
    Some(())
}

/// Fills the topic with change logs of a little more than 1 MiB each. Returns how large each is.
fn feed(broker: &dyn Broker, topic: &str) -> usize {
    let producer: BaseProducer =
        broker.client().set("message.max.bytes", "2097152").create().expect("a producer");
    let record = large_change_log();
    for _ in 0..RECORDS_PER_PARTITION {
        for partition in 0..PARTITIONS {
            let sent = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(&record);
            producer
                .send(sent)
                .map_err(|(error, _)| error)
                .expect("the queue holds a record of each partition");
        }
        producer.flush(SEEN).expect("Kafka takes the records");
    }
    record.len()
}

/// What `Writer::EarlyChangeLog` makes of a dataset's aspect of 1 MiB.
fn large_change_log() -> Vec<u8> {
    let content_type = "application/json";
    let mut record = vec![0, 0, 0, 0, u8::try_from(Writer::EarlyChangeLog.id()).expect("a small id")];
    avro_bytes(&mut record, b"dataset");
    // No URN, UPSERT, no name of an aspect, an aspect.
    record.extend([0, 0, 0, 2]);
    avro_bytes(&mut record, &vec![b'x'; MIB]);
    avro_bytes(&mut record, content_type.as_bytes());
    record
}

/// Avro's bytes and text: the length as a zig-zag varint, then they themselves.
fn avro_bytes(record: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len() * 2;
    while length >= 0x80 {
        record.push(u8::try_from(length % 0x80).expect("seven bits") | 0x80);
        length /= 0x80;
    }
    record.push(u8::try_from(length).expect("seven bits"));
    record.extend(bytes);
}

/// The memory of the process: now, and at its highest.
fn memory(relay: &Relay) -> (usize, usize) {
    let status = fs::read_to_string(format!("/proc/{}/status", relay.id())).expect("the process runs");
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[test]
#[ignore = "needs Java and Maven: run ./test.sh"]
fn an_action_that_stands_still_pauses_partitions_bounds_memory_and_keeps_the_member() {
    let scene = scene("backpressure");
    let topic = scene.topic("versioned", PARTITIONS);
    let record_bytes = feed(scene.broker, &topic) + BESIDE_VALUE;
    // The budget, and a record of each partition, which is admitted whatever the others hold.
    let may_be_held = (MAX_IN_FLIGHT + PARTITIONS as usize * record_bytes) as f64;
    let held =
        |relay: &Relay| relay.metric("datahub_relay_in_flight_bytes", &[]).expect("the metric is there");
    let total = RECORDS_PER_PARTITION * PARTITIONS as usize;
    let endpoint = Endpoint::start();
    let recipe = scene
        .recipe()
        .change_logs(&topic)
        .top("action", json!({"type": "webhook", "config": {"url": endpoint.url, "timeout_seconds": 600}}))
        .option("max_in_flight_bytes", MAX_IN_FLIGHT)
        .consumer("max.poll.interval.ms", 6_000)
        .consumer("session.timeout.ms", 3_000);
    let mut relay = scene.run(&[&recipe]);
    wait_until("every partition to have an event with the action", SEEN, || {
        endpoint.taken.load(Ordering::Acquire) == PARTITIONS as usize
    });
    wait_until("partitions to pause", SEEN, || {
        relay.metric("datahub_relay_paused_partitions", &[]).is_some_and(|paused| paused > 0.0)
    });
    // Longer than max.poll.interval.ms: who does not poll would be thrown out by now.
    let standing = Instant::now();
    wait_until("twice the poll interval to pass", SEEN, || {
        let (now, _) = memory(&relay);
        assert!(now < BOUND, "{} MiB while the action stands still", now / MIB);
        let held = held(&relay);
        assert!(held <= may_be_held, "{held} bytes of records are held, {may_be_held} may be");
        standing.elapsed() > Duration::from_secs(12)
    });
    let held_at_last = held(&relay);
    // It is a bound that is reached: what is not held is not there to be worked on.
    assert!(held_at_last >= MAX_IN_FLIGHT as f64 * 0.9, "{held_at_last} bytes of records are held");
    let (now, highest) = memory(&relay);
    println!(
        "standing still: {} MiB resident, {} MiB at the highest, {:.0} MiB of records held",
        now / MIB,
        highest / MIB,
        held_at_last / 1_048_576.0
    );
    assert_eq!(relay.metric("datahub_relay_rebalances_total", &["kind=\"lost\""]).unwrap_or(0.0), 0.0);
    assert_eq!(relay.metric("datahub_relay_assigned_partitions", &[]), Some(f64::from(PARTITIONS)));
    assert_eq!(relay.get("/livez").map(|(status, _)| status), Some(200), "standing still is not stuck");
    assert_eq!(relay.ended(), None);

    endpoint.open.store(true, Ordering::Release);
    let committed = scene.committed(&[(&topic, PARTITIONS)]);
    wait_until("everything to be committed", SEEN, || {
        let held = held(&relay);
        assert!(held <= may_be_held, "{held} bytes of records are held, {may_be_held} may be");
        committed.sum() == Some(total as i64)
    });
    assert_eq!(endpoint.taken.load(Ordering::Acquire), total, "each was sent once");
    wait_until("every pause to be over", SEEN, || {
        relay.metric("datahub_relay_paused_partitions", &[]) == Some(0.0)
    });
    let (now, highest) = memory(&relay);
    println!("caught up: {} MiB resident, {} MiB at the highest", now / MIB, highest / MIB);
    assert!(highest < BOUND, "{} MiB at the highest", highest / MIB);
    relay.stop();
}
