//! What a recipe says about its action: `action.type` and `action.config`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::webhook::WebhookSettings;

/// An action and its settings, checked and ready to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionConfig {
    /// Prints each event to standard output.
    HelloWorld {
        /// Print in upper case.
        to_upper: bool,
    },
    /// Does nothing.
    Noop,
    /// Appends each event to a file, one line of JSON each.
    File {
        /// The file.
        path: PathBuf,
        /// Begin a new file once this one holds so many bytes.
        rotate_bytes: Option<u64>,
        /// How many full files are kept besides the one that is written; `None` keeps all.
        rotate_keep: Option<u32>,
    },
    /// Posts each event to a URL.
    Webhook(Box<WebhookSettings>),
}

/// `action.config` of `hello_world`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HelloWorldConfig {
    /// Print in upper case (default false).
    pub to_upper: bool,
}

/// `action.config` of `noop`: it has no keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoopConfig {}

/// `action.config` of `file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file that events are appended to, one line of JSON each.
    #[schemars(length(min = 1))]
    pub path: String,
    /// Begin a new file once this one holds so many bytes.
    #[schemars(range(min = 1))]
    pub rotate_bytes: Option<u64>,
    /// How many full files are kept besides the one that is written (default: all).
    pub rotate_keep: Option<u32>,
}

impl From<HelloWorldConfig> for ActionConfig {
    fn from(config: HelloWorldConfig) -> Self {
        Self::HelloWorld { to_upper: config.to_upper }
    }
}

impl From<NoopConfig> for ActionConfig {
    fn from(NoopConfig {}: NoopConfig) -> Self {
        Self::Noop
    }
}

impl From<FileConfig> for ActionConfig {
    fn from(config: FileConfig) -> Self {
        Self::File {
            path: config.path.into(),
            rotate_bytes: config.rotate_bytes,
            // Alone it has no effect, of which the recipe's check warns.
            rotate_keep: config.rotate_bytes.and(config.rotate_keep),
        }
    }
}
