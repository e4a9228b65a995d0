//! A document as somebody wrote it: checked, with its placeholders.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::DocumentError;
use super::fields::Fields;
use super::parameter::ParameterDefinition;
use super::placeholder::{Piece, each_text, is_name, pieces};
use super::resolve::SessionDocument;
use super::start::SessionType;

/// The longest document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// The most parameters of a document.
const MAX_PARAMETERS: usize = 200;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFormat {
    /// JSON.
    Json,
    /// YAML without tags.
    Yaml,
}

/// What becomes of keys that this schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// They are refused, so that a mistyped setting is found when it is written.
    Strict,
    /// They are ignored, as AWS's agent does with what it is told.
    Lenient,
}

/// The platforms that a document can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Windows.
    Windows,
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
}

/// A document as somebody wrote it.
#[derive(Debug, Clone)]
pub struct Content {
    /// For people.
    pub description: String,
    /// The kind of session.
    pub session_type: SessionType,
    /// The parameters, by name.
    pub parameters: BTreeMap<String, ParameterDefinition>,
    /// The settings, with placeholders.
    pub(super) inputs: Value,
    /// The particulars of the type, with placeholders.
    pub(super) properties: Value,
    pub(super) strictness: Strictness,
    platforms: Vec<Platform>,
    written: SessionDocument,
}

impl Platform {
    /// Every platform, in the order in which AWS lists them.
    pub const ALL: [Self; 3] = [Self::Windows, Self::Linux, Self::MacOs];

    /// Returns the word of AWS's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Windows => "Windows",
            Self::Linux => "Linux",
            Self::MacOs => "MacOS",
        }
    }
}

impl DocumentFormat {
    /// Returns the word of AWS's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        }
    }

    /// Reads a text into the value that it stands for, whatever that is.
    ///
    /// # Errors
    ///
    /// [`DocumentError::TooLong`] and [`DocumentError::Syntax`].
    pub fn read(self, text: &str) -> Result<Value, DocumentError> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLong { actual: text.len() });
        }
        match self {
            Self::Json => {
                serde_json::from_str(text).map_err(|error| DocumentError::Syntax(error.to_string()))
            }
            Self::Yaml => {
                serde_saphyr::from_str(text).map_err(|error| DocumentError::Syntax(error.to_string()))
            }
        }
    }

    /// Writes a value as a text that stands for it.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Syntax`] for a value that the format has no text for.
    pub fn write(self, value: &Value) -> Result<String, DocumentError> {
        match self {
            Self::Json => {
                serde_json::to_string_pretty(value).map_err(|error| DocumentError::Syntax(error.to_string()))
            }
            Self::Yaml => {
                serde_saphyr::to_string(value).map_err(|error| DocumentError::Syntax(error.to_string()))
            }
        }
    }
}

impl Content {
    /// Reads and checks a document that somebody wants to keep.
    ///
    /// # Errors
    ///
    /// Names the first mistake and where it is.
    pub fn parse(text: &str, format: DocumentFormat) -> Result<Self, DocumentError> {
        Self::read(&format.read(text)?, Strictness::Strict)
    }

    /// Checks a document that was read already.
    ///
    /// # Errors
    ///
    /// As [`Content::parse`].
    pub fn read(value: &Value, strictness: Strictness) -> Result<Self, DocumentError> {
        if !value.is_object() {
            return Err(DocumentError::Syntax("it must be an object".to_owned()));
        }
        let mut fields = Fields::of(Some(value), "", strictness)?;
        match fields.value("schemaVersion") {
            Some(Value::String(version)) if version == "1.0" => {}
            other => {
                let version = other.map_or("absent".to_owned(), Value::to_string);
                return Err(DocumentError::SchemaVersion(version));
            }
        }
        let named = fields.text("sessionType")?;
        let session_type = SessionType::parse(&named).ok_or_else(|| {
            let known = SessionType::ALL.map(SessionType::as_str).join(", ");
            fields.wrong("sessionType", &format!("must be one of {known}, not {named:?}"))
        })?;
        let parameters = definitions(fields.value("parameters"), strictness)?;
        let inputs = fields.value("inputs").cloned().unwrap_or_default();
        let properties = fields.value("properties").cloned().unwrap_or_default();
        let description = fields.text("description")?;
        fields.finish()?;

        let document = SessionDocument::read(&description, session_type, &inputs, &properties, strictness)?;
        for (path, value) in [("inputs", &inputs), ("properties", &properties)] {
            declared(value, path, &parameters)?;
        }
        Ok(Self {
            description,
            session_type,
            parameters,
            inputs,
            properties,
            strictness,
            platforms: document.properties.platforms(),
            written: document,
        })
    }

    /// Returns what the document says before its parameters have values: their placeholders stand in its texts, and flags
    /// that are parameters are unset.
    pub fn as_written(&self) -> &SessionDocument {
        &self.written
    }

    /// Returns the platforms that a session can run on.
    pub fn platforms(&self) -> &[Platform] {
        &self.platforms
    }
}

fn definitions(
    value: Option<&Value>,
    strictness: Strictness,
) -> Result<BTreeMap<String, ParameterDefinition>, DocumentError> {
    let empty = Map::new();
    let object = match value {
        None => &empty,
        Some(Value::Object(object)) => object,
        Some(_) => return Err(DocumentError::at("parameters", "must be an object")),
    };
    if object.len() > MAX_PARAMETERS {
        let rule = format!("has {MAX_PARAMETERS} parameters at most");
        return Err(DocumentError::at("parameters", rule));
    }
    let mut definitions = BTreeMap::new();
    for (name, definition) in object {
        let path = format!("parameters.{name}");
        if is_name(name) {
            let definition = ParameterDefinition::read(definition, &path, strictness)?;
            definitions.insert(name.clone(), definition);
        } else if strictness == Strictness::Strict {
            return Err(DocumentError::at(
                path,
                "must be named with letters and digits only",
            ));
        }
    }
    Ok(definitions)
}

/// Refuses placeholders of parameters that the document does not have.
fn declared(
    value: &Value,
    path: &str,
    parameters: &BTreeMap<String, ParameterDefinition>,
) -> Result<(), DocumentError> {
    let mut unknown = None;
    each_text(value, &mut |text| {
        for piece in pieces(text) {
            if let Piece::Parameter(name) = piece
                && !parameters.contains_key(name)
            {
                unknown.get_or_insert(name);
            }
        }
    });
    match unknown {
        None => Ok(()),
        Some(name) => {
            let rule = format!("uses {{{{ {name} }}}}, which is not among the parameters");
            Err(DocumentError::at(path, rule))
        }
    }
}
