//! What requests need to be allowed: IAM's resources, and the facts that its conditions ask about.
//!
//! A decision comes before any look-up, so these know the request only; the authority finds the paths and tags.

use drawbridge_session::{Caller, Need, Needs, Resource, Tag};
use serde_json::Value;

use crate::kind::Kind;

/// Needs the action on nothing that ARNs name.
pub(crate) fn any(_: &Caller, _: &Value) -> Needs {
    Resource::any().into()
}

/// Needs the action on what the request names.
pub(crate) fn named<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    on::<K>(caller, input).into()
}

/// Needs the action where the request would create something, with the tags and the boundary that it would have; and for
/// tags the action that tags, so that creating is no way around it.
///
/// What has the name already has no say: its tags are not those of what would be created.
pub(crate) fn created<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    let resource = at::<K>(caller, path_of(input, "Path"), text(input, K::NEW));
    let tags = tags(input);
    let need = Need::on(resource.clone()).with_request_tags(&tags);
    let mut needs = vec![with_boundary(need, input)];
    if !tags.is_empty() {
        let tag = format!("iam:Tag{}", K::NEW.trim_end_matches("Name"));
        needs.push(Need::also(&tag, resource).with_request_tags(&tags));
    }
    needs.into()
}

/// Needs the action on what is there and on what it would become, as AWS says of another name or path.
///
/// Only the directory knows the path of what is there. Where the request leaves it out, the new ARN is one without.
pub(crate) fn moved<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    let new_name = text(input, &format!("New{}", K::MEMBER));
    let name = if new_name.is_empty() {
        text(input, K::MEMBER)
    } else {
        new_name
    };
    let mut needs = vec![on::<K>(caller, input)];
    if !new_name.is_empty() || !text(input, "NewPath").is_empty() {
        needs.push(Need::on(at::<K>(caller, path_of(input, "NewPath"), name)));
    }
    needs.into()
}

/// Needs the action on everything of a kind below a path.
pub(crate) fn below_path<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    at::<K>(caller, path_of(input, "PathPrefix"), "").into()
}

/// Needs the action on the policies below a path, AWS's among them: what AWS calls it is no ARN.
pub(crate) fn policies(_: &Caller, input: &Value) -> Needs {
    Resource::plain(format!("policy path {}", path_of(input, "PathPrefix"))).into()
}

/// Needs the action on what the request names, with the policy that it attaches or detaches.
pub(crate) fn with_policy<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    on::<K>(caller, input)
        .with("iam:PolicyARN", text(input, "PolicyArn"))
        .into()
}

/// Needs the action on what the request names, with the boundary that it sets.
pub(crate) fn bounded<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    with_boundary(on::<K>(caller, input), input).into()
}

/// Needs the action on what the request names, with the tags that it sets.
pub(crate) fn tagged<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    on::<K>(caller, input).with_request_tags(&tags(input)).into()
}

/// Needs the action on what the request names, with the keys of the tags that it removes.
pub(crate) fn untagged<K: Kind>(caller: &Caller, input: &Value) -> Needs {
    let keys = input.get("TagKeys").and_then(Value::as_array);
    let keys = keys.into_iter().flatten().filter_map(Value::as_str);
    on::<K>(caller, input).with_tag_keys(keys).into()
}

/// Needs the operation's own action on what the request names.
pub(crate) fn on<K: Kind>(caller: &Caller, input: &Value) -> Need {
    Need::on(K::resource(&caller.account, text(input, K::MEMBER)))
}

/// Returns a text member of an input, or nothing.
pub(crate) fn text<'a>(input: &'a Value, member: &str) -> &'a str {
    input.get(member).and_then(Value::as_str).unwrap_or("")
}

fn path_of<'a>(input: &'a Value, member: &str) -> &'a str {
    match text(input, member) {
        "" => "/",
        path => path,
    }
}

fn at<K: Kind>(caller: &Caller, path: &str, name: &str) -> Resource {
    Resource::plain(format!("arn:aws:iam::{}:{}{path}{name}", caller.account, K::NOUN))
}

fn with_boundary(need: Need, input: &Value) -> Need {
    match text(input, "PermissionsBoundary") {
        "" => need,
        arn => need.with("iam:PermissionsBoundary", arn),
    }
}

fn tags(input: &Value) -> Vec<Tag> {
    let tags = input.get("Tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| Some(Tag::new(tag.get("Key")?.as_str()?, tag.get("Value")?.as_str()?)))
        .collect()
}
