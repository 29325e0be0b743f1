//! The generic path: a record as Avro's own value, for records that no struct of ours describes, and for
//! writers' schemas that the typed decoder can't take. Slower, and only walked there.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::error::Error as AvroError;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{NamesRef, ResolvedSchema, UnionSchema};
use apache_avro::types::Value as AvroValue;
use serde_json::{Map, Value};

use crate::event::text_of;

/// No single text, array or map that apache-avro decodes takes more bytes: its own default is 512 MiB. A body's
/// [`VALUES_LIMIT`](super::projection::VALUES_LIMIT) keeps arrays and maps below it.
const LARGEST_ALLOCATION_BYTES: usize = 16 * 1024 * 1024;

/// Reads a body that has passed its check: apache-avro takes some cut bodies for whole ones.
pub(super) fn read(schema: &Schema, mut body: &[u8]) -> Result<AvroValue, AvroError> {
    // For the whole process, and the first call decides: here, so that nothing is decoded before it.
    apache_avro::util::max_allocation_bytes(LARGEST_ALLOCATION_BYTES);
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
        AvroValue::Map(entries) => {
            in_order(entries).map(|(key, value)| (key, plain_json(value))).collect::<Map<_, _>>().into()
        }
        AvroValue::Record(fields) => {
            let fields: Map<_, _> =
                fields.into_iter().map(|(name, value)| (name, plain_json(value))).collect();
            Value::Object(fields)
        }
        // What lies beneath a logical type is bytes; they show as all bytes do.
        AvroValue::Decimal(decimal) => {
            // It cannot give back one of no bytes, which Avro lets pass for a zero.
            Value::String(text_of(&Vec::<u8>::try_from(&decimal).unwrap_or_default()))
        }
        AvroValue::Duration(duration) => Value::String(text_of(&<[u8; 12]>::from(duration))),
        AvroValue::BigDecimal(number) => Value::String(number.to_string()),
    }
}

/// The JSON of a value of any schema: plain JSON, but that a record within a union of several records
/// stands under its full name, as in Avro's own JSON, since nothing else would tell which of them it is.
///
/// # Errors
/// If the schema refers to a type that it does not define.
pub(super) fn json_by_schema(schema: &Schema, value: AvroValue) -> Result<Value, AvroError> {
    let resolved = ResolvedSchema::new(schema)?;
    Ok(BySchema { names: resolved.get_names() }.json(schema, value))
}

struct BySchema<'n, 's> {
    names: &'n NamesRef<'s>,
}

impl BySchema<'_, '_> {
    fn json(&self, schema: &Schema, value: AvroValue) -> Value {
        match (self.definition(schema), value) {
            (Schema::Union(union), AvroValue::Union(index, value)) => self.branch(union, index, *value),
            (Schema::Array(array), AvroValue::Array(items)) => {
                items.into_iter().map(|item| self.json(&array.items, item)).collect()
            }
            (Schema::Map(map), AvroValue::Map(entries)) => {
                let entries = in_order(entries).map(|(key, value)| (key, self.json(&map.types, value)));
                entries.collect::<Map<_, _>>().into()
            }
            (Schema::Record(record), AvroValue::Record(fields)) => {
                let fields = record.fields.iter().zip(fields);
                let fields = fields.map(|(field, (name, value))| (name, self.json(&field.schema, value)));
                fields.collect::<Map<_, _>>().into()
            }
            (_, value) => plain_json(value),
        }
    }

    fn branch(&self, union: &UnionSchema, index: u32, value: AvroValue) -> Value {
        let branch = usize::try_from(index).ok().and_then(|index| union.variants().get(index));
        let Some(branch) = branch else { return plain_json(value) };
        let json = self.json(branch, value);
        let records = union.variants().iter().filter_map(|branch| self.record_name(branch)).count();
        match self.record_name(branch) {
            Some(name) if records > 1 => Value::Object(Map::from_iter([(name, json)])),
            _ => json,
        }
    }

    fn record_name(&self, schema: &Schema) -> Option<String> {
        match self.definition(schema) {
            Schema::Record(record) => Some(record.name.fullname(None)),
            _ => None,
        }
    }

    /// What a reference refers to.
    fn definition<'a>(&'a self, schema: &'a Schema) -> &'a Schema {
        match schema {
            Schema::Ref { name } => self.names.get(name).copied().unwrap_or(schema),
            _ => schema,
        }
    }
}

/// The entries of a map by their keys: Avro gives them no order, and an event should look the same twice.
fn in_order(
    entries: std::collections::HashMap<String, AvroValue>,
) -> impl Iterator<Item = (String, AvroValue)> {
    entries.into_iter().collect::<BTreeMap<_, _>>().into_iter()
}
