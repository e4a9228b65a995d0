//! What decisions and the audit log are told of a request: the bucket and key that the operation will act on, and the facts
//! that conditions ask about.

use std::collections::BTreeMap;
use std::fmt;

use drawbridge_session::{Caller, Need, Needs, Resource, Tag};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// What the gateway knows of a request that is not in its headers.
#[derive(Debug, Clone, Default)]
pub struct RequestFacts {
    /// `s3:authType`: `REST-HEADER`, `REST-QUERY-STRING`, or nothing for nobody.
    pub auth_type: Option<&'static str>,
    /// `s3:signatureAge` in milliseconds, of links.
    pub signature_age_ms: Option<i64>,
    /// `s3:TlsVersion`, such as `1.3`.
    pub tls_version: Option<&'static str>,
    /// The id of the request.
    pub request_id: String,
}

/// Headers that an operation acts by, each a condition key. What another header says is not what will be done.
pub(crate) type Headers = &'static [&'static str];

/// Who may have what, where ACLs are set.
pub(crate) const ACL: Headers = &[
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

/// What an object will be.
pub(crate) const STORED: Headers = &[
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
];

/// What a copy takes from its source.
pub(crate) const COPIED: Headers = &["x-amz-metadata-directive"];

/// Who will own the objects of a bucket.
pub(crate) const OWNED: Headers = &["x-amz-object-ownership"];

/// What every request says of its body.
const BODY: Headers = &["x-amz-content-sha256"];

/// The condition key of what a request would tag.
const TAG_KEYS: &str = "aws:TagKeys";

/// An object that bytes are copied from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) version: Option<&'a str>,
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)?;
        self.version
            .map_or(Ok(()), |version| write!(f, "?versionId={version}"))
    }
}

/// What an input acts on.
pub(crate) trait Named {
    /// The headers that its operation acts by.
    const HEADERS: &'static [Headers] = &[];

    /// The bucket; `None` for what is about all of them.
    fn bucket(&self) -> Option<&str> {
        None
    }

    /// The account that the request expects to own the bucket.
    fn expected_owner(&self) -> Option<&str> {
        None
    }

    /// The key.
    fn key(&self) -> Option<&str> {
        None
    }

    /// The version.
    fn version(&self) -> Option<&str> {
        None
    }

    /// The upload that it goes on with.
    fn upload(&self) -> Option<&str> {
        None
    }

    /// The object that bytes are copied from.
    fn source(&self) -> Option<Source<'_>> {
        None
    }

    /// Reads anew what the dialect reads otherwise than S3 does.
    fn reread(&mut self, _headers: &HeaderMap) {}

    /// Condition keys that only the input tells.
    fn conditions(&self, _conditions: &mut Map<String, Value>) {}
}

/// An input whose document tells condition keys.
pub(crate) trait Telling {
    /// Adds them.
    fn conditions(&self, conditions: &mut Map<String, Value>);
}

/// Sums a request up, as [`needs`](on_bucket) and the audit log read it.
pub(crate) fn summary<I: Named>(input: &I, headers: &HeaderMap, facts: &RequestFacts) -> Value {
    let mut summary = Map::new();
    let mut name = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            summary.insert(name.to_owned(), json!(value));
        }
    };
    name("bucketName", input.bucket());
    name("key", input.key());
    name("versionId", input.version());
    name("uploadId", input.upload());
    let mut conditions = Map::new();
    input.conditions(&mut conditions);
    for name in I::HEADERS.iter().copied().chain([BODY]).flatten() {
        add_header(&mut conditions, name, headers);
    }
    add_signature(&mut conditions, facts);
    if let Some(version) = input.version() {
        conditions.insert("s3:VersionId".to_owned(), json!(version));
    }
    let bypass = headers
        .get("x-amz-bypass-governance-retention")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if bypass {
        summary.insert("bypassGovernanceRetention".to_owned(), json!(true));
    }
    if let Some(source) = input.source() {
        conditions.insert("s3:x-amz-copy-source".to_owned(), json!(source.to_string()));
        let source = json!({
            "bucketName": source.bucket, "key": source.key, "versionId": source.version,
        });
        summary.insert("source".to_owned(), source);
    }
    summary.insert("conditions".to_owned(), Value::Object(conditions));
    Value::Object(summary)
}

/// Adds a header, read as the dialect reads it: an empty one says nothing, and it has refused what is no text or said twice.
fn add_header(conditions: &mut Map<String, Value>, name: &str, headers: &HeaderMap) {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return;
    };
    let lock = name
        .strip_prefix("x-amz-")
        .filter(|it| it.starts_with("object-lock-"));
    match (name, lock) {
        ("x-amz-tagging", _) => add_tags(conditions, pairs(value)),
        (_, lock) => {
            conditions.insert(format!("s3:{}", lock.unwrap_or(name)), json!(value));
        }
    }
}

/// Adds what of a bucket is listed.
pub(crate) fn add_listing(
    conditions: &mut Map<String, Value>,
    prefix: Option<&String>,
    delimiter: Option<&String>,
    most: Option<i32>,
) {
    let most = most.map(|most| most.to_string());
    for (name, value) in [
        ("prefix", prefix),
        ("delimiter", delimiter),
        ("max-keys", most.as_ref()),
    ] {
        if let Some(value) = value {
            conditions.insert(format!("s3:{name}"), json!(value));
        }
    }
}

fn add_signature(conditions: &mut Map<String, Value>, facts: &RequestFacts) {
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            conditions.insert(key.to_owned(), json!(value));
        }
    };
    set("s3:authType", facts.auth_type.map(str::to_owned));
    set(
        "s3:signatureversion",
        facts.auth_type.map(|_| "AWS4-HMAC-SHA256".to_owned()),
    );
    set("s3:signatureAge", facts.signature_age_ms.map(|ms| ms.to_string()));
    set("s3:TlsVersion", facts.tls_version.map(str::to_owned));
}

