//! Bytes to events: the wire header, the schema registry's client, the projection scan, the decoder.

mod config;

pub use config::RegistryConfig;
