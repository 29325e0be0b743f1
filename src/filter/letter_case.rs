//! Words that DataHub writes in one way only. Predicates tell upper from lower case, so `category: tag` is a
//! filter that lets nothing pass.

use serde_json::{Map, Value};

use crate::findings::{Findings, KeyPath};

/// What stands in these fields of events. Not all of it, and there may be more in a later DataHub: only a word
/// that differs from one of these in nothing but its case is worth a warning.
const WRITTEN: [(&str, &[&str]); 5] = [
    (
        "aspectName",
        &[
            "dataHubExecutionRequestInput",
            "dataHubExecutionRequestSignal",
            "datasetProfile",
            "datasetProperties",
            "deprecation",
            "domains",
            "editableDatasetProperties",
            "editableSchemaMetadata",
            "globalTags",
            "glossaryTerms",
            "institutionalMemory",
            "ownership",
            "schemaMetadata",
            "status",
            "structuredProperties",
            "upstreamLineage",
        ],
    ),
    (
        "category",
        &[
            "TAG",
            "GLOSSARY_TERM",
            "DOMAIN",
            "OWNER",
            "OWNERSHIP",
            "DEPRECATION",
            "TECHNICAL_SCHEMA",
            "DOCUMENTATION",
            "LIFECYCLE",
            "RUN",
            "STRUCTURED_PROPERTY",
        ],
    ),
    ("changeType", &["UPSERT", "CREATE", "UPDATE", "DELETE", "PATCH", "RESTATE", "CREATE_ENTITY"]),
    (
        "entityType",
        &[
            "assertion",
            "chart",
            "container",
            "corpGroup",
            "corpuser",
            "dashboard",
            "dataFlow",
            "dataHubExecutionRequest",
            "dataHubIngestionSource",
            "dataJob",
            "dataPlatform",
            "dataPlatformInstance",
            "dataProcessInstance",
            "dataProduct",
            "dataset",
            "domain",
            "glossaryNode",
            "glossaryTerm",
            "incident",
            "mlFeature",
            "mlFeatureTable",
            "mlModel",
            "mlModelGroup",
            "mlPrimaryKey",
            "notebook",
            "schemaField",
            "structuredProperty",
            "tag",
        ],
    ),
    (
        "operation",
        &[
            "ADD",
            "REMOVE",
            "MODIFY",
            "CREATE",
            "UPDATE",
            "RESTATE",
            "SOFT_DELETE",
            "HARD_DELETE",
            "REINSTATE",
            "STARTED",
            "COMPLETED",
        ],
    ),
];

/// Warns of words of a predicate that only differ in their case from what events say.
pub(super) fn review_letter_case(predicate: &Map<String, Value>, at: &KeyPath, findings: &mut Findings) {
    for (field, known) in WRITTEN {
        let Some(value) = predicate.get(field) else { continue };
        let at = at.key(field);
        let mut review = |text: &str, at: &KeyPath| {
            let meant = known.iter().find(|word| word.eq_ignore_ascii_case(text) && **word != text);
            if let Some(meant) = meant {
                findings.warning(
                    at,
                    format!("matches nothing: upper and lower case count, and events say {meant}"),
                );
            }
        };
        match value {
            Value::String(text) => review(text, &at),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Value::String(text) = item {
                        review(text, &at.index(index));
                    }
                }
            }
            _ => {}
        }
    }
}
