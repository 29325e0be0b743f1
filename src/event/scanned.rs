//! The few fields of a record that can be read off its bytes without decoding it.

/// One field as a scan found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scanned<'a> {
    /// The scan did not look at the field, or the writer's schema does not have it: nothing is known.
    #[default]
    Unknown,
    /// The field is null.
    Null,
    /// The field's text: a string, or an enum's symbol in the writer's schema.
    Text(&'a str),
}

/// What a projection scan reads from a record: borrowed from the bytes, nothing allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScannedFields<'a> {
    /// `entityType` of a change log or a proposal.
    pub entity_type: Scanned<'a>,
    /// `entityUrn` of a change log or a proposal.
    pub entity_urn: Scanned<'a>,
    /// `aspectName` of a change log or a proposal.
    pub aspect_name: Scanned<'a>,
    /// `changeType` of a change log or a proposal.
    pub change_type: Scanned<'a>,
    /// A platform event's `name`.
    pub event_name: Scanned<'a>,
}

/// Which fields a scan has to read; it stops behind the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet {
    /// Read `entityType`.
    pub entity_type: bool,
    /// Read `entityUrn`.
    pub entity_urn: bool,
    /// Read `aspectName`.
    pub aspect_name: bool,
    /// Read `changeType`.
    pub change_type: bool,
    /// Read a platform event's `name`.
    pub event_name: bool,
}

impl FieldSet {
    /// Every field that a scan can read.
    pub const ALL: Self =
        Self { entity_type: true, entity_urn: true, aspect_name: true, change_type: true, event_name: true };

    /// Whether the scan has nothing to read.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}
