//! What a recipe says about its action: `action`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// `action` of a recipe, by its `type`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "config", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionConfig {
    /// Prints each event.
    HelloWorld {
        /// Print in upper case.
        #[serde(default)]
        to_upper: bool,
    },
    /// Does nothing.
    Noop,
    /// Appends each event to a file, one JSON line per event.
    File {
        /// The file; it and its directory are made if they do not exist.
        path: PathBuf,
        /// Bytes above which the file is put aside as `PATH.1`, `PATH.2` and so on.
        rotate_bytes: Option<u64>,
        /// How many files that were put aside are kept (default: all).
        rotate_keep: Option<u32>,
    },
}
