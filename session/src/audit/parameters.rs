//! Inputs and outputs as an event keeps them: renamed, without secrets, and bounded.

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use super::line;

/// How many bytes of JSON an event keeps of an input or an output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(usize);

impl Limit {
    /// CloudTrail's own. The longest text that operations take, a session document of 64 KB, stays below it.
    pub(super) const SIGNED: Self = Self(100 * 1024);

    /// Whoever did not sign may not fill the disk.
    pub(super) const ANONYMOUS: Self = Self(8 * 1024);
}

/// Stands for a value that is not shown; CloudTrail's words.
const HIDDEN: &str = "Value hidden due to security reasons.";

/// Members that no event shows, whichever operation they are of. Each operation names its own; these are here for the
/// one that forgets.
const SECRETS: &[&str] = &[
    "ActivationCode",
    "AuthenticationCode1",
    "AuthenticationCode2",
    "Base32StringSeed",
    "KeyMaterial",
    "NewPassword",
    "OldPassword",
    "Password",
    "Plaintext",
    "PrivateKey",
    "PrivateKeyPlaintext",
    "QRCodePNG",
    "SAMLAssertion",
    "SecretAccessKey",
    "SessionToken",
    "TokenCode",
    "TokenValue",
    "UserData",
    "WebIdentityToken",
];

/// Members that are maps: their keys are the caller's, not names of members.
const MAPS: &[&str] = &[
    "Attributes",
    "DestinationEncryptionContext",
    "EncryptionContext",
    "EncryptionContextEquals",
    "EncryptionContextSubset",
    "Parameters",
    "SourceEncryptionContext",
    "Tags",
];

/// Levels that are kept: no operation has as many, and what is written must be readable again.
const MAX_DEPTH: usize = 32;

/// What is left of each long text when the whole would be too long.
const CUT_TEXT: usize = 1024;

/// Renames members as CloudTrail does (`DocumentName` becomes `documentName`), replaces the values of those that are
/// hidden, and keeps the whole within a limit. Nothing and an empty structure are `None`.
pub(super) fn recorded(value: &Value, hides: &[&str], limit: Limit, what: &str) -> Option<Value> {
    let kept = Keeper { hides }.value(value, Names::Members, 0);
    if kept.is_null() || kept.as_object().is_some_and(Map::is_empty) {
        return None;
    }
    let text = line::of(&kept);
    if text.len() <= limit.0 {
        return Some(kept);
    }
    let mut cut = kept;
    cut_texts(&mut cut);
    if line::of(&cut).len() <= limit.0 {
        return Some(cut);
    }
    Some(json!({
        "omitted": true,
        "originalSize": text.len(),
        "reason": format!("{what} too large"),
        "sha256": sha256(&text),
    }))
}

struct Keeper<'a> {
    hides: &'a [&'a str],
}

/// What the keys of an object are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Members,
    Keys,
}

impl Keeper<'_> {
    fn value(&self, value: &Value, names: Names, depth: usize) -> Value {
        match value {
            Value::Object(_) | Value::Array(_) if depth == MAX_DEPTH => Value::from("…"),
            Value::Object(members) => Value::Object(self.object(members, names, depth)),
            Value::Array(elements) => elements
                .iter()
                .map(|element| self.value(element, Names::Members, depth + 1))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    fn object(&self, members: &Map<String, Value>, names: Names, depth: usize) -> Map<String, Value> {
        let mut kept = Map::new();
        for (name, value) in members {
            let shown = match lowered(name) {
                // A name that the model does not know must not stand in the place of one that it does.
                Some(lowered) if names == Names::Members && !members.contains_key(&lowered) => lowered,
                Some(_) | None => name.clone(),
            };
            let value = if self.hides(name) && !value.is_null() {
                Value::from(HIDDEN)
            } else {
                let below = if names == Names::Members && is_one_of(name, MAPS) {
                    Names::Keys
                } else {
                    Names::Members
                };
                self.value(value, below, depth + 1)
            };
            kept.insert(shown, value);
        }
        kept
    }

    fn hides(&self, name: &str) -> bool {
        is_one_of(name, SECRETS) || is_one_of(name, self.hides)
    }
}

/// Returns a name with its first letter in lower case, if that changes it.
fn lowered(name: &str) -> Option<String> {
    let first = name.chars().next().filter(char::is_ascii_uppercase)?;
    Some(format!("{}{}", first.to_ascii_lowercase(), &name[1..]))
}

/// Dialects differ in the case of the first letter, so a secret is one in any case.
fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|it| it.eq_ignore_ascii_case(name))
}

