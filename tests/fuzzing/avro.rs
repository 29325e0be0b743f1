//! The Avro body: the first byte chooses the writer's schema, the rest is any bytes. `apache-avro` is
//! the oracle on bodies that pass the check: it decodes them by Avro's own rules, ours included.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use datahub_relay::avro::projection::ScanError;
use datahub_relay::avro::{Body, CompiledSchema, DecodeError, read_body, schemas};
use datahub_relay::event::{EventType, FieldSet, Route, Scanned};
use serde_json::{Map, Value, json};

/// Bodies longer than this are cut in some places only: each cut is a walk over the body.
const CUT_EVERYWHERE_BYTES: usize = 512;

/// A writer's schema, as the program and as the oracle see it.
struct Writer {
    ours: CompiledSchema,
    oracle: Schema,
    /// The route of such records, and the schema that they are read as; none for one of no route's.
    read_as: Option<(Route, Schema)>,
}

static WRITERS: LazyLock<Vec<Writer>> = LazyLock::new(|| {
    // The oracle is asked about wild bodies too, before the program has set the same bound.
    apache_avro::util::max_allocation_bytes(16 << 20);
    let change_log = Some((Route::ChangeLog, schemas::METADATA_CHANGE_LOG_JSON));
    [
        (schemas::METADATA_CHANGE_LOG_JSON, change_log.clone()),
        (include_str!("../harness/schemas/change_log_early.avsc"), change_log.clone()),
        (include_str!("../harness/schemas/change_log_later.avsc"), change_log),
        (schemas::PLATFORM_EVENT_JSON, Some((Route::PlatformEvent, schemas::PLATFORM_EVENT_JSON))),
        (include_str!("everything.avsc"), None),
        (
            schemas::METADATA_CHANGE_PROPOSAL_JSON,
            Some((Route::Proposal, schemas::METADATA_CHANGE_PROPOSAL_JSON)),
        ),
        (
            schemas::FAILED_METADATA_CHANGE_PROPOSAL_JSON,
            Some((Route::FailedProposal, schemas::FAILED_METADATA_CHANGE_PROPOSAL_JSON)),
        ),
    ]
    .into_iter()
    .map(|(json, read_as)| {
        let schema = |json| Schema::parse_str(json).expect("a schema of ours");
        Writer {
            ours: CompiledSchema::parse(json).expect("a schema of ours"),
            oracle: schema(json),
            read_as: read_as.map(|(route, json)| (route, schema(json))),
        }
    })
    .collect()
});

/// The route that takes records of any schema.
static ANY: LazyLock<Route> = LazyLock::new(|| Route::Avro("Any_v1".into()));

/// What passes the check reads the same by our decoders, by the scan and by the oracle, and is refused
/// when it is cut anywhere or followed by anything; what does not pass reaches no decoder.
pub(crate) fn check(data: &[u8]) {
    let [choice, body @ ..] = data else { return };
    let writer = &WRITERS[usize::from(*choice) % WRITERS.len()];
    // Whatever the body is, the scan comes back.
    let scanned = writer.ours.projection().scan(body, FieldSet::ALL);
    if let Err(error) = writer.ours.projection().check(body) {
        for route in [&Route::ChangeLog, &Route::EveryPlatformEvent, &ANY] {
            let read = read_body(route, &writer.ours, body);
            assert!(matches!(&read, Err(DecodeError::Body(found)) if *found == error), "{read:?}");
        }
        assert_is_no_record(writer, body, error);
        return;
    }
    assert_every_cut_is_refused(writer, body);
    let mut rest = body;
    let record = oracle(&writer.oracle, None, &mut rest)
        .unwrap_or_else(|error| panic!("apache-avro refuses what passed the check: {error}"));
    assert!(rest.is_empty(), "apache-avro leaves {} bytes", rest.len());
    let Value::Object(fields) = plain(record) else { panic!("every schema here is a record's") };

    let scanned = scanned.expect("a body that passed the check can be scanned");
    let is_event = matches!(writer.read_as, Some((Route::PlatformEvent, _)));
    let of_log =
        |name| fields.get(name).filter(|_| writer.ours.kind().name() != "checked.Everything" && !is_event);
    if !matches!(writer.read_as, Some((Route::FailedProposal, _))) {
        assert_scanned(scanned.entity_type, of_log("entityType"));
        assert_scanned(scanned.entity_urn, of_log("entityUrn"));
        assert_scanned(scanned.aspect_name, of_log("aspectName"));
        assert_scanned(scanned.change_type, of_log("changeType"));
        assert_scanned(scanned.event_name, fields.get("name").filter(|_| is_event));
    }
    match &writer.read_as {
        None => {
            let read = read_body(&Route::ChangeLog, &writer.ours, body);
            assert!(matches!(read, Err(DecodeError::WrongType { .. })), "{read:?}");
        }
        Some((Route::PlatformEvent, _)) => assert_platform_event(writer, body, &fields),
        Some((route, schema)) => assert_event(writer, body, route, schema),
    }
    assert_eq!(event(&ANY, writer, body), Value::Object(fields));
}

/// What the check refuses is no record: the oracle refuses it too, or takes it for a record that is
/// written otherwise (a cut one, or a number with bytes to spare), or it is beyond our limits.
fn assert_is_no_record(writer: &Writer, body: &[u8], error: ScanError) {
    // The oracle has no such limits of its own: an endless nesting or an endless list of nothing.
    if writer.ours.kind().name() == "checked.Everything" {
        return;
    }
    let mut rest = body;
    let Ok(record) = oracle(&writer.oracle, None, &mut rest) else { return };
    let mut again = Vec::new();
    let written = GenericDatumWriter::builder(&writer.oracle)
        .build()
        .and_then(|datums| datums.write_value(&mut again, record));
    // It even takes some cut bodies for records that it refuses to write.
    assert!(written.is_err() || !rest.is_empty() || again != body, "a whole record is refused: {error}");
}

