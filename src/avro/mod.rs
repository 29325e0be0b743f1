//! Bytes to events: the wire header, the schema registry's client, the projection scan, the decoder.

mod config;
mod resolve;
mod settings;

pub use config::RegistryConfig;
pub use settings::{RegistryAuth, RegistrySettings};
