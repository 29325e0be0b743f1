//! A writer's schema, ready for use: everything that is worked out once per schema id.

use apache_avro::Schema;
use apache_avro::error::Error as AvroError;

use super::projection::{LayoutError, Projection};
use super::schemas;
use crate::event::Route;

/// A writer's schema and what was compiled from it.
#[derive(Debug)]
pub struct CompiledSchema {
    kind: RecordKind,
    projection: Projection,
    schema: Schema,
    /// The schema as the typed decoder sees it; `None` if it can't take it.
    typed: Option<serde_avro_fast::Schema>,
}

/// What kind of record a schema describes, by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKind {
    /// A change log, versioned or timeseries.
    ChangeLog,
    /// A platform event.
    PlatformEvent,
    /// A proposal.
    Proposal,
    /// A failed proposal.
    FailedProposal,
    /// Something else: the record's full name, or what the schema is instead of a record.
    Other(String),
}

impl CompiledSchema {
    /// Compiles a schema that needs no other.
    ///
    /// # Errors
    /// If it is no Avro schema.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        Self::parse_with_references(json, &[])
    }

    /// Compiles a schema that refers to types of other schemas.
    ///
    /// # Errors
    /// If one of them is no Avro schema, or a type is still missing.
    pub fn parse_with_references(json: &str, references: &[String]) -> Result<Self, SchemaError> {
        let (mut schema, others) = Schema::parse_str_with_list(json, references)?;
        let own_text;
        let json = if others.is_empty() {
            json
        } else {
            schema.denormalize(&others)?;
            own_text = serde_json::to_string(&schema).map_err(SchemaError::Json)?;
            &own_text
        };
        let kind = RecordKind::of(&schema);
        let projection = Projection::compile(&schema, &kind)?;
        // Some legal schemas are beyond the typed decoder; their records take the generic path.
        Ok(Self { kind, projection, typed: json.parse().ok(), schema })
    }

    /// What kind of record the schema describes.
    pub fn kind(&self) -> &RecordKind {
        &self.kind
    }

    /// The scan and the check of a body.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// The schema itself.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// As if the typed decoder could not take the schema.
    #[cfg(test)]
    pub(super) fn without_typed(self) -> Self {
        Self { typed: None, ..self }
    }

    pub(super) fn typed(&self) -> Option<&serde_avro_fast::Schema> {
        self.typed.as_ref()
    }
}

impl RecordKind {
    fn of(schema: &Schema) -> Self {
        let Schema::Record(record) = schema else {
            return Self::Other("a schema that is no record".to_owned());
        };
        match record.name.fullname(None).as_str() {
            schemas::METADATA_CHANGE_LOG => Self::ChangeLog,
            schemas::PLATFORM_EVENT => Self::PlatformEvent,
            schemas::METADATA_CHANGE_PROPOSAL => Self::Proposal,
            schemas::FAILED_METADATA_CHANGE_PROPOSAL => Self::FailedProposal,
            other => Self::Other(other.to_owned()),
        }
    }

    /// What records of a topic have to be; `None` if any record will do.
    #[inline]
    pub const fn on(route: &Route) -> Option<Self> {
        match route {
            Route::ChangeLog => Some(Self::ChangeLog),
            Route::PlatformEvent | Route::EveryPlatformEvent => Some(Self::PlatformEvent),
            Route::Proposal => Some(Self::Proposal),
            Route::FailedProposal => Some(Self::FailedProposal),
            Route::Avro(_) => None,
        }
    }

    /// The record's full name.
    pub fn name(&self) -> &str {
        match self {
            Self::ChangeLog => schemas::METADATA_CHANGE_LOG,
            Self::PlatformEvent => schemas::PLATFORM_EVENT,
            Self::Proposal => schemas::METADATA_CHANGE_PROPOSAL,
            Self::FailedProposal => schemas::FAILED_METADATA_CHANGE_PROPOSAL,
            Self::Other(name) => name,
        }
    }
}

/// Why a writer's schema can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is no Avro schema.
    #[error("it is no Avro schema: {0}")]
    Avro(#[from] AvroError),
    /// It uses a type that nobody defined.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// It can't be written out together with what it refers to.
    #[error("it can't be written out together with the schemas it refers to: {0}")]
    Json(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_compiled_together_with_those_that_it_refers_to() {
        let stamp = r#"{"type": "record", "name": "Stamp", "namespace": "a", "fields": [
            {"name": "time", "type": "long"}]}"#;
        let schema = r#"{"type": "record", "name": "R", "namespace": "b", "fields": [
            {"name": "created", "type": "a.Stamp"}, {"name": "changed", "type": "a.Stamp"}]}"#;
        let compiled = CompiledSchema::parse_with_references(schema, &[stamp.to_owned()]).unwrap();
        assert_eq!(compiled.projection().check(&[2, 4]), Ok(()));
        assert_eq!(compiled.kind(), &RecordKind::Other("b.R".to_owned()));
        assert!(compiled.typed().is_some());
        assert!(CompiledSchema::parse(schema).is_err(), "alone it lacks a type");
    }
}
