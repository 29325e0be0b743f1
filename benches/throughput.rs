//! Events per second through a whole pipeline, beside a bare librdkafka poll loop on the same topic in
//! the same run.
//!
//! `cargo bench --bench throughput -- --kafka 127.0.0.1:9092 --records 1000000 --rounds 3`
//!
//! Without `--kafka` the embedded broker serves, which holds 5 MiB a partition: good for a check that
//! this still works, not for figures. Each round runs the bare loop and then the pipelines, so that a
//! machine whose speed drifts slows down all of them; what counts is the ratio within a round. The
//! processor time is that of the whole process, librdkafka's threads included.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use datahub_relay::avro::{SchemaId, encode_json, schemas};
use datahub_relay::embedded::{EmbeddedBroker, EmbeddedRegistry, RegistryOptions};
use datahub_relay::environment::Environment;
use datahub_relay::pipeline::{Pipeline, Surroundings};
use datahub_relay::recipe;
use datahub_relay::telemetry::{HealthBoard, Metrics};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: i32 = 9;
const PATIENCE: Duration = Duration::from_secs(300);
/// One record in so many passes the filter of the `filter` workload.
const MATCHING: usize = 1000;

#[derive(Parser)]
struct Args {
    /// A running Kafka; without it the embedded broker serves.
    #[arg(long)]
    kafka: Option<String>,
    /// Records to feed.
    #[arg(long)]
    records: Option<usize>,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Given by whoever only wants to know that it works.
    #[arg(long, hide = true)]
    test: bool,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    processor: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let records = args.records.unwrap_or(if args.kafka.is_some() { 1_000_000 } else { 20_000 });
    let topic = format!("throughput-{}", std::process::id());
    let embedded = args
        .kafka
        .is_none()
        .then(|| EmbeddedBroker::start(&[(topic.as_str(), PARTITIONS)]).expect("the embedded broker starts"));
    let kafka = match (&args.kafka, &embedded) {
        (Some(kafka), _) => kafka.clone(),
        (None, Some(broker)) => broker.bootstrap().to_owned(),
        (None, None) => unreachable!("one of the two is there"),
    };
    let runtime = Runtime::new().expect("a runtime");
    if args.kafka.is_some() {
        runtime.block_on(create_topic(&kafka, &topic));
    }
    let registry = EmbeddedRegistry::start(RegistryOptions::default()).expect("the embedded registry starts");
    registry.put(1, schemas::METADATA_CHANGE_LOG_JSON);
    let matching = feed(&kafka, &topic, records);
    let scene = Scene { kafka, topic, registry: registry.url(), runtime };
    println!("{records} records, {PARTITIONS} partitions, {matching} of them pass the filter");
    // Under `cargo test` it only has to work.
    let rounds = if args.bench { args.rounds } else { 1 };
    for round in 1..=rounds {
        let bare = scene.bare(round, records);
        show(round, "bare poll loop", records, bare, bare);
        let filter = scene.pipeline(&format!("filter-{round}"), FILTER, matching);
        show(round, "filter, noop", records, filter, bare);
        let all = scene.pipeline(&format!("all-{round}"), "", records);
        show(round, "everything, noop", records, all, bare);
    }
    ExitCode::SUCCESS
}

const FILTER: &str = "
filters:
  - type: event_type
    config:
      filter:
        MetadataChangeLogEvent_v1:
          event:
            - entityType: dataHubExecutionRequest
              changeType: UPSERT
              aspectName: [dataHubExecutionRequestInput, dataHubExecutionRequestSignal]
";

struct Scene {
    kafka: String,
    topic: String,
    registry: String,
    runtime: Runtime,
}

