//! A change log: one change of one aspect of one entity.

use serde::Serialize;

use super::envelope::Field;

/// `MetadataChangeLog`, versioned or timeseries.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeLog {
    /// The entity's type, such as `dataset`.
    pub entity_type: String,
    /// The entity's URN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_urn: Option<String>,
}

impl ChangeLog {
    /// The field called `name` at the top of the event's JSON.
    pub fn field(&self, name: &str) -> Field<'_> {
        match name {
            "entityType" => Field::Text(&self.entity_type),
            "entityUrn" => self.entity_urn.as_deref().map_or(Field::Absent, Field::Text),
            _ => Field::Absent,
        }
    }
}
