//! The parameters of a document, and whether a value is one of theirs.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::content::Strictness;
use super::error::DocumentError;
use super::fields::Fields;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 4096;
/// The most memory that a compiled pattern may take.
const MAX_COMPILED: usize = 1 << 20;
/// The longest value of a request, in bytes.
const MAX_VALUE: usize = 65_535;
/// The most values of a list.
const MAX_VALUES: usize = 1000;

/// What a document says of one of its parameters.
#[derive(Debug, Clone)]
pub struct ParameterDefinition {
    /// The kind of its value.
    pub kind: ParameterType,
    /// For people.
    pub description: String,
    /// Its values where a request gives none.
    pub default: Option<Vec<String>>,
    /// The only values, where there are any.
    allowed_values: Vec<String>,
    /// What the whole value must match.
    allowed_pattern: Option<(String, Regex)>,
    characters: Bounds,
    items: Bounds,
}

/// The kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// One text.
    String,
    /// Several texts.
    StringList,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
}

/// Why a value is refused; the name is the parameter's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The document has no such parameter.
    #[error("Parameter \"{0}\" is not defined in the document.")]
    Unknown(String),
    /// It has no default.
    #[error("Parameter \"{0}\" is required by the document and has no value.")]
    Missing(String),
    /// A value breaks a rule.
    #[error("Parameter \"{name}\" {rule}.")]
    Value {
        /// The parameter.
        name: String,
        /// The rule, to complete "Parameter …".
        rule: String,
    },
    /// No value alone is wrong, but the document is with all of them.
    #[error("The document does not work with these values: {0}.")]
    Together(DocumentError),
}

#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    least: Option<u64>,
    most: Option<u64>,
}

impl ParameterType {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::String, "String"),
        (Self::StringList, "StringList"),
        (Self::Boolean, "Boolean"),
        (Self::Integer, "Integer"),
    ];

    /// Returns the word of documents.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(kind, _)| *kind == self);
        found.map_or("String", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind)
    }
}

impl ParameterDefinition {
    pub(super) fn read(value: &Value, path: &str, strictness: Strictness) -> Result<Self, DocumentError> {
        let mut fields = Fields::of(Some(value), path, strictness)?;
        let kind = fields.text("type")?;
        let kind = ParameterType::parse(&kind).ok_or_else(|| {
            let known = ParameterType::NAMES.map(|(_, name)| name).join(", ");
            fields.wrong("type", &format!("must be one of {known}, not {kind:?}"))
        })?;
        let default = fields.value("default").map(|value| texts(value, kind));
        let default = default
            .transpose()
            .map_err(|rule| fields.wrong("default", &rule))?;
        let allowed_values = fields
            .value("allowedValues")
            .map_or(Ok(Vec::new()), |value| texts(value, ParameterType::StringList))
            .map_err(|rule| fields.wrong("allowedValues", &rule))?;
        let pattern = fields.text("allowedPattern")?;
        let allowed_pattern = compile(&pattern).map_err(|rule| fields.wrong("allowedPattern", &rule))?;
        let definition = Self {
            kind,
            description: fields.text("description")?,
            default,
            allowed_values,
            allowed_pattern,
            characters: Bounds::read(&mut fields, "minChars", "maxChars")?,
            items: Bounds::read(&mut fields, "minItems", "maxItems")?,
        };
        // How a console shows it.
        fields.text("displayType")?;
        // An empty default stands for none, whatever else the document allows.
        if let Some(default) = definition.default.as_ref().filter(|it| **it != [""]) {
            definition
                .check(default)
                .map_err(|rule| fields.wrong("default", &rule))?;
        }
        fields.finish()?;
        Ok(definition)
    }

    /// Returns the default as `DescribeDocument` shows it.
    pub fn default_text(&self) -> Option<String> {
        let default = self.default.as_ref()?;
        Some(match self.kind {
            ParameterType::StringList => Value::from(default.clone()).to_string(),
            _ => default.concat(),
        })
    }

