//! What the models demand of an input, checked in one pass and worded as AWS does.
//!
//! Every dialect reads its own wire into a JSON value first; what a broken constraint is called on that wire is the
//! dialect's business again.

mod place;
mod single;

use std::fmt;

use serde_json::Value;

use crate::model::{Kind, Operation, Shape, ShapeId};

pub(crate) use place::Place;
pub(crate) use single::shorten;

/// Nesting that no input of any model needs; deeper input is refused.
pub(crate) const MAX_DEPTH: usize = 32;

/// How deep a value is searched for something that must not be shown; deeper ones are not shown at all.
const MAX_SEARCHED: usize = 4;

/// Broken constraints listed in one answer; AWS's are as many as there are, ours are bounded.
const MAX_LISTED: usize = 50;

/// Why an input was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A value of the wrong JSON type.
    WrongType(String),
    /// One or more constraints broken.
    Broken(Broken),
}

/// Broken constraints, at least one; `Display` lists them in AWS's words.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    listed: Vec<Failure>,
    /// All of them, also those beyond what is listed.
    count: usize,
}

impl Broken {
    /// The first one found.
    pub(crate) fn first(&self) -> Option<&Failure> {
        self.listed.first()
    }
}

/// One broken constraint.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Where the value stands.
    pub(crate) place: Place,
    /// The value, as far as it may be repeated.
    pub(crate) value: Shown,
    /// What the value must be: `Member must …`.
    pub(crate) rule: String,
}

/// A refused value as an error shows it.
#[derive(Debug)]
pub(crate) enum Shown {
    /// There is none, and there must be.
    Missing,
    /// Sensitive.
    Hidden,
    /// Cut if it is too long to repeat.
    Text(String),
}

/// Checks a value against the operation's input shape, collecting every broken constraint.
///
/// # Errors
/// The first value of a wrong type, else all broken constraints at once.
pub(crate) fn check(operation: &Operation, input: &Value) -> Result<(), Refusal> {
    let Some(shape) = operation.input() else {
        return Ok(());
    };
    let mut walk = Walk {
        operation,
        broken: Broken::default(),
    };
    walk.value(shape, input, &Place::root(operation.family()), 0)?;
    if walk.broken.count == 0 {
        Ok(())
    } else {
        Err(Refusal::Broken(walk.broken))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} validation error{plural} detected: ", self.count)?;
        for (index, failure) in self.listed.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "; " })?;
            failure.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Shown::Missing => f.write_str("Value null"),
            Shown::Hidden => f.write_str("Value"),
            Shown::Text(text) => write!(f, "Value '{text}'"),
        }?;
        write!(
            f,
            " at '{}' failed to satisfy constraint: {}",
            self.place, self.rule
        )
    }
}

/// One pass over an input.
struct Walk<'a> {
    operation: &'a Operation,
    broken: Broken,
}

