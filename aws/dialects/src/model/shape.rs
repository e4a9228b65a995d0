//! One type of a service model with its constraints.

/// Names a shape within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeId(pub(crate) usize);

/// A type with its constraints.
#[derive(Debug)]
pub struct Shape {
    pub(crate) kind: Kind,
}

impl Shape {
    /// What the value is made of.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }
}

/// A named member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Name on the wire.
    pub name: String,
    /// Its type.
    pub shape: ShapeId,
    /// Whether the value must be there and not null.
    pub required: bool,
}

/// What a value is made of.
#[derive(Debug)]
pub enum Kind {
    /// Named members.
    Structure {
        /// In model order.
        members: Vec<Member>,
    },
}
