//! The generic path: a record as Avro's own value, for writers' schemas that the typed decoder can't
//! take. Slower, and only walked where the typed decoder gave up.

use apache_avro::Schema;
use apache_avro::error::Error as AvroError;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as AvroValue;
use serde_json::{Map, Value};

use crate::event::text_of;

/// Reads a body that has passed its check: apache-avro takes some cut bodies for whole ones.
pub(super) fn read(schema: &Schema, mut body: &[u8]) -> Result<AvroValue, AvroError> {
    GenericDatumReader::builder(schema).build()?.read_value(&mut body)
}

/// The plain JSON of a value: unions without their branch, bytes as text.
pub(super) fn plain_json(value: AvroValue) -> Value {
    match value {
        AvroValue::Null => Value::Null,
        AvroValue::Boolean(value) => Value::Bool(value),
        AvroValue::Int(number) | AvroValue::Date(number) | AvroValue::TimeMillis(number) => number.into(),
        AvroValue::Long(number)
        | AvroValue::TimeMicros(number)
        | AvroValue::TimestampMillis(number)
        | AvroValue::TimestampMicros(number)
        | AvroValue::TimestampNanos(number)
        | AvroValue::LocalTimestampMillis(number)
        | AvroValue::LocalTimestampMicros(number)
        | AvroValue::LocalTimestampNanos(number) => number.into(),
        AvroValue::Float(number) => f64::from(number).into(),
        AvroValue::Double(number) => number.into(),
        AvroValue::Bytes(bytes) | AvroValue::Fixed(_, bytes) => Value::String(text_of(&bytes)),
        AvroValue::String(text) | AvroValue::Enum(_, text) => Value::String(text),
        AvroValue::Uuid(uuid) => Value::String(uuid.to_string()),
        AvroValue::Union(_, value) => plain_json(*value),
        AvroValue::Array(items) => items.into_iter().map(plain_json).collect(),
        AvroValue::Map(entries) => entries.into_iter().map(|(key, value)| (key, plain_json(value))).collect(),
        AvroValue::Record(fields) => {
            let fields: Map<_, _> =
                fields.into_iter().map(|(name, value)| (name, plain_json(value))).collect();
            Value::Object(fields)
        }
        // No field that we know has one of these types; what we do not know is dropped.
        AvroValue::Decimal(_) | AvroValue::BigDecimal(_) | AvroValue::Duration(_) => Value::Null,
    }
}
