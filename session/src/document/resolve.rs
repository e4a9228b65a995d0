//! Putting values in the place of placeholders.
//!
//! What stands in a command is a shell's text, and a value must not become more than it was meant to be. A value that is
//! the whole text, as in `"commands": "{{ command }}"`, is what the document's author wants run. One inside a longer text is a
//! word of it: letters, digits and a few characters that no shell takes for anything else. Any other value is refused,
//! unless the author named it among the allowed values or as the default. So it is in the rules of destinations, where a
//! value with `*` would allow more than the rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content::{Content, Strictness};
use super::destination::Destination;
use super::error::DocumentError;
use super::inputs::Inputs;
use super::parameter::{ParameterDefinition, ParameterError, ParameterType};
use super::placeholder::{Piece, pieces};
use super::properties::Properties;
use super::start::SessionType;

/// What happens in a session: a document with its values, and no placeholder but `{{ssm:name}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDocument {
    /// Always `1.0`.
    schema_version: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// The kind of session.
    pub session_type: SessionType,
    /// Logging, encryption, run-as and time limits.
    #[serde(default)]
    pub inputs: Inputs,
    /// Always empty; AWS's agent expects the key.
    #[serde(default)]
    parameters: Map<String, Value>,
    /// The particulars of the session type.
    #[serde(default = "no_properties")]
    pub properties: Properties,
}

/// The values of a request, by parameter.
type Values = BTreeMap<String, Vec<String>>;

/// The keys in whose texts some characters are special: those that a shell reads, or which are typed into one, and rules.
const WORD_KEYS: [&str; 3] = ["commands", "shellProfile", "allowedDestinations"];

impl SessionDocument {
    /// Returns the built-in document of [`DEFAULT_SHELL_DOCUMENT`](super::DEFAULT_SHELL_DOCUMENT): a shell, nothing logged,
    /// nothing encrypted.
    pub fn default_shell() -> Self {
        Self {
            schema_version: "1.0".to_owned(),
            description: "A shell on a managed node".to_owned(),
            session_type: SessionType::StandardStream,
            inputs: Inputs::default(),
            parameters: Map::new(),
            properties: Properties::None,
        }
    }

    /// Reads and checks what a document says; placeholders count as right until they are filled.
    pub(super) fn read(
        description: &str,
        session_type: SessionType,
        inputs: &Value,
        properties: &Value,
        strictness: Strictness,
    ) -> Result<Self, DocumentError> {
        let document = Self {
            schema_version: "1.0".to_owned(),
            description: description.to_owned(),
            session_type,
            inputs: Inputs::read(Some(inputs), strictness)?,
            parameters: Map::new(),
            properties: Properties::read(Some(properties), session_type, strictness)?,
        };
        document.check_destinations()?;
        Ok(document)
    }

    /// Says whether both ends encrypt what is typed and printed. Tunnels never do: the protocol has no way for them.
    pub fn is_encrypted(&self) -> bool {
        self.session_type != SessionType::Port && !self.inputs.kms_key_id.is_empty()
    }

    /// Says whether the session acts as an account of the node: with a process of its own, or by connecting to a UNIX socket,
    /// whose file says who may.
    pub fn runs_as_an_account(&self) -> bool {
        let is_socket = |destination: &Destination| matches!(destination, Destination::Socket { .. });
        self.session_type != SessionType::Port || self.destinations().iter().any(is_socket)
    }
}

impl Content {
    /// Checks the values of a request and puts them in; returns the document with every value, defaults included.
    ///
    /// # Errors
    ///
    /// Names the first parameter whose value is missing, unknown or breaks a rule, and the rule.
    pub fn resolve(&self, given: &Values) -> Result<(SessionDocument, Values), ParameterError> {
        let values = self.values(given)?;
        let filler = Filler {
            definitions: &self.parameters,
            values: &values,
        };
        let inputs = filler.fill(&self.inputs, false)?;
        let properties = filler.fill(&self.properties, false)?;
        let document = SessionDocument::read(
            &self.description,
            self.session_type,
            &inputs,
            &properties,
            self.strictness,
        );
        let document = document.map_err(|error| self.blamed(error, &values))?;
        Ok((document, values))
    }

