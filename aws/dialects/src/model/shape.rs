//! One type of a service model with its constraints.

use super::pattern::Pattern;

/// Names a shape within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeId(pub(crate) usize);

/// A type with its constraints.
#[derive(Debug)]
pub struct Shape {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) sensitive: bool,
    pub(crate) limits: Limits,
}

impl Shape {
    /// The model's name for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the value is made of.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether values must not be shown in errors, logs or audit events.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }
}

/// A named member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Name in JSON and in the model.
    pub name: String,
    /// Name in a form.
    pub form_name: String,
    /// Name of its element in XML; that of each of its own elements if it is a flattened list.
    pub xml_name: String,
    /// Its type.
    pub shape: ShapeId,
    /// Whether the value must be there and not null.
    pub required: bool,
}

/// What a value is made of.
#[derive(Debug)]
pub enum Kind {
    /// Named members, in model order.
    Structure(Vec<Member>),
    /// Elements of one type.
    List {
        /// Type of the elements.
        element: ShapeId,
        /// Name of one element in XML and in the forms of [`Family::Query`](crate::error::Family::Query); `member`
        /// unless the model says otherwise.
        element_name: String,
        /// Whether elements follow each other without an element around them; forms of
        /// [`Family::Ec2`](crate::error::Family::Ec2) have all lists flat.
        flattened: bool,
    },
    /// String keys and values of one type.
    Map {
        /// Type of the keys.
        key: ShapeId,
        /// Type of the values.
        value: ShapeId,
    },
    /// Text.
    Text,
    /// Bytes, base64 on the wire.
    Blob,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// Epoch seconds in JSON, ISO 8601 in XML.
    Timestamp,
}

/// The constraints of a type; lengths for texts, lists and maps, values for numbers.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) values: Vec<String>,
}
