//! Bytes to events: the wire header, the schema registry's client, the projection scan, the decoder.

mod compiled;
mod config;
mod decoder;
mod encode;
mod error;
mod generic;
pub mod payload;
mod platform_event;
pub mod projection;
mod registry;
mod resolve;
mod scan_cache;
pub mod schemas;
mod settings;
pub mod wire;

pub use compiled::{CompiledSchema, RecordKind, SchemaError};
pub use config::RegistryConfig;
pub use decoder::{Body, Decoded, Decoder, read_body};
pub use encode::{EncodeError, avro_value, encode_json, encode_record, platform_event_json};
pub use error::DecodeError;
pub use registry::{RegistryError, RegistryReports, RegistrySetupError, SchemaRegistry};
pub use scan_cache::ScanCache;
pub use settings::{Patience, RegistryAuth, RegistrySettings};
pub use wire::SchemaId;