impl Scene {
    /// A poll loop that looks at nothing, with the settings of our consumer that decide speed.
    fn bare(&self, round: usize, records: usize) -> Took {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.kafka)
            .set("group.id", format!("bare-{round}-{}", self.topic))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.max.messages.kbytes", "16384")
            .set("check.crcs", "true")
            .create()
            .expect("a consumer");
        consumer.subscribe(&[&self.topic]).expect("a subscription");
        let mut stopwatch = None;
        let mut seen = 0;
        let deadline = Instant::now() + PATIENCE;
        while seen < records {
            assert!(Instant::now() < deadline, "the bare loop saw {seen} of {records} records");
            if let Some(Ok(_)) = consumer.poll(Duration::from_millis(100)) {
                stopwatch.get_or_insert_with(Stopwatch::start);
                seen += 1;
            }
        }
        stopwatch.expect("records came").stop()
    }

    /// A whole pipeline, until `acting` events were acted on: the first and the last record of each
    /// partition are among them in every workload.
    fn pipeline(&self, name: &str, filters: &str, acting: usize) -> Took {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("recipe.yml");
        std::fs::write(&file, self.recipe(name, filters, directory.path())).expect("a recipe");
        let mut loaded = recipe::load(&[file], &Environment::default());
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        let surroundings = Surroundings {
            runtime: self.runtime.handle().clone(),
            metrics: Arc::new(Metrics::new()),
            board: Arc::new(HealthBoard::new(Duration::from_secs(60))),
        };
        let recipe = loaded.recipes.pop().expect("a recipe");
        let pipeline = Pipeline::build(recipe, &surroundings).expect("a pipeline");
        let stop = CancellationToken::new();
        let ended = self.runtime.spawn(pipeline.run(stop.clone()));
        let deadline = Instant::now() + PATIENCE;
        let mut stopwatch = None;
        loop {
            assert!(Instant::now() < deadline, "the pipeline did not act on {acting} events in time");
            let acted = acted(&surroundings);
            if acted > 0 {
                stopwatch.get_or_insert_with(Stopwatch::start);
            }
            if acted >= acting {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = stopwatch.expect("events came").stop();
        stop.cancel();
        let ended = self.runtime.block_on(ended).expect("the pipeline does not panic");
        assert!(ended.result.is_ok(), "{:?}", ended.result);
        assert_eq!(ended.summary.acted, acting as u64);
        took
    }

    fn recipe(&self, name: &str, filters: &str, directory: &Path) -> String {
        let Self { kafka, topic, registry, .. } = self;
        format!(
            "name: {name}-{topic}
source:
  type: kafka
  config:
    connection: {{bootstrap: '{kafka}', schema_registry_url: '{registry}'}}
    topic_routes: {{mcl: {topic}}}
    start_position: earliest
{filters}
action: {{type: noop}}
options: {{failed_events_dir: '{}'}}
",
            directory.display()
        )
    }
}

fn acted(surroundings: &Surroundings) -> usize {
    let text = surroundings.metrics.text(&surroundings.board).expect("metrics");
    let line = text.lines().find(|line| line.starts_with("datahub_relay_acted_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

struct Stopwatch {
    wall: Instant,
    processor: Duration,
}

impl Stopwatch {
    fn start() -> Self {
        Self { wall: Instant::now(), processor: processor_time() }
    }

    fn stop(self) -> Took {
        Took { wall: self.wall.elapsed(), processor: processor_time() - self.processor }
    }
}

/// User and system time of all threads of this process, from Linux: in ticks of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux shows a process its own times");
    // Behind the name, which may hold anything but ends with the last parenthesis: fields 3 and on.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|tick| tick.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn show(round: usize, what: &str, records: usize, took: Took, bare: Took) {
    let per_second = records as f64 / took.wall.as_secs_f64();
    let nanoseconds = took.processor.as_nanos() as f64 / records as f64;
    println!(
        "round {round}  {what:<18} {per_second:>10.0} records/s  {:>5.2} of bare   {nanoseconds:>6.0} ns processor time a record  {:>5.2} of bare",
        bare.wall.as_secs_f64() / took.wall.as_secs_f64(),
        took.processor.as_secs_f64() / bare.processor.as_secs_f64(),
    );
}

async fn create_topic(kafka: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka).create().expect("an admin client");
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    admin.create_topics([&new], &AdminOptions::new()).await.expect("the topic is created");
}

/// Feeds change logs of the sizes that DataHub writes, and returns how many of them pass the filter.
fn feed(kafka: &str, topic: &str, records: usize) -> usize {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("linger.ms", "20")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.messages", "200000")
        .create()
        .expect("a producer");
    let schema = schemas::metadata_change_log();
    let encode = |record: &Value| encode_json(SchemaId(1), schema, record).expect("it fits the schema");
    let mut rng = fastrand::Rng::with_seed(1);
    let wanted = encode(&change_log(&mut rng, "dataHubExecutionRequest", "dataHubExecutionRequestInput", 1));
    // Of a hundred records: tags and owners, descriptions, schemas of some kilobytes, a large one. Some
    // thousands of them, of random words: the broker's compression has as much to do as with real ones.
    let sizes = [(60, 4), (30, 12), (9, 60), (1, 400)];
    let others: Vec<Vec<u8>> = sizes
        .iter()
        .flat_map(|(share, fields)| std::iter::repeat_n(*fields, share * 30))
        .map(|fields| encode(&change_log(&mut rng, "dataset", "schemaMetadata", fields)))
        .collect();
    let per_partition = records / PARTITIONS as usize;
    let mut matching = 0;
    for number in 0..records {
        let in_partition = number / PARTITIONS as usize;
        let edge = in_partition == 0 || in_partition + 1 >= per_partition;
        let passes = edge || number % MATCHING == 0;
        matching += usize::from(passes);
        let value = if passes { &wanted } else { &others[number * 37 % others.len()] };
        let partition = i32::try_from(number % PARTITIONS as usize).expect("below nine");
        let key = format!("urn:li:dataset:{}", number % 5000);
        let mut record = BaseRecord::to(topic).partition(partition).key(&key).payload(value);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).expect("everything is delivered");
    matching
}

fn change_log(rng: &mut fastrand::Rng, entity_type: &str, aspect_name: &str, fields: usize) -> Value {
    let mut word = || -> String { (0..10).map(|_| rng.lowercase()).collect() };
    let urn = format!("urn:li:dataset:(urn:li:dataPlatform:hive,{}.{},PROD)", word(), word());
    let run = word();
    let fields: Vec<Value> = (0..fields)
        .map(|_| json!({"fieldPath": word(), "description": word(), "type": "STRING", "nullable": true}))
        .collect();
    json!({
        "entityType": entity_type,
        "entityUrn": urn,
        "changeType": "UPSERT",
        "aspectName": aspect_name,
        "aspect": {"value": json!({"fields": fields}).to_string(), "contentType": "application/json"},
        "systemMetadata": {"lastObserved": 1_700_000_000_000_i64, "runId": run},
        "created": {"time": 1_700_000_000_000_i64, "actor": "urn:li:corpuser:ingestion"},
    })
}
