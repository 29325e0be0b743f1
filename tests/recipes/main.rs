//! Recipes as a user meets them: files in, recipes or errors out.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod cloud_source;
mod defaults;
mod directory;
mod documented;
mod errors;
mod examples;
mod framework_filters;
mod framework_variables;
mod golden;
mod loading;
mod predicates;
mod schema;
mod secret_files;
mod secrets;
mod validate;
mod yaml;
