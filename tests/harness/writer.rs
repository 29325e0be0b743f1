//! The writers of the tests' records: each has a schema, its id in the registry, and encodes by it.
//!
//! The schemas are the tests' own, so that what the program reads was not written by the program.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

/// A writer of records, with an id as DataHub's own registry gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Change logs with few fields, under id 0, which is a valid one.
    EarlyChangeLog,
    /// Change logs with fields that nobody knows yet.
    LaterChangeLog,
    /// Platform events.
    PlatformEvent,
}

impl Writer {
    pub(crate) const ALL: [Self; 3] = [Self::EarlyChangeLog, Self::LaterChangeLog, Self::PlatformEvent];
    pub(crate) const OF_CHANGE_LOGS: [Self; 2] = [Self::EarlyChangeLog, Self::LaterChangeLog];

    /// The schema's id.
    pub(crate) const fn id(self) -> u32 {
        match self {
            Self::EarlyChangeLog => 0,
            Self::LaterChangeLog => 18,
            Self::PlatformEvent => 4,
        }
    }

    /// The schema as the registry hands it out.
    pub(crate) const fn schema(self) -> &'static str {
        match self {
            Self::EarlyChangeLog => include_str!("schemas/change_log_early.avsc"),
            Self::LaterChangeLog => include_str!("schemas/change_log_later.avsc"),
            Self::PlatformEvent => include_str!("schemas/platform_event.avsc"),
        }
    }
}

/// Encodes JSON by the schema of each writer: parsed once, used for every record.
pub(crate) struct Encoder {
    schemas: Vec<(Writer, Schema)>,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        let parse = |writer: Writer| (writer, Schema::parse_str(writer.schema()).expect("a valid schema"));
        Self { schemas: Writer::ALL.into_iter().map(parse).collect() }
    }

    /// A record's value as it stands in Kafka: wire header and Avro body. Fields that the writer's
    /// schema does not have are left out, those that `record` does not have take their default.
    pub(crate) fn encode(&self, writer: Writer, record: &serde_json::Value) -> Vec<u8> {
        let (_, schema) =
            self.schemas.iter().find(|(known, _)| *known == writer).expect("every writer has a schema");
        let datum = Value::try_from(record.clone())
            .and_then(|value| value.resolve(schema))
            .expect("the record fits its writer's schema");
        let mut bytes = vec![0];
        bytes.extend(writer.id().to_be_bytes());
        GenericDatumWriter::builder(schema)
            .build()
            .and_then(|datums| datums.write_value_ref(&mut bytes, &datum))
            .expect("a resolved record can be written");
        bytes
    }
}

#[test]
fn every_writer_leaves_out_what_its_schema_does_not_have_and_keeps_the_rest() {
    use apache_avro::reader::datum::GenericDatumReader;

    let record = serde_json::json!({
        "entityType": "dataset",
        "entityUrn": "urn:li:dataset:1",
        "changeType": "CREATE",
        "aspectName": "status",
        "aspect": { "value": "{}", "contentType": "application/json" },
    });
    for writer in Writer::OF_CHANGE_LOGS {
        let bytes = Encoder::new().encode(writer, &record);
        assert_eq!(bytes[..5], [0, 0, 0, 0, u8::try_from(writer.id()).expect("a small id")]);
        let schema = Schema::parse_str(writer.schema()).expect("a valid schema");
        let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
        let read = reader.read_value(&mut &bytes[5..]).expect("what was written can be read");
        let json = serde_json::Value::try_from(read).expect("a record is JSON");
        assert_eq!(json["entityUrn"], record["entityUrn"]);
        assert_eq!(json["changeType"], record["changeType"]);
    }
}
