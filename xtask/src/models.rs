//! Makes the trimmed service models of `aws/dialects/models` from the descriptions that botocore carries.
//!
//! Kept: operations, shapes they reach, names, types, constraints, and the errors with their statuses. Left out:
//! every sentence. One operation or shape per line, sorted, so that a new botocore shows up as a readable diff.

mod selection;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use selection::{SELECTIONS, Selection};

/// Facts kept of a service.
const METADATA: [&str; 6] = [
    "apiVersion",
    "endpointPrefix",
    "jsonVersion",
    "protocol",
    "targetPrefix",
    "xmlNamespace",
];

/// Facts kept of a shape, beside the shapes it refers to.
const SHAPE: [&str; 10] = [
    "type",
    "required",
    "enum",
    "min",
    "max",
    "pattern",
    "sensitive",
    "flattened",
    "fault",
    "error",
];

/// Writes `<service>.json` for every selected service from botocore's `data` folder into `out`.
///
/// # Errors
/// When a description cannot be found or read, lacks a selected operation, or `out` cannot be written.
pub(crate) fn run(botocore_data: &Path, out: &Path) -> anyhow::Result<()> {
    for selection in &SELECTIONS {
        let path = description(botocore_data, selection.service)?;
        let model =
            trim(read(&path)?, selection).with_context(|| format!("cannot trim `{}`", path.display()))?;
        let target = out.join(format!("{}.json", selection.service));
        std::fs::write(&target, write(&model)?)
            .with_context(|| format!("cannot write `{}`", target.display()))?;
    }
    Ok(())
}

/// Finds the newest description of a service.
fn description(botocore_data: &Path, service: &str) -> anyhow::Result<PathBuf> {
    let folder = botocore_data.join(service);
    let mut versions = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot list `{}`", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    versions.sort();
    let newest = versions
        .pop()
        .with_context(|| format!("no version in `{}`", folder.display()))?;
    let plain = newest.join("service-2.json");
    Ok(if plain.exists() {
        plain
    } else {
        newest.join("service-2.json.gz")
    })
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let bytes = if path.extension().is_some_and(|extension| extension == "gz") {
        let output = Command::new("gzip")
            .arg("-dc")
            .arg(path)
            .output()
            .context("cannot run `gzip`")?;
        if !output.status.success() {
            bail!("`gzip -dc {}` failed", path.display());
        }
        output.stdout
    } else {
        std::fs::read(path)?
    };
    serde_json::from_slice(&bytes).with_context(|| format!("cannot parse `{}`", path.display()))
}

fn trim(mut model: Value, selection: &Selection) -> anyhow::Result<Value> {
    narrow(&mut model["shapes"], selection)?;
    let shapes = &model["shapes"];
    let mut reached = BTreeSet::new();
    let mut kept = Map::new();
    for name in selection.operations {
        let Some(operation) = model["operations"].get(*name) else {
            bail!("no operation `{name}`")
        };
        let mut entry = Map::new();
        for side in ["input", "output"] {
            if let Some(reference) = operation.get(side) {
                entry.insert(side.to_owned(), pick(reference, &["shape", "resultWrapper"]));
                reach(shapes, reference, &mut reached)?;
            }
        }
        let errors = operation["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for error in errors {
            let name = shape_name(error)?;
            reached.insert(name.to_owned());
        }
        entry.insert(
            "errors".to_owned(),
            errors.iter().map(|error| pick(error, &["shape"])).collect(),
        );
        kept.insert((*name).to_owned(), Value::Object(entry));
    }
    let kept_shapes = reached
        .iter()
        .map(|name| (name.clone(), shape(&shapes[name])))
        .collect::<Map<String, Value>>();
    Ok(json!({ "metadata": pick(&model["metadata"], &METADATA), "operations": kept, "shapes": kept_shapes }))
}

/// Drops the members and values that the selection does not keep.
fn narrow(shapes: &mut Value, selection: &Selection) -> anyhow::Result<()> {
    for (name, kept) in selection.members {
        let members = shapes[name]["members"]
            .as_object_mut()
            .with_context(|| format!("no structure `{name}`"))?;
        if let Some(missing) = kept.iter().find(|member| !members.contains_key(**member)) {
            bail!("no member `{missing}` of `{name}`");
        }
        members.retain(|member, _| kept.contains(&member.as_str()));
    }
    for name in selection.open {
        let shape = shapes
            .get_mut(*name)
            .and_then(Value::as_object_mut)
            .with_context(|| format!("no shape `{name}`"))?;
        shape.remove("enum");
    }
    Ok(())
}

/// Collects the shape that `reference` names and all that it is made of.
fn reach(shapes: &Value, reference: &Value, reached: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let name = shape_name(reference)?;
    if !reached.insert(name.to_owned()) {
        return Ok(());
    }
    let shape = shapes.get(name).with_context(|| format!("no shape `{name}`"))?;
    for member in shape["members"].as_object().into_iter().flat_map(Map::values) {
        reach(shapes, member, reached)?;
    }
    for part in ["member", "key", "value"] {
        if let Some(part) = shape.get(part) {
            reach(shapes, part, reached)?;
        }
    }
    Ok(())
}

fn shape(full: &Value) -> Value {
    // What an exception carries beside its message is the handler's business.
    if full["exception"] == true {
        return pick(full, &["type", "fault", "error"]);
    }
    let mut kept = pick(full, &SHAPE);
    let reference = |value: &Value| pick(value, &["shape", "locationName", "queryName"]);
    if let Some(members) = full["members"].as_object() {
        kept["members"] = members
            .iter()
            .map(|(name, member)| (name.clone(), reference(member)))
            .collect::<Value>();
    }
    for part in ["member", "key", "value"] {
        if let Some(value) = full.get(part) {
            kept[part] = reference(value);
        }
    }
    kept
}

fn shape_name(reference: &Value) -> anyhow::Result<&str> {
    reference["shape"].as_str().context("a reference names no shape")
}

fn pick(from: &Value, names: &[&str]) -> Value {
    names
        .iter()
        .filter_map(|name| from.get(*name).map(|value| ((*name).to_owned(), value.clone())))
        .collect()
}

/// Writes the model with one operation or shape per line.
fn write(model: &Value) -> anyhow::Result<String> {
    let mut out = format!("{{\n\"metadata\":{},\n", model["metadata"]);
    for (section, end) in [("operations", ","), ("shapes", "")] {
        writeln!(out, "\"{section}\":{{")?;
        let entries = model[section].as_object().context("sections are objects")?;
        for (index, (name, value)) in entries.iter().enumerate() {
            let comma = if index + 1 < entries.len() { "," } else { "" };
            writeln!(out, "{}:{value}{comma}", Value::from(name.as_str()))?;
        }
        writeln!(out, "}}{end}")?;
    }
    out.push_str("}\n");
    Ok(out)
}