fn cut_texts(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > CUT_TEXT => {
            *text = format!(
                "{}… ({} bytes, sha256={})",
                line::cut(text, CUT_TEXT),
                text.len(),
                sha256(text)
            );
        }
        Value::Array(elements) => elements.iter_mut().for_each(cut_texts),
        Value::Object(members) => members.values_mut().for_each(cut_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(value: &Value) -> Value {
        recorded(value, &["Value"], Limit::SIGNED, "requestParameters").unwrap_or_default()
    }

    #[test]
    fn lowers_the_first_letter_of_members_and_leaves_the_keys_of_maps() {
        let input = json!({
            "DocumentName": "x", "DBName": "y", "clientToken": "z",
            "Parameters": {"PortNumber": ["80"], "host": ["a"]},
            "Tags": [{"Key": "Environment", "Extra": {"Deep": 1}}],
            "EncryptionContext": {"Aws:X": "Y"},
            "SourceEncryptionContext": {"Aws:X": "Y"}, "DestinationEncryptionContext": {"Aws:X": "Y"},
        });
        let expected = json!({
            "documentName": "x", "dBName": "y", "clientToken": "z",
            "parameters": {"PortNumber": ["80"], "host": ["a"]},
            "tags": [{"key": "Environment", "extra": {"deep": 1}}],
            "encryptionContext": {"Aws:X": "Y"},
            "sourceEncryptionContext": {"Aws:X": "Y"}, "destinationEncryptionContext": {"Aws:X": "Y"},
        });
        assert_eq!(kept(&input), expected);
    }

    #[test]
    fn a_member_that_nobody_knows_takes_no_others_place() {
        for input in [
            json!({"Target": "real", "target": "fake"}),
            json!({"target": "fake", "Target": "real"}),
        ] {
            assert_eq!(kept(&input), input);
        }
    }

    #[test]
    fn hides_in_any_case_at_any_depth() {
        let input = json!({
            "Value": {"x": "s3cret"}, "tokenValue": "s3cret",
            "List": [{"Credentials": {"SecretAccessKey": "s3cret", "SessionToken": null}}],
            "Parameters": {"password": ["s3cret"]},
        });
        let expected = json!({
            "value": HIDDEN, "tokenValue": HIDDEN,
            "list": [{"credentials": {"secretAccessKey": HIDDEN, "sessionToken": null}}],
            "parameters": {"password": HIDDEN},
        });
        assert_eq!(kept(&input), expected);
    }

    #[test]
    fn keeps_nothing_of_nothing() {
        for nothing in [json!(null), json!({})] {
            assert_eq!(recorded(&nothing, &[], Limit::SIGNED, "x"), None);
        }
    }

    #[test]
    fn keeps_a_long_document_and_cuts_longer_ones() {
        let document = json!({"Name": "x", "Content": "\"".repeat(40_000)});
        assert_eq!(kept(&document)["content"], document["Content"]);

        let long = json!({"Name": "x", "Content": "é".repeat(60_000)});
        let cut = kept(&long);
        assert_eq!(cut["name"], "x");
        let content = cut["content"].as_str().expect("a text");
        assert!(content.starts_with(&"é".repeat(512)), "{content}");
        assert!(content.contains("… (120000 bytes, sha256="), "{content}");

        let many: Vec<_> = (0..30_000).map(|at| json!({ "Key": at })).collect();
        let omitted = kept(&json!({ "Tags": many }));
        assert_eq!(omitted["omitted"], true);
        assert_eq!(omitted["reason"], "requestParameters too large");
        assert_eq!(omitted["sha256"].as_str().map(str::len), Some(64));
    }

    #[test]
    fn keeps_no_more_levels_than_can_be_read_again() {
        let mut deep = json!("bottom");
        for _ in 0..120 {
            deep = json!([deep]);
        }
        let text = line::of(&kept(&json!({ "Deep": deep })));
        assert!(text.contains('…') && !text.contains("bottom"), "{text}");
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
}
