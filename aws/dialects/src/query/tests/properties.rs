//! What holds for any form and any output.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use serde_json::{Map, Value};

use super::super::{Form, error_response, input, read, response};
use super::made_up;
use crate::error::{AwsError, Family};
use crate::model::{Kind, Operation, Service, Shape, ec2, iam, sts};

fn made_ups() -> [Service; 2] {
    [made_up("query"), made_up("ec2")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_input_survives_its_form(mut made in values()) {
        let made_ups = made_ups();
        for operation in made_ups.iter().chain([sts(), iam(), ec2()]).flat_map(Service::operations) {
            let Some(shape) = operation.input() else { continue };
            let value = made.value(operation, shape, 0);
            let mut text = format!("Action={}", operation.name());
            write_form(operation, shape, "", &value, &mut text);
            let form = Form::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(input::input(operation, &form).unwrap(), value, "{}", text);
        }
    }

    #[test]
    fn no_form_panics(
        text in "(Tags|Id|Ids|Attributes|Grid|Inner|Name|Count|Since|member|entry|key|value|Cell|[.]|1|2|[a-z.&=%+0-9])*"
    ) {
        if let Ok(form) = Form::parse(text.as_bytes()) {
            for service in made_ups() {
                for operation in service.operations() {
                    let _ = read(operation, &form);
                }
            }
        }
    }

    #[test]
    fn any_output_is_well_formed(mut made in values(), request_id in any::<String>()) {
        let made_ups = made_ups();
        for operation in made_ups.iter().chain([sts(), iam(), ec2()]).flat_map(Service::operations) {
            let output = match operation.output() {
                Some(shape) => made.value(operation, shape, 0),
                None => Value::Null,
            };
            let document = response(operation, &output, &request_id);
            let parsed = roxmltree::Document::parse(&document);
            prop_assert!(parsed.is_ok(), "{}: {:?}", document, parsed.err());
        }
    }

    #[test]
    fn any_error_says_what_xml_can_say(text in any::<String>()) {
        for service in [iam(), ec2()] {
            prop_assert_eq!(told(service, &text), text.replace(|c: char| !is_xml(c), "\u{FFFD}"));
        }
    }
}

#[test]
fn every_character_is_well_formed_in_xml() {
    let all = ('\0'..=char::MAX).collect::<String>();
    assert_eq!(told(iam(), &all), all.replace(|c: char| !is_xml(c), "\u{FFFD}"));
}

/// Would take minutes if each element cost as much as the whole form.
#[test]
fn the_largest_forms_are_read() {
    let service = made_up("query");
    let mut wide = "Name=ab".to_owned();
    let mut deep = String::new();
    for number in 1..=2000 {
        write!(wide, "&Tags.member.{number}.Key=k&Id.{number}=x").unwrap();
        let path = "Inner.".repeat(number % 30);
        write!(deep, "&{path}Tags.member.{number}.Key=k&{path}N{number}=x").unwrap();
    }
    let wide = Form::parse(wide.as_bytes()).unwrap();
    let input = read(service.operation("Tag").unwrap(), &wide).unwrap();
    assert_eq!(input["Tags"].as_array().map(Vec::len), Some(2000));
    let deep = Form::parse(deep.as_bytes()).unwrap();
    let refused = read(service.operation("Nest").unwrap(), &deep).unwrap_err();
    assert_eq!(refused.code(), "MalformedInput", "its numbers have gaps");
}

/// The message of an error as an XML parser reads it.
fn told(service: &Service, text: &str) -> String {
    let (_, document) = error_response(service, &AwsError::new("Code", text), text);
    let parsed = roxmltree::Document::parse(&document).unwrap();
    let message = parsed
        .descendants()
        .find(|node| node.tag_name().name() == "Message")
        .unwrap();
    message.text().unwrap_or_default().to_owned()
}

fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// A source of values of the right shape; their limits are not kept.
fn values() -> impl Strategy<Value = Values> {
    Just(()).prop_perturb(|(), random| Values(random))
}

#[derive(Debug)]
struct Values(TestRng);

impl Values {
    fn value(&mut self, operation: &Operation, shape: &Shape, depth: usize) -> Value {
        match shape.kind() {
            Kind::Structure(members) => {
                // Only the outermost structure can be sent without a member.
                let forced = (depth > 0).then(|| self.below(members.len()));
                let mut object = Map::new();
                for (index, member) in members.iter().enumerate() {
                    let too_deep = member.name == "Inner" && depth > 4;
                    if !too_deep && (forced == Some(index) || self.below(2) == 0) {
                        let value = self.value(operation, operation.shape(member.shape), depth + 1);
                        object.insert(member.name.clone(), value);
                    }
                }
                if depth > 0 && object.is_empty() {
                    object.insert("Name".to_owned(), Value::from("x"));
                }
                Value::Object(object)
            }
            Kind::List { element, .. } => (0..=self.below(3))
                .map(|_| self.value(operation, operation.shape(*element), depth + 1))
                .collect(),
            Kind::Map { value, .. } => (0..=self.below(3))
                .map(|index| {
                    let key = format!("{index}{}", self.text());
                    (key, self.value(operation, operation.shape(*value), depth + 1))
                })
                .collect(),
            Kind::Text => Value::from(self.text()),
            Kind::Blob => Value::from("AAECAw=="),
            Kind::Integer => Value::from(self.0.next_u32().cast_signed()),
            Kind::Long => Value::from(self.0.next_u64().cast_signed()),
            Kind::Float => Value::from(f64::from(self.0.next_u32()) / 7.0),
            Kind::Boolean => Value::from(self.below(2) == 0),
            Kind::Timestamp => Value::from(f64::from(self.0.next_u32())),
        }
    }

    /// Never empty, because EC2 takes that for none.
    fn text(&mut self) -> String {
        (0..=self.below(8))
            .map(|_| {
                let limit = [0x80, 0x800, 0x11_0000][self.below(3)];
                char::from_u32(self.0.next_u32() % limit).unwrap_or('\u{FFFF}')
            })
            .collect()
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.next_u32() as usize % limit.max(1)
    }
}

/// Writes a value as clients do.
fn write_form(operation: &Operation, shape: &Shape, name: &str, value: &Value, out: &mut String) {
    let below = |step: &str| {
        if name.is_empty() {
            step.to_owned()
        } else {
            format!("{name}.{step}")
        }
    };
    match (shape.kind(), value) {
        (Kind::Structure(members), Value::Object(object)) => {
            for member in members {
                if let Some(value) = object.get(&member.name) {
                    let shape = operation.shape(member.shape);
                    write_form(operation, shape, &below(&member.form_name), value, out);
                }
            }
        }
        (
            Kind::List {
                element,
                element_name,
                flattened,
            },
            Value::Array(values),
        ) => {
            let flat = *flattened || operation.family() == Family::Ec2;
            let parent = if flat {
                name.to_owned()
            } else {
                below(element_name)
            };
            for (index, value) in values.iter().enumerate() {
                let name = format!("{parent}.{}", index + 1);
                write_form(operation, operation.shape(*element), &name, value, out);
            }
        }
        (Kind::Map { value: element, .. }, Value::Object(entries)) => {
            for (index, (key, value)) in entries.iter().enumerate() {
                let entry = below(&format!("entry.{}", index + 1));
                write_field(&format!("{entry}.key"), key, out);
                write_form(
                    operation,
                    operation.shape(*element),
                    &format!("{entry}.value"),
                    value,
                    out,
                );
            }
        }
        (Kind::Timestamp, Value::Number(seconds)) => {
            let since = jiff::SignedDuration::try_from_secs_f64(seconds.as_f64().unwrap()).unwrap();
            let at = jiff::Timestamp::from_duration(since).unwrap();
            write_field(name, &at.to_string(), out);
        }
        (_, Value::String(text)) => write_field(name, text, out),
        (_, other) => write_field(name, &other.to_string(), out),
    }
}

fn write_field(name: &str, text: &str, out: &mut String) {
    let [name, text] = [name, text].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC));
    write!(out, "&{name}={text}").unwrap();
}
