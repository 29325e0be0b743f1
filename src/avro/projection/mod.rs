//! Reading a few fields off a record's bytes, and checking a record's bytes, without decoding it.
//!
//! A [`Projection`] is compiled once from a writer's schema. Its [`scan`](Projection::scan) is what the
//! polling thread runs on every record; its [`check`](Projection::check) comes before every decoder,
//! because no decoder at hand refuses every record that was cut.

mod cursor;
mod error;
mod layout;
#[cfg(test)]
mod tests;

use apache_avro::Schema;

use super::compiled::RecordKind;
use crate::event::{FieldSet, Scanned, ScannedFields};
use cursor::Cursor;
pub use error::ScanError;
pub use layout::LayoutError;
use layout::{Layout, Node, NodeId};

/// How deep records, unions, arrays and maps may be nested in each other. DataHub's records need 6; a
/// schema that contains itself lets a short body nest without end.
pub const NESTING_LIMIT: usize = 64;

/// How many values one body may hold: records, unions, arrays and maps with all that is in them, keys of maps
/// too. A value takes a byte of the body or none at all, and 200 bytes and more once it is decoded without a
/// struct for it, so that a body's length does not bound its memory. DataHub's records need about a hundred; the
/// array of a record of 1 MiB may hold one for each 4 bytes.
pub const VALUES_LIMIT: usize = 262_144;

/// A writer's schema, compiled for scanning and checking.
#[derive(Debug)]
pub struct Projection {
    layout: Layout,
    root: NodeId,
    /// The fields at the top of the record; empty if the schema is no record.
    fields: Box<[TopField]>,
}

/// A field at the top of a record.
#[derive(Debug)]
struct TopField {
    node: NodeId,
    /// Where a scan puts it, if a scan can read it.
    slot: Option<Slot>,
}

/// The fields that a scan can read.
#[derive(Debug, Clone, Copy)]
enum Slot {
    EntityType,
    EntityUrn,
    AspectName,
    ChangeType,
    EventName,
}

impl Projection {
    /// Compiles the schema of records of `kind`. Of a kind that no route carries a scan reads nothing,
    /// so that no filter drops it before its type is found to be wrong.
    ///
    /// # Errors
    /// If the schema refers to a type that it does not define.
    pub fn compile(schema: &Schema, kind: &RecordKind) -> Result<Self, LayoutError> {
        let (layout, root) = Layout::of(schema)?;
        let fields = match (schema, layout.node(root)) {
            (Schema::Record(record), Node::Record(nodes)) => {
                let named = record.fields.iter().zip(nodes);
                named.map(|(field, &node)| TopField { node, slot: Slot::of(kind, &field.name) }).collect()
            }
            _ => Box::default(),
        };
        Ok(Self { layout, root, fields })
    }

    /// Reads the `wanted` fields off `body` and stops behind the last of them: what follows is not
    /// looked at, and of what comes before only the lengths. Allocates nothing.
    ///
    /// # Errors
    /// If what it looked at is not a record of this schema. What it did not look at may still be wrong:
    /// only [`check`](Self::check) says that a body is whole.
    pub fn scan<'a>(&'a self, body: &'a [u8], wanted: FieldSet) -> Result<ScannedFields<'a>, ScanError> {
        let mut scanned = ScannedFields::default();
        let is_wanted = |field: &TopField| field.slot.is_some_and(|slot| slot.is_in(wanted));
        let Some(last) = self.fields.iter().rposition(is_wanted) else { return Ok(scanned) };
        let mut cursor = Cursor::new(body);
        for field in &self.fields[..=last] {
            match field.slot {
                Some(slot) if slot.is_in(wanted) => {
                    *slot.place_in(&mut scanned) = self.text(&mut cursor, field.node)?;
                }
                _ => self.walk::<false>(&mut cursor, field.node, NESTING_LIMIT)?,
            }
        }
        Ok(scanned)
    }

    /// Walks the whole body and checks every byte of it. A body that passes holds exactly one record of
    /// this schema, so that no decoder reads past its end, recurses without bound, or reserves more
    /// memory than its values account for, of which there are at most [`VALUES_LIMIT`].
    ///
    /// # Errors
    /// What is wrong with the body, first fault first.
    pub fn check(&self, body: &[u8]) -> Result<(), ScanError> {
        let mut cursor = Cursor::new(body);
        self.walk::<true>(&mut cursor, self.root, NESTING_LIMIT)?;
        match cursor.left() {
            0 => Ok(()),
            count => Err(ScanError::TrailingBytes { count }),
        }
    }

    /// A field's text: a string, an enum's symbol, or either within a union.
    #[inline]
    fn text<'a>(&'a self, cursor: &mut Cursor<'a>, id: NodeId) -> Result<Scanned<'a>, ScanError> {
        let id = match self.layout.node(id) {
            Node::Union(branches) => branch(cursor, branches)?,
            _ => id,
        };
        match self.layout.node(id) {
            Node::Null => Ok(Scanned::Null),
            Node::String => Ok(Scanned::Text(cursor.string()?)),
            Node::Enum(symbols) => Ok(Scanned::Text(symbol(cursor, symbols)?)),
            _ => {
                self.walk::<false>(cursor, id, NESTING_LIMIT)?;
                Ok(Scanned::Unknown)
            }
        }
    }

