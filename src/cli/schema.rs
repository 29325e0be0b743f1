//! `datahub-relay schema`: the JSON schema of a recipe.

use std::io::{self, Write};

use clap::Args;

use crate::recipe;

const EXAMPLES: &str = "\
Example:
  datahub-relay schema > recipe.schema.json

Editors with the YAML language server check and complete a recipe that begins with
  # yaml-language-server: $schema=recipe.schema.json";

/// Print the JSON schema of a recipe, for editors.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SchemaArgs {}

/// Writes the schema to `output`.
///
/// # Errors
/// If `output` cannot be written.
pub(super) fn schema(SchemaArgs {}: &SchemaArgs, output: &mut impl Write) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(&recipe::schema())?;
    text.push(b'\n');
    output.write_all(&text)
}
