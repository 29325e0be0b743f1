//! The polling thread's own memory of compiled schemas.

use std::sync::Arc;

use super::compiled::CompiledSchema;
use super::registry::SchemaRegistry;
use super::wire::{self, SchemaId};

/// Finds the writer's schema of a record without asking the registry, waiting, or taking a lock for a
/// schema that this thread has met before. One per polling thread.
#[derive(Debug)]
pub struct ScanCache {
    registry: Arc<SchemaRegistry>,
    /// The schemas that this thread has met. A topic holds a handful of them, and neighbours mostly
    /// share one, so the last one found stands first.
    met: Vec<(SchemaId, Arc<CompiledSchema>)>,
}

impl ScanCache {
    /// An empty cache before `registry`'s.
    pub fn new(registry: Arc<SchemaRegistry>) -> Self {
        Self { registry, met: Vec::new() }
    }

    /// The compiled schema of a record's value, and its Avro body. `None` if there is nothing to scan:
    /// the value has no wire header, or its schema has not been resolved yet; the record then goes to
    /// a lane, which finds out.
    #[inline]
    pub fn find<'c, 'v>(&'c mut self, value: &'v [u8]) -> Option<(&'c CompiledSchema, &'v [u8])> {
        let (id, body) = wire::split(value).ok()?;
        match self.met.iter().position(|(met, _)| *met == id) {
            Some(0) => {}
            Some(index) => self.met.swap(0, index),
            None => {
                let schema = self.registry.cached(id)?;
                self.met.insert(0, (id, schema));
            }
        }
        self.met.first().map(|(_, schema)| (schema.as_ref(), body))
    }
}
