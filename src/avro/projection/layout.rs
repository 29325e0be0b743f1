//! A writer's schema, laid out for walking: a flat list of nodes that point at each other by index.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

/// Index of a node in its [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(usize);

/// How a value is written. Logical types are laid out as what they are written as.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    /// So many bytes, without a length before them.
    Fixed(usize),
    Bytes,
    String,
    Enum(Box<[Box<str>]>),
    Array(NodeId),
    Map(NodeId),
    Union(Box<[NodeId]>),
    Record(Box<[NodeId]>),
}

/// The nodes of one schema.
#[derive(Debug)]
pub(super) struct Layout {
    nodes: Vec<Node>,
}

/// Why a schema can't be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema refers to `{name}`, which it does not define")]
pub struct LayoutError {
    /// Full name of the type.
    pub name: String,
}

impl Layout {
    /// Lays out `schema`; the second value is its root.
    pub(super) fn of(schema: &Schema) -> Result<(Self, NodeId), LayoutError> {
        let mut builder = Builder { nodes: Vec::new(), named: HashMap::new() };
        let root = builder.add(schema, None)?;
        Ok((Self { nodes: builder.nodes }, root))
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}

struct Builder {
    nodes: Vec<Node>,
    named: HashMap<String, NodeId>,
}

impl Builder {
    fn add(&mut self, schema: &Schema, namespace: Option<&str>) -> Result<NodeId, LayoutError> {
        let node = match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Node::Long,
            Schema::Float => Node::Fixed(4),
            Schema::Double => Node::Fixed(8),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::String,
            Schema::Array(array) => Node::Array(self.add(&array.items, namespace)?),
            Schema::Map(map) => Node::Map(self.add(&map.types, namespace)?),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.add(branch, namespace));
                Node::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Enum(symbols) => {
                let texts = symbols.symbols.iter().map(|symbol| symbol.as_str().into()).collect();
                return Ok(self.add_named(&symbols.name, namespace, Node::Enum(texts)));
            }
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                return Ok(self.add_named(&fixed.name, namespace, Node::Fixed(fixed.size)));
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Node::Bytes,
                InnerDecimalSchema::Fixed(fixed) => {
                    return Ok(self.add_named(&fixed.name, namespace, Node::Fixed(fixed.size)));
                }
            },
            Schema::Record(record) => {
                // The record has its place before its fields are looked at: they may refer to it.
                let id = self.add_named(&record.name, namespace, Node::Null);
                let inner = record.name.namespace().or(namespace);
                let fields = record.fields.iter().map(|field| self.add(&field.schema, inner));
                self.nodes[id.0] = Node::Record(fields.collect::<Result<_, _>>()?);
                return Ok(id);
            }
            Schema::Ref { name } => {
                let name = name.fullname(namespace);
                return self.named.get(&name).copied().ok_or(LayoutError { name });
            }
        };
        Ok(self.push(node))
    }

    fn add_named(&mut self, name: &Name, namespace: Option<&str>, node: Node) -> NodeId {
        let id = self.push(node);
        self.named.insert(name.fullname(namespace), id);
        id
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }
}