    /// Steps over one value. With `CHECK` each byte is looked at; without, what has a length is
    /// stepped over by it.
    fn walk<const CHECK: bool>(
        &self,
        cursor: &mut Cursor<'_>,
        id: NodeId,
        levels_left: usize,
    ) -> Result<(), ScanError> {
        cursor.value()?;
        match self.layout.node(id) {
            Node::Null => Ok(()),
            Node::Boolean => cursor.boolean().map(|_| ()),
            Node::Int => cursor.int().map(|_| ()),
            Node::Long => cursor.long().map(|_| ()),
            Node::Fixed(size) => cursor.skip(*size),
            Node::Bytes => cursor.bytes().map(|_| ()),
            Node::String if CHECK => cursor.string().map(|_| ()),
            Node::String => cursor.bytes().map(|_| ()),
            Node::Enum(symbols) => symbol(cursor, symbols).map(|_| ()),
            Node::Union(branches) => {
                let levels_left = one_level_less(cursor, levels_left)?;
                let branch = branch(cursor, branches)?;
                self.walk::<CHECK>(cursor, branch, levels_left)
            }
            Node::Record(fields) => {
                let levels_left = one_level_less(cursor, levels_left)?;
                fields.iter().try_for_each(|&field| self.walk::<CHECK>(cursor, field, levels_left))
            }
            Node::Array(items) => {
                let levels_left = one_level_less(cursor, levels_left)?;
                self.walk_blocks::<CHECK>(cursor, |cursor| self.walk::<CHECK>(cursor, *items, levels_left))
            }
            Node::Map(values) => {
                let levels_left = one_level_less(cursor, levels_left)?;
                self.walk_blocks::<CHECK>(cursor, |cursor| {
                    cursor.value()?;
                    if CHECK {
                        cursor.string().map(|_| ())?
                    } else {
                        cursor.bytes().map(|_| ())?
                    }
                    self.walk::<CHECK>(cursor, *values, levels_left)
                })
            }
        }
    }

    /// Steps over the blocks of an array or a map.
    fn walk_blocks<const CHECK: bool>(
        &self,
        cursor: &mut Cursor<'_>,
        mut item: impl FnMut(&mut Cursor<'_>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        loop {
            let block = cursor.block()?;
            let begin = cursor.at();
            match block.size_bytes {
                _ if block.items == 0 => return Ok(()),
                Some(size) if !CHECK => {
                    cursor.skip(size)?;
                    continue;
                }
                _ => {}
            }
            // Each item is a value, so that the loop ends whatever number of items a block claims, also where
            // they take no bytes.
            for _ in 0..block.items {
                item(cursor)?;
            }
            if block.size_bytes.is_some_and(|size| cursor.at() - begin != size) {
                return Err(ScanError::InvalidLength { at: begin });
            }
        }
    }
}

impl Slot {
    fn of(kind: &RecordKind, field: &str) -> Option<Self> {
        match (kind, field) {
            (RecordKind::ChangeLog | RecordKind::Proposal, "entityType") => Some(Self::EntityType),
            (RecordKind::ChangeLog | RecordKind::Proposal, "entityUrn") => Some(Self::EntityUrn),
            (RecordKind::ChangeLog | RecordKind::Proposal, "aspectName") => Some(Self::AspectName),
            (RecordKind::ChangeLog | RecordKind::Proposal, "changeType") => Some(Self::ChangeType),
            (RecordKind::PlatformEvent, "name") => Some(Self::EventName),
            _ => None,
        }
    }

    #[inline]
    fn is_in(self, wanted: FieldSet) -> bool {
        match self {
            Self::EntityType => wanted.entity_type,
            Self::EntityUrn => wanted.entity_urn,
            Self::AspectName => wanted.aspect_name,
            Self::ChangeType => wanted.change_type,
            Self::EventName => wanted.event_name,
        }
    }

    #[inline]
    fn place_in<'s, 'a>(self, scanned: &'s mut ScannedFields<'a>) -> &'s mut Scanned<'a> {
        match self {
            Self::EntityType => &mut scanned.entity_type,
            Self::EntityUrn => &mut scanned.entity_urn,
            Self::AspectName => &mut scanned.aspect_name,
            Self::ChangeType => &mut scanned.change_type,
            Self::EventName => &mut scanned.event_name,
        }
    }
}

#[inline]
fn branch(cursor: &mut Cursor<'_>, branches: &[NodeId]) -> Result<NodeId, ScanError> {
    let at = cursor.at();
    let index = cursor.long()?;
    usize::try_from(index)
        .ok()
        .and_then(|index| branches.get(index).copied())
        .ok_or(ScanError::UnionIndex { at })
}

#[inline]
fn symbol<'a>(cursor: &mut Cursor<'_>, symbols: &'a [Box<str>]) -> Result<&'a str, ScanError> {
    let at = cursor.at();
    let index = cursor.long()?;
    let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
    symbol.map(AsRef::as_ref).ok_or(ScanError::EnumIndex { at })
}

#[inline]
fn one_level_less(cursor: &Cursor<'_>, levels_left: usize) -> Result<usize, ScanError> {
    levels_left.checked_sub(1).ok_or(ScanError::NestedTooDeeply { at: cursor.at() })
}