impl Walk<'_> {
    fn value(&mut self, shape: &Shape, value: &Value, place: &Place, depth: usize) -> Result<(), Refusal> {
        if depth > MAX_DEPTH {
            return Err(Refusal::WrongType("Input is nested too deeply".to_owned()));
        }
        match &shape.kind {
            Kind::Structure(members) => {
                let object = value
                    .as_object()
                    .ok_or_else(|| wrong_type(value, "a structure"))?;
                for member in members {
                    let shape = self.operation.shape(member.shape);
                    let place = place.member(member, shape);
                    match object.get(&member.name) {
                        None | Some(Value::Null) if member.required => {
                            self.fail(None, &place, "Member must not be null");
                        }
                        None | Some(Value::Null) => {}
                        Some(value) => {
                            self.value(shape, value, &place, depth + 1)?;
                        }
                    }
                }
                Ok(())
            }
            Kind::List { element, .. } => self.list(shape, *element, value, place, depth),
            Kind::Map { key, value: element } => self.map(shape, [*key, *element], value, place, depth),
            _ => {
                single::check_type(&shape.kind, value)?;
                self.constraints(shape, value, place);
                Ok(())
            }
        }
    }

    fn list(
        &mut self,
        shape: &Shape,
        element: ShapeId,
        value: &Value,
        place: &Place,
        depth: usize,
    ) -> Result<(), Refusal> {
        let elements = value.as_array().ok_or_else(|| wrong_type(value, "a list"))?;
        self.constraints(shape, value, place);
        let element = self.operation.shape(element);
        let mut element_fails = false;
        for (index, value) in elements.iter().enumerate() {
            if value.is_null() {
                self.fail(None, &place.element(index), "Member must not be null");
            } else if single::is_scalar(&element.kind) {
                single::check_type(&element.kind, value)?;
                element_fails |= !single::broken(element, value).is_empty();
            } else {
                self.value(element, value, &place.element(index), depth + 1)?;
            }
        }
        if element_fails {
            // Elements without members of their own are reported once, for the whole list.
            let rules = single::all(element).join(", ");
            self.fail(
                Some((shape, value)),
                place,
                &format!("Member must satisfy constraint: [{rules}]"),
            );
        }
        Ok(())
    }

    fn map(
        &mut self,
        shape: &Shape,
        [key, element]: [ShapeId; 2],
        value: &Value,
        place: &Place,
        depth: usize,
    ) -> Result<(), Refusal> {
        let entries = value.as_object().ok_or_else(|| wrong_type(value, "a map"))?;
        self.constraints(shape, value, place);
        let (key, element) = (self.operation.shape(key), self.operation.shape(element));
        let (mut key_fails, mut element_fails) = (false, false);
        for (name, value) in entries {
            key_fails |= !single::broken(key, &Value::from(name.as_str())).is_empty();
            if value.is_null() {
                self.fail(None, &place.entry(name), "Member must not be null");
            } else if single::is_scalar(&element.kind) {
                single::check_type(&element.kind, value)?;
                element_fails |= !single::broken(element, value).is_empty();
            } else {
                self.value(element, value, &place.entry(name), depth + 1)?;
            }
        }
        for (fails, which, part) in [
            (key_fails, "Map keys", key),
            (element_fails, "Map value", element),
        ] {
            if fails {
                let rules = single::all(part).join(", ");
                self.fail(
                    Some((shape, value)),
                    place,
                    &format!("{which} must satisfy constraint: [{rules}]"),
                );
            }
        }
        Ok(())
    }

    fn constraints(&mut self, shape: &Shape, value: &Value, place: &Place) {
        for rule in single::broken(shape, value) {
            self.fail(Some((shape, value)), place, &rule);
        }
    }

    /// Notes a broken constraint; `None` is a missing value, and a sensitive one is not repeated.
    fn fail(&mut self, value: Option<(&Shape, &Value)>, place: &Place, rule: &str) {
        self.broken.count += 1;
        if self.broken.listed.len() >= MAX_LISTED {
            return;
        }
        let value = match value {
            None => Shown::Missing,
            Some((shape, _)) if self.hides(shape, 0) => Shown::Hidden,
            Some((_, value)) => Shown::Text(shorten(&single::show(value))),
        };
        self.broken.listed.push(Failure {
            place: place.clone(),
            value,
            rule: rule.to_owned(),
        });
    }

    /// Whether a value of this shape, or anything inside it, must not be shown.
    fn hides(&self, shape: &Shape, depth: usize) -> bool {
        let inner = |id: ShapeId| self.hides(self.operation.shape(id), depth + 1);
        shape.sensitive
            || depth > MAX_SEARCHED
            || match &shape.kind {
                Kind::Structure(members) => members.iter().any(|member| inner(member.shape)),
                Kind::List { element, .. } => inner(*element),
                Kind::Map { key, value } => inner(*key) || inner(*value),
                _ => false,
            }
    }
}

fn wrong_type(value: &Value, wanted: &str) -> Refusal {
    Refusal::WrongType(format!(
        "{} can not be converted to {wanted}",
        single::json_type(value)
    ))
}