    fn values(&self, given: &Values) -> Result<Values, ParameterError> {
        if let Some(name) = given.keys().find(|name| !self.parameters.contains_key(*name))
            && self.strictness == Strictness::Strict
        {
            return Err(ParameterError::Unknown(name.clone()));
        }
        let mut values = Values::new();
        for (name, definition) in &self.parameters {
            let value = match given.get(name) {
                Some(value) => {
                    let wrong = |rule| ParameterError::Value {
                        name: name.clone(),
                        rule,
                    };
                    definition.check(value).map_err(wrong)?;
                    value.clone()
                }
                None => definition
                    .default
                    .clone()
                    .ok_or_else(|| ParameterError::Missing(name.clone()))?,
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }

    /// Says which parameter has a value that its place in the document cannot have.
    fn blamed(&self, error: DocumentError, values: &Values) -> ParameterError {
        let DocumentError::Content { path, .. } = &error else {
            return ParameterError::Together(error);
        };
        let text =
            text_at(&self.inputs, path, "inputs").or_else(|| text_at(&self.properties, path, "properties"));
        let name = text.into_iter().flat_map(pieces).find_map(|piece| match piece {
            Piece::Parameter(name) => Some(name),
            Piece::Text(_) | Piece::Ssm(_) => None,
        });
        let Some(name) = name else {
            return ParameterError::Together(error);
        };
        let value = values.get(name).map(|value| value.join(", ")).unwrap_or_default();
        ParameterError::Value {
            name: name.to_owned(),
            rule: format!("cannot be {value:?}: {error}"),
        }
    }
}

/// Returns the text at a path such as `properties.portNumber`; an entry of a list that is one text is there.
fn text_at<'a>(value: &'a Value, path: &str, root: &str) -> Option<&'a str> {
    let mut keys = path.strip_prefix(root)?.strip_prefix('.')?.split('.');
    let inner = keys.try_fold(value, |value, key| match value {
        Value::Array(entries) => entries.get(key.parse::<usize>().ok()?),
        Value::String(_) => Some(value),
        _ => value.get(key),
    });
    inner?.as_str()
}

/// Puts values in the place of placeholders.
struct Filler<'a> {
    definitions: &'a BTreeMap<String, ParameterDefinition>,
    values: &'a Values,
}

impl Filler<'_> {
    fn fill(&self, value: &Value, in_words: bool) -> Result<Value, ParameterError> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill_text(text, in_words)?),
            Value::Array(values) => values
                .iter()
                .map(|value| self.fill(value, in_words))
                .collect::<Result<_, _>>()?,
            Value::Object(object) => object
                .iter()
                .map(|(key, value)| {
                    let in_words = in_words || WORD_KEYS.contains(&key.as_str());
                    Ok((key.clone(), self.fill(value, in_words)?))
                })
                .collect::<Result<Map<_, _>, _>>()?
                .into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn fill_text(&self, text: &str, in_words: bool) -> Result<String, ParameterError> {
        let pieces = pieces(text);
        let is_word = in_words && pieces.len() > 1;
        let mut filled = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Ssm(path) => filled.push_str(&format!("{{{{ssm:{path}}}}}")),
                Piece::Parameter(name) => filled.push_str(&self.value(name, is_word)?),
            }
        }
        Ok(filled)
    }

    fn value(&self, name: &str, is_word: bool) -> Result<String, ParameterError> {
        let missing = || ParameterError::Missing(name.to_owned());
        let definition = self.definitions.get(name).ok_or_else(missing)?;
        let values = self.values.get(name).ok_or_else(missing)?;
        if is_word
            && let Some(value) = values
                .iter()
                .find(|it| !is_plain_word(it) && !definition.names(it))
        {
            return Err(ParameterError::Value {
                name: name.to_owned(),
                rule: format!(
                    "is a word of a longer text: it takes letters, digits and `_@%+=:,./-`, and does not begin with `-`; \
                     {value:?} is no such word"
                ),
            });
        }
        Ok(match definition.kind {
            ParameterType::StringList => Value::from(values.clone()).to_string(),
            _ => values.concat(),
        })
    }
}

/// Says whether a value is one word for every shell, and no option.
fn is_plain_word(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    !value.is_empty() && !value.starts_with('-') && value.bytes().all(plain)
}

fn no_properties() -> Properties {
    Properties::None
}
