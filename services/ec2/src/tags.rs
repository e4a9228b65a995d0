//! The operations on tags of instances.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;

use drawbridge_session::{Caller, Need, Needs, Resource, Tag};
use serde::Deserialize;
use serde_json::Value;

/// A tag as requests have it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AskedTag {
    key: Option<String>,
    value: Option<String>,
}

/// Needs the operation's action on each resource of a request, with its tags.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let tags: Vec<AskedTag> = serde_json::from_value(input["Tags"].clone()).unwrap_or_default();
    let (mut whole, mut keys) = (Vec::new(), Vec::new());
    for AskedTag { key, value } in tags {
        match (key, value) {
            (Some(key), Some(value)) => whole.push(Tag::new(key, value)),
            (Some(key), None) => keys.push(key),
            (None, _) => {}
        }
    }
    let ids = input["Resources"].as_array().into_iter().flatten();
    let needs = ids.filter_map(Value::as_str).map(|id| {
        Need::on(resource(caller, id))
            .with_request_tags(&whole)
            .with_tag_keys(keys.iter().map(String::as_str))
    });
    needs.collect::<Vec<_>>().into()
}

/// Names what is tagged; nothing but instances can be.
fn resource(caller: &Caller, id: &str) -> Resource {
    let (region, account) = (&caller.region, &caller.account);
    if id.starts_with("i-") {
        Resource::node(region, account, id)
    } else {
        Resource::plain(format!("arn:aws:ec2:{region}:{account}:*/{id}"))
    }
}
