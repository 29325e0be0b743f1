//! Events to bytes: for tests, for the quickstart, and for whoever feeds a topic.

use apache_avro::Schema;
use apache_avro::error::Error as AvroError;
use apache_avro::schema::{NamesRef, RecordSchema, ResolvedSchema};
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value, json};

use super::payload::CONTENT_TYPE;
use super::wire::{SchemaId, header};

/// Writes a value with `schema`, behind the wire header of `id`.
///
/// # Errors
/// If the value is not one of the schema.
pub fn encode_record(id: SchemaId, schema: &Schema, value: AvroValue) -> Result<Vec<u8>, EncodeError> {
    let mut record = header(id).to_vec();
    GenericDatumWriter::builder(schema).build()?.write_value(&mut record, value)?;
    Ok(record)
}

/// Writes an event's JSON with `schema`, behind the wire header of `id`: bytes are written from text,
/// unions take the first branch that fits, and what is missing takes its default.
///
/// # Errors
/// If the JSON does not fit the schema.
pub fn encode_json(id: SchemaId, schema: &Schema, json: &Value) -> Result<Vec<u8>, EncodeError> {
    encode_record(id, schema, avro_value(schema, json)?)
}

/// The Avro value that an event's JSON means by `schema`, as [`encode_json`] writes it.
///
/// # Errors
/// If the JSON does not fit the schema.
pub fn avro_value(schema: &Schema, json: &Value) -> Result<AvroValue, EncodeError> {
    let resolved = ResolvedSchema::new(schema)?;
    Reading { names: resolved.get_names() }.value(schema, json)
}

/// The JSON of the Avro record around a platform event's payload.
pub fn platform_event_json(name: &str, timestamp_ms: i64, payload: &Value) -> Value {
    json!({
        "header": {"timestampMillis": timestamp_ms},
        "name": name,
        "payload": {"value": payload.to_string(), "contentType": CONTENT_TYPE},
    })
}

/// Why an event could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The JSON does not fit the schema.
    #[error("{found} is not {expected}")]
    Mismatch {
        /// What the schema wants.
        expected: String,
        /// What the JSON has, at most 100 characters of it.
        found: String,
    },
    /// A record lacks a field that has no default and can't be null.
    #[error("the record `{record}` lacks its field `{field}`")]
    MissingField {
        /// The record.
        record: String,
        /// The field.
        field: String,
    },
    /// The writer refused the value or the schema.
    #[error(transparent)]
    Avro(#[from] AvroError),
}

struct Reading<'n, 's> {
    names: &'n NamesRef<'s>,
}

impl Reading<'_, '_> {
    fn value(&self, schema: &Schema, json: &Value) -> Result<AvroValue, EncodeError> {
        let mismatch = || EncodeError::Mismatch {
            expected: format!("{:?}", apache_avro::schema::SchemaKind::from(schema)).to_lowercase(),
            found: json.to_string().chars().take(100).collect(),
        };
        match (schema, json) {
            (Schema::Null, Value::Null) => Ok(AvroValue::Null),
            (Schema::Boolean, Value::Bool(value)) => Ok(AvroValue::Boolean(*value)),
            (Schema::Int, Value::Number(number)) => {
                let number = number.as_i64().and_then(|number| i32::try_from(number).ok());
                number.map(AvroValue::Int).ok_or_else(mismatch)
            }
            (Schema::Long, Value::Number(number)) => {
                number.as_i64().map(AvroValue::Long).ok_or_else(mismatch)
            }
            (Schema::Float | Schema::Double, Value::Number(number)) => {
                let number = number.as_f64().ok_or_else(mismatch)?;
                Ok(if *schema == Schema::Float {
                    AvroValue::Float(number as f32)
                } else {
                    AvroValue::Double(number)
                })
            }
            (Schema::String, Value::String(text)) => Ok(AvroValue::String(text.clone())),
            (Schema::Bytes, Value::String(text)) => Ok(AvroValue::Bytes(text.clone().into_bytes())),
            (Schema::Fixed(fixed), Value::String(text)) if text.len() == fixed.size => {
                Ok(AvroValue::Fixed(fixed.size, text.clone().into_bytes()))
            }
            (Schema::Enum(symbols), Value::String(text)) => {
                let index = symbols.symbols.iter().position(|symbol| symbol == text).ok_or_else(mismatch)?;
                let index = u32::try_from(index).map_err(|_| mismatch())?;
                Ok(AvroValue::Enum(index, text.clone()))
            }
            (Schema::Array(array), Value::Array(items)) => {
                let items = items.iter().map(|item| self.value(&array.items, item));
                Ok(AvroValue::Array(items.collect::<Result<_, _>>()?))
            }
            (Schema::Map(map), Value::Object(entries)) => {
                let entries =
                    entries.iter().map(|(key, value)| Ok((key.clone(), self.value(&map.types, value)?)));
                Ok(AvroValue::Map(entries.collect::<Result<_, EncodeError>>()?))
            }
            (Schema::Record(record), Value::Object(_)) => self.record(record, json),
            (Schema::Union(union), _) => {
                let branches = (0_u32..).zip(union.variants());
                let mut fitting =
                    branches.filter_map(|(index, branch)| Some((index, self.value(branch, json).ok()?)));
                let (index, value) = fitting.next().ok_or_else(mismatch)?;
                Ok(AvroValue::Union(index, Box::new(value)))
            }
            (Schema::Ref { name }, _) => match self.names.get(name) {
                Some(schema) => self.value(schema, json),
                None => Err(mismatch()),
            },
            _ => Err(mismatch()),
        }
    }

    fn record(&self, record: &RecordSchema, json: &Value) -> Result<AvroValue, EncodeError> {
        let fields = record.fields.iter().map(|field| {
            // What is neither there nor has a default may still be null.
            let json = json.get(&field.name).or(field.default.as_ref());
            let value =
                self.value(&field.schema, json.unwrap_or(&Value::Null)).map_err(|error| match json {
                    Some(_) => error,
                    None => EncodeError::MissingField {
                        record: record.name.fullname(None),
                        field: field.name.clone(),
                    },
                })?;
            Ok((field.name.clone(), value))
        });
        Ok(AvroValue::Record(fields.collect::<Result<_, EncodeError>>()?))
    }
}
