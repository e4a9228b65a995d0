//! `{{ name }}` and `{{ssm:name}}` inside texts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::DocumentError;

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What stands for itself, among it braces that hold no name.
    Text(&'a str),
    /// `{{ name }}`.
    Parameter(&'a str),
    /// `{{ssm:name}}` or `{{ssm:name:version}}`: what stands behind the `ssm:`.
    Ssm(&'a str),
}

/// Cuts a text into its pieces.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(open) = rest[from..].find("{{").map(|at| from + at) {
        let inner = &rest[open + 2..];
        let close = inner
            .as_bytes()
            .windows(2)
            .take(MAX_INNER)
            .position(|pair| pair == b"}}");
        let Some((piece, close)) = close.and_then(|close| Some((named(inner[..close].trim())?, close)))
        else {
            // A brace more to the right may begin a name.
            from = open + 1;
            continue;
        };
        if open > 0 {
            pieces.push(Piece::Text(&rest[..open]));
        }
        pieces.push(piece);
        rest = &inner[close + 2..];
        from = 0;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn named(inner: &str) -> Option<Piece<'_>> {
    if is_name(inner) {
        return Some(Piece::Parameter(inner));
    }
    let path = inner.strip_prefix("ssm:")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':');
    (!path.is_empty() && path.len() <= MAX_SSM_NAME && path.chars().all(allowed)).then_some(Piece::Ssm(path))
}

/// The longest name of a parameter of the parameter store, with its version.
const MAX_SSM_NAME: usize = 1100;
/// Where a placeholder ends at the latest.
const MAX_INNER: usize = MAX_SSM_NAME + 100;

/// Says whether a text can be the name of a document's parameter; agents ignore others.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Says whether something is to be put into a text before it means what it says.
pub(super) fn has_placeholder(text: &str) -> bool {
    pieces(text).iter().any(|piece| !matches!(piece, Piece::Text(_)))
}

/// Says whether a text refers to the parameter store.
pub(super) fn has_ssm_reference(text: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(piece, Piece::Ssm(_)))
}

/// Who fills what is still open in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilledBy {
    /// Nobody: it means what it says.
    Nobody,
    /// Whoever starts a session, by a parameter.
    Request,
    /// The node, which reads the parameter store.
    Node,
}

impl FilledBy {
    /// Looks for placeholders; one that the node fills weighs more than one of the request.
    pub fn of(text: &str) -> Self {
        let pieces = pieces(text);
        if pieces.iter().any(|piece| matches!(piece, Piece::Ssm(_))) {
            Self::Node
        } else if pieces.iter().any(|piece| matches!(piece, Piece::Parameter(_))) {
            Self::Request
        } else {
            Self::Nobody
        }
    }
}

/// Returns the parameters of the parameter store that a resolved document refers to, as `name` or `name:version`.
pub fn ssm_references(value: &Value) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    each_text(value, &mut |text| {
        found.extend(pieces(text).into_iter().filter_map(|piece| match piece {
            Piece::Ssm(path) => Some(path),
            Piece::Text(_) | Piece::Parameter(_) => None,
        }));
    });
    found
}

/// Puts values of the parameter store, by `name` or `name:version`, in the place of their references.
///
/// # Errors
///
/// Names a reference without a value, or whose value has `{{` and so could be taken for a placeholder.
pub fn put_ssm_values(value: &mut Value, values: &BTreeMap<String, String>) -> Result<(), DocumentError> {
    match value {
        Value::String(text) if has_ssm_reference(text) => {
            let filled = pieces(text).into_iter().map(|piece| match piece {
                Piece::Text(text) => Ok(text.to_owned()),
                Piece::Parameter(name) => Ok(format!("{{{{ {name} }}}}")),
                Piece::Ssm(path) => match values.get(path) {
                    None => Err(DocumentError::at(format!("{{{{ssm:{path}}}}}"), "has no value")),
                    Some(value) if value.contains("{{") => Err(DocumentError::at(
                        format!("{{{{ssm:{path}}}}}"),
                        "has a value with `{{`",
                    )),
                    Some(value) => Ok(value.clone()),
                },
            });
            *text = filled.collect::<Result<String, _>>()?;
            Ok(())
        }
        Value::Array(inner) => inner
            .iter_mut()
            .try_for_each(|value| put_ssm_values(value, values)),
        Value::Object(object) => object
            .values_mut()
            .try_for_each(|value| put_ssm_values(value, values)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Visits every text inside a value.
pub(super) fn each_text<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, visit)),
        Value::Object(object) => object.values().for_each(|value| each_text(value, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_names_and_leaves_other_braces() {
        assert_eq!(pieces("{{a}}"), [Piece::Parameter("a")]);
        assert_eq!(
            pieces("x {{ a }}{{ssm:/p/q:3}} {{.Names}} {{"),
            [
                Piece::Text("x "),
                Piece::Parameter("a"),
                Piece::Ssm("/p/q:3"),
                Piece::Text(" {{.Names}} {{"),
            ]
        );
        assert_eq!(pieces("{{{a}}"), [Piece::Text("{"), Piece::Parameter("a")]);
        assert_eq!(pieces("{{ {{a}}"), [Piece::Text("{{ "), Piece::Parameter("a")]);
        assert!(!has_placeholder("{{a b}} {{ssm:$(id)}} {{}}"));
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "[a{} :s]{0,24}|[{}a]{0,12}") {
            let whole: String = pieces(&text).into_iter().map(|piece| match piece {
                Piece::Text(text) => text.replace(' ', ""),
                Piece::Parameter(name) => format!("{{{{{name}}}}}"),
                Piece::Ssm(path) => format!("{{{{ssm:{path}}}}}"),
            }).collect();
            prop_assert_eq!(whole, text.replace(' ', ""));
        }
    }
}