fn assert_every_cut_is_refused(writer: &Writer, body: &[u8]) {
    let step = body.len().div_ceil(CUT_EVERYWHERE_BYTES).max(1);
    for length in (0..body.len()).step_by(step) {
        let cut = writer.ours.projection().check(&body[..length]);
        assert!(cut.is_err(), "cut to {length} of {} bytes, it still passes", body.len());
    }
    let longer = [body, &[0]].concat();
    assert_eq!(writer.ours.projection().check(&longer), Err(ScanError::TrailingBytes { count: 1 }));
}

/// A change log or a proposal: Avro's own resolution of the writer's schema to ours, and our rules for
/// nulls and defaults.
fn assert_event(writer: &Writer, body: &[u8], route: &Route, schema: &Schema) {
    let ours = event(route, writer, body);
    let Ok(resolved) = oracle(&writer.oracle, Some(schema), &mut &*body) else {
        // It has nothing for a symbol that only the writer knows.
        assert_eq!(ours["changeType"], "ARCHIVE");
        return;
    };
    let mut expected = without_nulls(plain(resolved));
    let proposal = expected.get("metadataChangeProposal").is_some();
    let log = if proposal { &mut expected["metadataChangeProposal"] } else { &mut expected };
    for name in ["systemMetadata", "previousSystemMetadata"] {
        if let Some(metadata) = log.get_mut(name).and_then(Value::as_object_mut) {
            metadata.entry("lastObserved").or_insert(json!(0));
            metadata.entry("runId").or_insert(json!("no-run-id-provided"));
            metadata.entry("lastRunId").or_insert(json!("no-run-id-provided"));
        }
    }
    assert_eq!(ours, expected);
}

/// The JSON of the event in a body that holds one.
fn event(route: &Route, writer: &Writer, body: &[u8]) -> Value {
    match read_body(route, &writer.ours, body) {
        Ok(Body::Event(_, event)) => serde_json::to_value(event).expect("an event is JSON"),
        other => panic!("a record that passed the check is read as {other:?}"),
    }
}

fn assert_platform_event(writer: &Writer, body: &[u8], fields: &Map<String, Value>) {
    let name = fields["name"].as_str().expect("a name");
    let read = read_body(&Route::PlatformEvent, &writer.ours, body);
    match (EventType::of_platform_event(name), read) {
        (None, Ok(Body::UnknownPlatformEvent(unknown))) => {
            assert_eq!(unknown, name);
            let whole = Value::Object(fields.clone());
            assert_eq!(event(&Route::EveryPlatformEvent, writer, body), without_nulls(whole));
        }
        (Some(expected), Ok(Body::Event(event_type, event))) => {
            assert_eq!(event_type, expected);
            let text = fields["payload"]["value"].as_str().expect("the payload's text");
            let written: Map<String, Value> = serde_json::from_str(text).expect("the payload is JSON");
            let event = event.to_object();
            assert!(event.keys().all(|key| written.contains_key(key)), "a key was made up");
        }
        (Some(_), Err(DecodeError::Payload { name: of, .. })) => assert_eq!(of, name),
        (event_type, read) => panic!("{event_type:?} is read as {read:?}"),
    }
}

fn assert_scanned(scanned: Scanned<'_>, decoded: Option<&Value>) {
    let expected = match decoded {
        None => Scanned::Unknown,
        Some(Value::Null) => Scanned::Null,
        Some(Value::String(text)) => Scanned::Text(text),
        other => panic!("a field that is scanned holds {other:?}"),
    };
    assert_eq!(scanned, expected);
}

fn oracle(
    writer: &Schema,
    reader: Option<&Schema>,
    body: &mut &[u8],
) -> Result<AvroValue, apache_avro::Error> {
    GenericDatumReader::builder(writer).maybe_reader_schema(reader).build()?.read_value(body)
}

/// The plain JSON of a value: unions without their branch, bytes as text, UTF-8 or one character each.
fn plain(value: AvroValue) -> Value {
    match value {
        AvroValue::Union(_, value) => plain(*value),
        AvroValue::Record(fields) => {
            fields.into_iter().map(|(name, value)| (name, plain(value))).collect::<Map<_, _>>().into()
        }
        AvroValue::Map(entries) => {
            entries.into_iter().map(|(key, value)| (key, plain(value))).collect::<Map<_, _>>().into()
        }
        AvroValue::Array(items) => items.into_iter().map(plain).collect(),
        AvroValue::Bytes(bytes) | AvroValue::Fixed(_, bytes) => match String::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(bytes) => bytes.as_bytes().iter().copied().map(char::from).collect::<String>().into(),
        },
        AvroValue::Enum(_, text) | AvroValue::String(text) => text.into(),
        AvroValue::Boolean(flag) => flag.into(),
        AvroValue::Int(number) | AvroValue::Date(number) => number.into(),
        AvroValue::Long(number) | AvroValue::TimestampMillis(number) => number.into(),
        // It has no way to give back one of no bytes.
        AvroValue::Decimal(number) => plain(AvroValue::Bytes(Vec::try_from(&number).unwrap_or_default())),
        AvroValue::Float(number) => number.into(),
        AvroValue::Double(number) => number.into(),
        // No field that is looked at has another type.
        _ => Value::Null,
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let present = entries.into_iter().filter(|(_, value)| !value.is_null());
            present.map(|(key, value)| (key, without_nulls(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}
