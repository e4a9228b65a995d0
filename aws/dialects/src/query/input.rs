//! Reading a form into the value that JSON would carry.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::form::Form;
use super::refusal;
use crate::constraint::{MAX_DEPTH, Place, shorten};
use crate::error::{AwsError, Family};
use crate::model::{Kind, Operation, Shape, ShapeId};

/// Reads what the form says about the operation's input; fields that the model does not know are left out.
pub(super) fn input(operation: &Operation, form: &Form) -> Result<Value, AwsError> {
    let reader = Reader { operation, form };
    let read = match operation.input() {
        Some(shape) => reader.value(shape, &Field::root(operation.family()))?,
        None => None,
    };
    Ok(read.unwrap_or_else(|| Value::Object(Map::new())))
}

/// A field of a form, which may have fields below it.
struct Field {
    /// Its name on the wire; empty for the form itself.
    name: String,
    /// What errors call it.
    place: Place,
    depth: usize,
    in_list: bool,
}

impl Field {
    fn root(family: Family) -> Self {
        Self {
            name: String::new(),
            place: Place::root(family),
            depth: 0,
            in_list: false,
        }
    }

    fn below(&self, step: &str, place: Place, in_list: bool) -> Self {
        let name = if self.name.is_empty() {
            step.to_owned()
        } else {
            format!("{}.{step}", self.name)
        };
        Self {
            name,
            place,
            depth: self.depth + 1,
            in_list,
        }
    }
}

struct Reader<'a> {
    operation: &'a Operation,
    form: &'a Form,
}

impl Reader<'_> {
    /// What the form says about `field`; `None` when it says nothing.
    fn value(&self, shape: &Shape, field: &Field) -> Result<Option<Value>, AwsError> {
        if !(field.name.is_empty() || self.form.mentions(&field.name)) {
            return Ok(None);
        }
        if field.depth > MAX_DEPTH {
            return Err(self.malformed(field, None, "it is nested too deeply"));
        }
        match shape.kind() {
            Kind::Structure(members) => {
                self.refuse_text(field, "it is a structure")?;
                let mut object = Map::new();
                for member in members {
                    let shape = self.operation.shape(member.shape);
                    let place = field.place.member(member, shape);
                    let inner = field.below(&member.form_name, place, field.in_list);
                    if let Some(value) = self.value(shape, &inner)? {
                        object.insert(member.name.clone(), value);
                    }
                }
                Ok(Some(Value::Object(object)))
            }
            Kind::List {
                element,
                element_name,
                flattened,
            } => {
                let flat = *flattened || self.operation.family() == Family::Ec2;
                let step = (!flat).then_some(element_name.as_str());
                self.list(*element, step, field).map(Some)
            }
            Kind::Map { key, value } => self.map(*key, *value, field).map(Some),
            kind => match self.form.field(&field.name) {
                // EC2 takes an empty text for none, but not among others: a tag's value may be empty.
                Some("") if self.operation.family() == Family::Ec2 && !field.in_list => Ok(None),
                Some(text) => match scalar(kind, text) {
                    Ok(value) => Ok(Some(value)),
                    Err(wanted) => {
                        let shown = (!shape.is_sensitive()).then_some(text);
                        Err(self.malformed(field, shown, &format!("it must be {wanted}")))
                    }
                },
                None => Ok(None),
            },
        }
    }

    fn list(&self, element: ShapeId, step: Option<&str>, field: &Field) -> Result<Value, AwsError> {
        // An empty text is how clients send an empty list.
        self.refuse_text(field, "it is a list")?;
        let element = self.operation.shape(element);
        (0..self.count(field, step)?)
            .map(|index| {
                let place = field.place.element(index);
                let inner = field.below(&numbered(step, index), place, true);
                Ok(self.value(element, &inner)?.unwrap_or(Value::Null))
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array)
    }

    fn map(&self, key: ShapeId, element: ShapeId, field: &Field) -> Result<Value, AwsError> {
        self.refuse_text(field, "it is a map")?;
        let step = Some("entry");
        let mut object = Map::new();
        for index in 0..self.count(field, step)? {
            let entry = field.below(&numbered(step, index), field.place.element(index), true);
            let name = entry.below("key", field.place.element(index), true);
            let Some(Value::String(name)) = self.value(self.operation.shape(key), &name)? else {
                return Err(self.malformed(&entry, None, "it has no key"));
            };
            let content = entry.below("value", field.place.entry(&name), true);
            let content = self.value(self.operation.shape(element), &content)?;
            if object.insert(name, content.unwrap_or(Value::Null)).is_some() {
                return Err(self.malformed(&entry, None, "its key is given more than once"));
            }
        }
        Ok(Value::Object(object))
    }

    /// How many elements stand below `field`, which must be numbered from 1 without a gap.
    ///
    /// `step` is what stands between a list's name and the number.
    fn count(&self, field: &Field, step: Option<&str>) -> Result<usize, AwsError> {
        let mut numbers = BTreeSet::new();
        for rest in self.form.below(&field.name) {
            let (first, after) = rest.split_once('.').unwrap_or((rest, ""));
            let text = match step {
                None => first,
                Some(step) if first == step => after.split('.').next().unwrap_or_default(),
                Some(step) => {
                    let why = format!("its elements are named `{step}`");
                    return Err(self.malformed(field, None, &why));
                }
            };
            let number = index(text).ok_or_else(|| {
                let why = format!("`{}` is not the number of an element", shorten(text));
                self.malformed(field, None, &why)
            })?;
            numbers.insert(number);
        }
        let count = numbers.len();
        match (1..=count).find(|number| !numbers.contains(number)) {
            Some(missing) => {
                let why = format!("its elements must be numbered from 1 without a gap: {missing} is missing");
                Err(self.malformed(field, None, &why))
            }
            None => Ok(count),
        }
    }

    /// Refuses a text where something with parts is expected.
    fn refuse_text(&self, field: &Field, why: &str) -> Result<(), AwsError> {
        match self.form.field(&field.name) {
            None | Some("") => Ok(()),
            // A field without a name says nothing about the form itself.
            Some(_) if field.name.is_empty() => Ok(()),
            Some(_) => Err(self.malformed(field, None, &format!("{why}, not a text"))),
        }
    }

    fn malformed(&self, field: &Field, text: Option<&str>, why: &str) -> AwsError {
        refusal::malformed(self.operation.family(), &field.place, text, why)
    }
}

