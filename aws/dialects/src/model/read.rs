//! Reading a trimmed model's JSON into resolved shapes.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Map;

use super::pattern::Pattern;
use super::shape::{Kind, Limits, Member, Shape, ShapeId};
use super::{Operation, Service, Wire};
use crate::error::Family;

/// What is wrong with a model.
#[derive(Debug, thiserror::Error)]
pub(super) enum ModelError {
    /// Not the JSON that the generator writes.
    #[error("cannot parse the model")]
    Json(#[from] serde_json::Error),
    /// A reference to nothing.
    #[error("no shape `{0}`")]
    UnknownShape(String),
    /// A type nobody has met.
    #[error("shape `{0}` has unknown type `{1}`")]
    UnknownType(String, String),
    /// A protocol that nobody here speaks.
    #[error("unknown protocol `{0}`")]
    UnknownProtocol(String),
    /// No file at all.
    #[error("a service without a model")]
    Nothing,
}

/// Reads several files of one service; a later file adds operations.
pub(super) fn service(texts: &[&str]) -> Result<Service, ModelError> {
    let mut operations = BTreeMap::new();
    let mut spoken = None;
    for text in texts {
        let raw: RawModel = serde_json::from_str(text)?;
        let wire = Arc::new(wire(&raw.metadata)?);
        operations.extend(one_file(raw, &wire)?);
        spoken.get_or_insert(wire);
    }
    Ok(Service {
        wire: spoken.ok_or(ModelError::Nothing)?,
        operations,
    })
}

fn wire(metadata: &RawMetadata) -> Result<Wire, ModelError> {
    let family = match metadata.protocol.as_str() {
        "json" => Family::Json,
        "query" => Family::Query,
        "ec2" => Family::Ec2,
        other => return Err(ModelError::UnknownProtocol(other.to_owned())),
    };
    Ok(Wire {
        family,
        // None of the services here signs with another name than that of its endpoint.
        signing_name: metadata.endpoint_prefix.clone(),
        api_version: metadata.api_version.clone(),
        target_prefix: metadata.target_prefix.clone(),
        xml_namespace: metadata.xml_namespace.clone(),
    })
}

fn one_file(raw: RawModel, wire: &Arc<Wire>) -> Result<Vec<(String, Operation)>, ModelError> {
    let index = raw
        .shapes
        .keys()
        .enumerate()
        .map(|(id, name)| (name.clone(), ShapeId(id)))
        .collect();
    let find = |reference: &RawReference| find(&index, &reference.shape);
    let shapes = raw
        .shapes
        .iter()
        .map(|(name, shape)| resolve(name, shape, &raw.shapes, &index, wire.family))
        .collect::<Result<Arc<[Shape]>, _>>()?;
    raw.operations
        .into_iter()
        .map(|(name, operation)| {
            let errors = operation
                .errors
                .iter()
                .map(|error| failure(&raw.shapes, &error.shape))
                .collect();
            let result_wrapper = operation
                .output
                .as_ref()
                .and_then(|output| output.result_wrapper.clone());
            let operation = Operation {
                name: name.clone(),
                input: operation.input.as_ref().map(find).transpose()?,
                output: operation.output.as_ref().map(find).transpose()?,
                result_wrapper,
                errors,
                shapes: Arc::clone(&shapes),
                wire: Arc::clone(wire),
            };
            Ok((name, operation))
        })
        .collect()
}

type Index = BTreeMap<String, ShapeId>;

fn find(index: &Index, name: &str) -> Result<ShapeId, ModelError> {
    index
        .get(name)
        .copied()
        .ok_or_else(|| ModelError::UnknownShape(name.to_owned()))
}

fn resolve(
    name: &str,
    raw: &RawShape,
    shapes: &RawShapes,
    index: &Index,
    family: Family,
) -> Result<Shape, ModelError> {
    let part = |reference: &Option<RawReference>| match reference {
        Some(reference) => find(index, &reference.shape),
        None => Err(ModelError::UnknownShape(format!("part of {name}"))),
    };
    let kind = match raw.kind.as_str() {
        "structure" => Kind::Structure(members(raw, shapes, index, family)?),
        "list" => Kind::List {
            element: part(&raw.member)?,
            element_name: raw
                .member
                .as_ref()
                .and_then(|member| member.location_name.clone())
                .unwrap_or_else(|| "member".to_owned()),
            flattened: raw.flattened,
        },
        "map" => Kind::Map {
            key: part(&raw.key)?,
            value: part(&raw.value)?,
        },
        "string" | "character" => Kind::Text,
        "blob" => Kind::Blob,
        "integer" => Kind::Integer,
        "long" => Kind::Long,
        "float" | "double" => Kind::Float,
        "boolean" => Kind::Boolean,
        "timestamp" => Kind::Timestamp,
        other => return Err(ModelError::UnknownType(name.to_owned(), other.to_owned())),
    };
    let limits = Limits {
        min: raw.min,
        max: raw.max,
        pattern: raw.pattern.as_deref().map(Pattern::new),
        values: raw.values.clone(),
    };
    Ok(Shape {
        name: name.to_owned(),
        kind,
        sensitive: raw.sensitive,
        limits,
    })
}

fn members(
    raw: &RawShape,
    shapes: &RawShapes,
    index: &Index,
    family: Family,
) -> Result<Vec<Member>, ModelError> {
    raw.members
        .iter()
        .map(|(name, reference)| {
            let reference = RawReference::deserialize(reference)?;
            let xml_name = flattened_name(shapes, &reference)
                .or(reference.location_name.as_ref())
                .unwrap_or(name);
            let form_name = match family {
                Family::Ec2 => match (&reference.query_name, &reference.location_name) {
                    (Some(name), _) => name.clone(),
                    (None, Some(name)) => capitalized(name),
                    (None, None) => name.clone(),
                },
                Family::Query | Family::Json | Family::Rest | Family::S3 => xml_name.clone(),
            };
            Ok(Member {
                name: name.clone(),
                form_name,
                xml_name: xml_name.clone(),
                shape: find(index, &reference.shape)?,
                required: raw.required.contains(name),
            })
        })
        .collect()
}

/// The name that a flattened list gives its elements, which then stands for the member's own.
fn flattened_name<'a>(shapes: &'a RawShapes, reference: &RawReference) -> Option<&'a String> {
    let list = shapes.get(&reference.shape).filter(|shape| shape.flattened)?;
    list.member.as_ref()?.location_name.as_ref()
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// An error's code on the wire and its status: what the model states, else 500 for faults and 400 for the rest.
fn failure(shapes: &RawShapes, name: &str) -> (String, StatusCode) {
    let raw = shapes.get(name);
    let error = raw.and_then(|shape| shape.error.as_ref());
    let code = error
        .and_then(|error| error.code.clone())
        .unwrap_or_else(|| name.to_owned());
    let fallback = match raw {
        Some(shape) if shape.fault => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let status = error
        .and_then(|error| error.http_status_code)
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(fallback);
    (code, status)
}

type RawShapes = BTreeMap<String, RawShape>;

#[derive(Deserialize)]
struct RawModel {
    metadata: RawMetadata,
    operations: BTreeMap<String, RawOperation>,
    shapes: RawShapes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    protocol: String,
    endpoint_prefix: String,
    #[serde(default)]
    api_version: String,
    target_prefix: Option<String>,
    #[serde(default)]
    xml_namespace: String,
}

#[derive(Deserialize)]
struct RawOperation {
    input: Option<RawReference>,
    output: Option<RawReference>,
    #[serde(default)]
    errors: Vec<RawReference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReference {
    shape: String,
    location_name: Option<String>,
    query_name: Option<String>,
    result_wrapper: Option<String>,
}

#[derive(Deserialize)]
struct RawShape {
    #[serde(rename = "type")]
    kind: String,
    /// Kept as a JSON map, which remembers the model's order.
    #[serde(default)]
    members: Map<String, serde_json::Value>,
    #[serde(default)]
    required: Vec<String>,
    member: Option<RawReference>,
    key: Option<RawReference>,
    value: Option<RawReference>,
    min: Option<i64>,
    max: Option<i64>,
    pattern: Option<String>,
    #[serde(default, rename = "enum")]
    values: Vec<String>,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    fault: bool,
    error: Option<RawError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawError {
    code: Option<String>,
    http_status_code: Option<u16>,
}
