//! What a user writes: a recipe, one YAML file for one pipeline.
//!
//! A file is read into a marked tree, its variables are filled in, every key is checked, and what the
//! stages make of their parts becomes a [`Recipe`]. All errors of all files are found in one go, each
//! with file, line and key; a recipe with an error does not keep the others from running.

mod cases;
mod files;
mod kinds;
mod load;
mod model;
mod private_files;
mod read;
mod schema;
mod secrets;
mod variables;

use std::path::PathBuf;

use crate::action::ActionConfig;
use crate::avro::RegistrySettings;
use crate::datahub::DatahubSettings;
use crate::delivery::DeliverySettings;
use crate::event::MetaDetail;
use crate::filter::Filters;
use crate::kafka::ConsumerSettings;
use crate::redaction::Secrets;

use crate::transform::Transforms;

pub use crate::yaml::Problem;
pub use cases::{
    Case, CaseConfig, CaseFile, CaseTerms, EventConfig, ExpectConfig, ExpectMap, ExpectWord, Expected,
};
pub use files::recipe_files;
pub use load::{Disabled, Loaded, load};
pub use private_files::{PrivateFiles, exit_without_private_files};
pub use schema::schema;
pub use secrets::secrets_of_connection;

/// A recipe with every variable, default and environment setting resolved: ready to build.
///
/// Holds secrets, so it has no `Debug`.
#[derive(Clone)]
pub struct Recipe {
    /// The pipeline's name, unique in the process.
    pub name: String,
    /// The file it was read from, as the user named it.
    pub file: PathBuf,
    /// How and what the pipeline consumes.
    pub consumer: ConsumerSettings,
    /// How schemas are fetched.
    pub registry: RegistrySettings,
    /// Whether records are scanned before they are decoded; false is for diagnosis.
    pub scan: bool,
    /// How much an event's `meta` says.
    pub meta: MetaDetail,
    /// Which events are wanted.
    pub filters: Filters,
    /// What is changed about them.
    pub transforms: Transforms,
    /// What is done with them.
    pub action: ActionConfig,
    /// Order, retries, commits, dead letters.
    pub delivery: DeliverySettings,
    /// How DataHub's own API is reached, for actions that call it; `None` where the environment, which
    /// nobody may need, says nothing that could be used.
    pub datahub: Option<DatahubSettings>,
    /// The cases that stand in the recipe itself.
    pub cases: Vec<Case>,
    /// What cases may name in it.
    pub case_terms: CaseTerms,
    /// What no text that leaves the program may show.
    pub secrets: Secrets,
}