/// Reads a value without parts, or says what it must be.
fn scalar(kind: &Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Integer => match text.parse::<i32>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err("a whole number of 32 bits"),
        },
        Kind::Long => match text.parse::<i64>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err("a whole number of 64 bits"),
        },
        Kind::Float => float(text).map(Value::Number).ok_or("a number"),
        Kind::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("`true` or `false`"),
        },
        Kind::Timestamp => timestamp(text)
            .and_then(|at| Number::from_f64(at.as_duration().as_secs_f64()))
            .map(Value::Number)
            .ok_or("a time in ISO 8601"),
        Kind::Blob => match STANDARD.decode(text) {
            Ok(_) => Ok(Value::from(text)),
            Err(_) => Err("base64"),
        },
        Kind::Text | Kind::Structure(_) | Kind::List { .. } | Kind::Map { .. } => Ok(Value::from(text)),
    }
}

fn float(text: &str) -> Option<Number> {
    text.parse().ok().and_then(Number::from_f64)
}

/// ISO 8601, in UTC unless it says otherwise, or seconds since the epoch.
fn timestamp(text: &str) -> Option<jiff::Timestamp> {
    if let Some(seconds) = float(text) {
        let since = jiff::SignedDuration::try_from_secs_f64(seconds.as_f64()?).ok()?;
        return jiff::Timestamp::from_duration(since).ok();
    }
    text.parse().ok().or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

/// The number of a list's element, as clients write it.
fn index(text: &str) -> Option<usize> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

fn numbered(step: Option<&str>, index: usize) -> String {
    let number = index + 1;
    match step {
        Some(step) => format!("{step}.{number}"),
        None => number.to_string(),
    }
}