    /// Says whether whoever wrote the document named this very value.
    pub(super) fn names(&self, value: &str) -> bool {
        self.allowed_values.iter().any(|allowed| allowed == value)
            || self.default.iter().flatten().any(|default| default == value)
    }

    /// Returns the rule that the values break, to complete "the parameter …".
    pub(super) fn check(&self, values: &[String]) -> Result<(), String> {
        match (self.kind, values) {
            (ParameterType::StringList, values) => self.items.check(values.len(), "values")?,
            (_, [_]) => {}
            (_, values) => return Err(format!("takes one value, not {}", values.len())),
        }
        if values.len() > MAX_VALUES {
            return Err(format!("takes {MAX_VALUES} values at most"));
        }
        values.iter().try_for_each(|value| self.check_one(value))
    }

    fn check_one(&self, value: &str) -> Result<(), String> {
        if value.len() > MAX_VALUE {
            return Err(format!("takes values of {MAX_VALUE} bytes at most"));
        }
        if value.contains('\0') {
            return Err("takes no value with a NUL character".to_owned());
        }
        // A node would look for the parameter and put it in its place.
        if value.contains("{{") {
            return Err("takes no value with `{{`".to_owned());
        }
        match self.kind {
            ParameterType::Boolean if !matches!(value, "true" | "false") => {
                return Err(format!("must be true or false, not {value:?}"));
            }
            ParameterType::Integer if value.parse::<i64>().is_err() => {
                return Err(format!("must be a whole number, not {value:?}"));
            }
            _ => {}
        }
        if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|allowed| allowed == value) {
            let allowed = self.allowed_values.join(", ");
            return Err(format!("must be one of {allowed}, not {value:?}"));
        }
        if let Some((pattern, regex)) = &self.allowed_pattern
            && !regex.is_match(value)
        {
            return Err(format!("must match {pattern}, which {value:?} does not"));
        }
        self.characters.check(value.chars().count(), "characters")
    }
}

/// Compiles a pattern that stands for the whole value, whether it says so or not.
fn compile(pattern: &str) -> Result<Option<(String, Regex)>, String> {
    if pattern.is_empty() {
        return Ok(None);
    }
    if pattern.len() > MAX_PATTERN {
        return Err(format!("has {MAX_PATTERN} bytes at most"));
    }
    let compiled = RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .size_limit(MAX_COMPILED)
        .build();
    // Alone first, so that it cannot close our group.
    let alone = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build();
    match (alone, compiled) {
        (Ok(_), Ok(compiled)) => Ok(Some((pattern.to_owned(), compiled))),
        (Err(error), _) | (_, Err(error)) => {
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default();
            Err(format!("is no pattern that is supported here: {reason}"))
        }
    }
}

/// Reads a default or a list of values as texts.
fn texts(value: &Value, kind: ParameterType) -> Result<Vec<String>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("must hold texts".to_owned()),
    };
    match (kind, value) {
        (ParameterType::StringList, Value::Array(values)) => values.iter().map(text).collect(),
        (_, Value::Array(_)) => Err("must be one value".to_owned()),
        (_, value) => Ok(vec![text(value)?]),
    }
}

impl Bounds {
    fn read(fields: &mut Fields<'_>, least: &'static str, most: &'static str) -> Result<Self, DocumentError> {
        let mut number = |key| {
            let text = fields.text_or_number(key)?;
            if text.is_empty() {
                return Ok(None);
            }
            let parsed = text.parse();
            parsed
                .map(Some)
                .map_err(|_| fields.wrong(key, "must be a whole number"))
        };
        Ok(Self {
            least: number(least)?,
            most: number(most)?,
        })
    }

