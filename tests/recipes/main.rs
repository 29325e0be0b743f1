//! Recipes as a user meets them: files in, recipes or errors out.

mod directory;
mod errors;
mod examples;
mod framework_filters;
mod loading;
mod secrets;
mod validate;
mod yaml;
