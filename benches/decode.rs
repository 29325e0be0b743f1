//! What it costs to look at a record: the scan, the check, the full decode, and the event's JSON.
//!
//! Times are per pass over all sample records; the throughput is per byte of them, and the number of
//! records is in each benchmark's name.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datahub_relay::avro::{
    Body, CompiledSchema, SchemaId, encode_json, platform_event_json, read_body, schemas, wire,
};
use datahub_relay::event::{FieldSet, Route};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The fields that most filters ask for.
const FILTERED: FieldSet =
    FieldSet { entity_type: true, entity_urn: false, aspect_name: true, change_type: true, event_name: true };

struct Records {
    name: &'static str,
    route: Route,
    schema: CompiledSchema,
    bodies: Vec<Vec<u8>>,
}

impl Records {
    fn new(name: &'static str, route: Route, schema: &str, records: &[Value]) -> Self {
        let schema = CompiledSchema::parse(schema).expect("a schema of this project");
        let encode = |record| {
            let value = encode_json(SchemaId(0), schema.schema(), record).expect("a sample fits its schema");
            value[wire::HEADER_BYTES..].to_vec()
        };
        let bodies = records.iter().map(encode).collect();
        Self { name, route, schema, bodies }
    }

    fn bytes(&self) -> u64 {
        self.bodies.iter().map(|body| body.len() as u64).sum()
    }

    fn read(&self, body: &[u8]) -> Body {
        read_body(&self.route, &self.schema, body).expect("a sample is an event")
    }
}

fn records() -> [Records; 2] {
    let mut change_logs: Vec<Value> = [
        include_str!("../src/embedded/samples/versioned.json"),
        include_str!("../src/embedded/samples/timeseries.json"),
    ]
    .into_iter()
    .flat_map(|json| serde_json::from_str::<Vec<Value>>(json).expect("the samples are JSON"))
    .map(|sample| sample["record"].clone())
    .collect();
    change_logs.push(wide_table());
    let events: Vec<Value> =
        serde_json::from_str(include_str!("../src/embedded/samples/platform_events.json"))
            .expect("the samples are JSON");
    let events: Vec<_> = events
        .iter()
        .map(|event| platform_event_json(event["name"].as_str().unwrap_or_default(), 1, &event["payload"]))
        .collect();
    [
        Records::new("change_log", Route::ChangeLog, schemas::METADATA_CHANGE_LOG_JSON, &change_logs),
        Records::new("platform_event", Route::PlatformEvent, schemas::PLATFORM_EVENT_JSON, &events),
    ]
}

/// A change of a table's schema, about 15 KB before and after.
fn wide_table() -> Value {
    let field = |index: u32| {
        json!({"fieldPath": format!("column_{index}"), "nativeDataType": "VARCHAR(255)", "nullable": true,
            "description": "What this column holds, in a sentence of the usual length."})
    };
    let aspect = json!({"schemaName": "wide", "fields": (0..100).map(field).collect::<Vec<_>>()}).to_string();
    let aspect = json!({"value": aspect, "contentType": "application/json"});
    json!({"entityType": "dataset", "entityUrn": "urn:li:dataset:(urn:li:dataPlatform:hive,wide,PROD)",
        "changeType": "UPSERT", "aspectName": "schemaMetadata", "aspect": aspect, "previousAspectValue": aspect})
}

fn decode(criterion: &mut Criterion) {
    for records in &records() {
        let mut group = criterion.benchmark_group(records.name);
        group.throughput(Throughput::Bytes(records.bytes()));
        let count = records.bodies.len();
        let projection = records.schema.projection();
        group.bench_function(BenchmarkId::new("scan", count), |bencher| {
            bencher.iter(|| {
                for body in &records.bodies {
                    std::hint::black_box(projection.scan(body, FILTERED)).expect("a sample is whole");
                }
            });
        });
        group.bench_function(BenchmarkId::new("check", count), |bencher| {
            bencher.iter(|| records.bodies.iter().all(|body| projection.check(body).is_ok()));
        });
        group.bench_function(BenchmarkId::new("decode", count), |bencher| {
            bencher.iter(|| {
                for body in &records.bodies {
                    std::hint::black_box(records.read(body));
                }
            });
        });
        group.bench_function(BenchmarkId::new("decode_and_write_json", count), |bencher| {
            let mut json = Vec::new();
            bencher.iter(|| {
                for body in &records.bodies {
                    if let Body::Event(_, event) = records.read(body) {
                        json.clear();
                        serde_json::to_writer(&mut json, &event).expect("an event is JSON");
                    }
                }
                json.len()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