    fn check(self, count: usize, of: &str) -> Result<(), String> {
        let count = count as u64;
        if let Some(least) = self.least.filter(|least| count < *least) {
            return Err(format!("takes at least {least} {of}, not {count}"));
        }
        if let Some(most) = self.most.filter(|most| count > *most) {
            return Err(format!("takes at most {most} {of}, not {count}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(definition: &Value) -> Result<ParameterDefinition, DocumentError> {
        ParameterDefinition::read(definition, "parameters.p", Strictness::Strict)
    }

    #[track_caller]
    fn refuses(definition: &Value, values: &[&str], rule: &str) {
        let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        let refused = read(definition).expect("valid").check(&values);
        assert_eq!(refused, Err(rule.to_owned()), "{values:?}");
    }

    #[test]
    fn every_constraint_is_one() {
        let string = |key: &str, value: Value| json!({"type": "String", key: value});
        refuses(
            &string("allowedValues", json!(["a", "b"])),
            &["c"],
            "must be one of a, b, not \"c\"",
        );
        refuses(
            &string("minChars", json!(2)),
            &["é"],
            "takes at least 2 characters, not 1",
        );
        refuses(
            &string("maxChars", json!("2")),
            &["abc"],
            "takes at most 2 characters, not 3",
        );
        refuses(
            &string("description", json!("")),
            &["a", "b"],
            "takes one value, not 2",
        );
        refuses(
            &string("description", json!("")),
            &["{{ssm:secret}}"],
            "takes no value with `{{`",
        );
        refuses(
            &string("description", json!("")),
            &["a\0"],
            "takes no value with a NUL character",
        );
        let list = |key: &str, value: Value| json!({"type": "StringList", key: value});
        refuses(&list("minItems", json!(1)), &[], "takes at least 1 values, not 0");
        refuses(
            &list("maxItems", json!(1)),
            &["a", "b"],
            "takes at most 1 values, not 2",
        );
        refuses(
            &json!({"type": "Boolean"}),
            &["yes"],
            "must be true or false, not \"yes\"",
        );
        refuses(
            &json!({"type": "Integer"}),
            &["1.5"],
            "must be a whole number, not \"1.5\"",
        );
    }

    #[test]
    fn a_pattern_is_about_the_whole_value() {
        let pattern = |pattern: &str| json!({"type": "String", "allowedPattern": pattern});
        refuses(
            &pattern("[a-z]+"),
            &["abc; id"],
            "must match [a-z]+, which \"abc; id\" does not",
        );
        refuses(&pattern("a|b"), &["ac"], "must match a|b, which \"ac\" does not");
        refuses(
            &pattern("^[a-z]+$"),
            &["a\n"],
            "must match ^[a-z]+$, which \"a\\n\" does not",
        );
        refuses(
            &pattern("(?m)^a$"),
            &["a\nb"],
            "must match (?m)^a$, which \"a\\nb\" does not",
        );
        let definition = read(&pattern("^[a-zA-Z0-9-_/]+(.log)$")).expect("valid");
        assert_eq!(definition.check(&["/var/x.log".into()]), Ok(()));
    }

    #[test]
    fn a_definition_that_cannot_be_kept_is_refused() {
        for (definition, path) in [
            (json!({}), "type"),
            (json!({"type": "MapList"}), "type"),
            (json!({"type": "String", "allowedPattern": "("}), "allowedPattern"),
            (
                json!({"type": "String", "allowedPattern": "a)(b"}),
                "allowedPattern",
            ),
            (
                json!({"type": "String", "allowedPattern": "(?=a)"}),
                "allowedPattern",
            ),
            (
                json!({"type": "String", "allowedPattern": "((a{100}){100}){100}"}),
                "allowedPattern",
            ),
            (
                json!({"type": "String", "default": "c", "allowedValues": ["a"]}),
                "default",
            ),
            (json!({"type": "String", "default": ["a", "b"]}), "default"),
            (json!({"type": "String", "minChars": -1}), "minChars"),
            (json!({"type": "String", "surprise": 1}), "surprise"),
        ] {
            let error = read(&definition).expect_err("refused").to_string();
            assert!(
                error.starts_with(&format!("`parameters.p.{path}` ")),
                "{definition}: {error}"
            );
        }
    }
}
