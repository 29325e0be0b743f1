//! The top level of a recipe. What is below `config` belongs to the stages.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cases::CaseConfig;
use crate::datahub::DatahubConfig;
use crate::delivery::OptionsConfig;
use crate::filter::FilterConfig;

/// A recipe as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the shape of the file: each part is read by itself, so that an error in one does not hide another's"
)]
pub(super) struct RecipeConfig {
    /// The pipeline's name, and its consumer group's.
    #[schemars(length(min = 1))]
    name: String,
    /// Whether the pipeline runs (default true).
    enabled: Option<bool>,
    /// Where events come from.
    source: Typed,
    /// Which events are wanted; each filter must let an event pass.
    filters: Option<Vec<Typed>>,
    /// Which events are wanted, the older style; runs after `filters`.
    filter: Option<FilterConfig>,
    /// What is changed about an event before it is acted on, one after the other.
    transform: Option<Vec<Typed>>,
    /// What is done with an event.
    action: Typed,
    /// How DataHub's own API is reached.
    datahub: Option<DatahubConfig>,
    /// Delivery: retries, dead letters, order, commits.
    options: Option<OptionsConfig>,
    /// Cases for `datahub-relay test`: events in, and what must reach the action.
    tests: Option<Vec<CaseConfig>>,
}

/// Something with a `type` that says what its `config` means.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the shape of the file: `config` is read once `type` is known")]
pub(super) struct Typed {
    /// Which kind it is. That it is missing says whoever knows the kinds.
    r#type: Option<String>,
    /// Its settings.
    config: Option<Map<String, Value>>,
}