/// Adds `s3:RequestObjectTag/…` and `s3:RequestObjectTagKeys`.
pub(crate) fn add_tags(
    conditions: &mut Map<String, Value>,
    tags: impl IntoIterator<Item = (String, String)>,
) {
    let mut keys = Vec::new();
    for (key, value) in tags {
        conditions.insert(format!("s3:RequestObjectTag/{key}"), json!(value));
        keys.push(json!(key));
    }
    conditions.insert("s3:RequestObjectTagKeys".to_owned(), Value::Array(keys));
}

/// Adds `aws:RequestTag/…` and `aws:TagKeys`, of requests that have any.
pub(crate) fn add_request_tags(conditions: &mut Map<String, Value>, tags: &[Tag]) {
    for tag in tags {
        conditions.insert(format!("aws:RequestTag/{}", tag.key), json!(tag.value));
    }
    if !tags.is_empty() {
        let keys: Vec<_> = tags.iter().map(|tag| &tag.key).collect();
        conditions.insert(TAG_KEYS.to_owned(), json!(keys));
    }
}

/// Reads `a=b&c=d`.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pieces = text.split('&').filter(|piece| !piece.is_empty());
    pieces.map(move |piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decoded(name), decoded(value))
    })
}

/// Needs the action on all of S3.
pub(crate) fn on_everything(_: &Caller, summary: &Value) -> Needs {
    with_conditions(Need::on(Resource::any()), summary).into()
}

/// Needs the action on the bucket.
pub(crate) fn on_bucket(_: &Caller, summary: &Value) -> Needs {
    let bucket = text(summary, "bucketName");
    with_conditions(Need::on(Resource::bucket(bucket)), summary).into()
}

/// Needs the action on a bucket to be, and to tag it where it is to have tags.
pub(crate) fn on_new_bucket(caller: &Caller, summary: &Value) -> Needs {
    let needs = on_bucket(caller, summary);
    match (needs, summary.pointer("/conditions/aws:TagKeys")) {
        (Needs::All(mut needs), Some(_)) => {
            let bucket = Resource::bucket(text(summary, "bucketName"));
            needs.push(with_conditions(Need::also("s3:TagResource", bucket), summary));
            Needs::All(needs)
        }
        (needs, _) => needs,
    }
}

/// Needs the action on the object.
pub(crate) fn on_object(_: &Caller, summary: &Value) -> Needs {
    with_conditions(Need::on(object(summary)), summary).into()
}

/// Needs the action on the object of an upload, whose beginning tells what it will be.
pub(crate) fn on_upload(_: &Caller, summary: &Value) -> Needs {
    let (bucket, key) = (text(summary, "bucketName"), text(summary, "key"));
    let upload = Resource::upload(bucket, key, text(summary, "uploadId"));
    with_conditions(Need::on(upload), summary).into()
}

/// Returns the condition keys of an upload's beginning.
pub(crate) fn of_upload(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut conditions = Map::new();
    for name in ACL.iter().chain(STORED) {
        add_header(&mut conditions, name, headers);
    }
    let values = |value: &Value| texts(value).map(str::to_owned).collect();
    let conditions = conditions.iter();
    conditions
        .map(|(key, value)| (key.clone(), values(value)))
        .collect()
}

/// Needs the operation's own action on an object, or `versioned` where the request names a version.
pub(crate) fn on_version(versioned: &str, summary: &Value) -> Needs {
    let need = match summary.get("versionId") {
        Some(_) => Need::also(versioned, object(summary)),
        None => Need::on(object(summary)),
    };
    with_conditions(need, summary).into()
}

/// Needs another action on the object as well.
pub(crate) fn also(needs: Needs, action: &str, summary: &Value) -> Needs {
    match needs {
        Needs::All(mut needs) => {
            needs.push(with_conditions(Need::also(action, object(summary)), summary));
            Needs::All(needs)
        }
        Needs::Signature => Needs::Signature,
    }
}

/// Needs to read the object that is copied from as well.
pub(crate) fn also_reads(needs: Needs, summary: &Value) -> Needs {
    let (mut needs, source) = match (needs, summary.get("source")) {
        (Needs::All(needs), Some(source)) => (needs, source),
        // An access point is no source; who may not write is not told that.
        (needs, _) => return needs,
    };
    let resource = Resource::object(text(source, "bucketName"), text(source, "key"));
    needs.push(match source.get("versionId").and_then(Value::as_str) {
        Some(version) => Need::also("s3:GetObjectVersion", resource).with("s3:VersionId", version),
        None => Need::also("s3:GetObject", resource),
    });
    Needs::All(needs)
}

/// Whether the request wants to bypass governance.
pub(crate) fn bypasses(summary: &Value) -> bool {
    summary.get("bypassGovernanceRetention") == Some(&Value::Bool(true))
}

fn object(summary: &Value) -> Resource {
    Resource::object(text(summary, "bucketName"), text(summary, "key"))
}

pub(crate) fn text<'a>(summary: &'a Value, name: &str) -> &'a str {
    summary.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn with_conditions(mut need: Need, summary: &Value) -> Need {
    let conditions = summary.get("conditions").and_then(Value::as_object);
    for (key, value) in conditions.into_iter().flatten() {
        for text in texts(value) {
            need = need.with(key, text);
        }
    }
    need
}

/// The text of a condition key that has one, or those of one that has many.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().map(Vec::as_slice);
    many.unwrap_or(std::slice::from_ref(value))
        .iter()
        .filter_map(Value::as_str)
}
