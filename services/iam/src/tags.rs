//! Tags of users, roles, policies and instance profiles.

use drawbridge_session::Tag;
use serde::Deserialize;

use crate::kind::HasTags;
use crate::operation::{read, write};
use crate::page::Paging;
use crate::{Operation, needs};

/// Declares the operation that adds tags to one of a kind.
pub(crate) const fn tag<K: HasTags>(action: &'static str) -> Operation {
    write(action, needs::tagged::<K>, |iam, call| {
        iam.change(call, |directory, input: Add, _| {
            directory.tag(K::tagged(&input.name), input.tags)
        })
    })
}

/// Declares the operation that removes tags from one of a kind.
pub(crate) const fn untag<K: HasTags>(action: &'static str) -> Operation {
    write(action, needs::untagged::<K>, |iam, call| {
        iam.change(call, |directory, input: Remove, _| {
            directory.untag(K::tagged(&input.name), &input.tag_keys)
        })
    })
}

/// Declares the operation that lists the tags of one of a kind.
pub(crate) const fn list<K: HasTags>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let tags = directory.tags(K::tagged(&input.name))?.as_slice();
            let part = input.paging.cut(at)?.by_place(tags.iter().cloned())?;
            Ok(part.under("Tags"))
        })
    })
}

#[derive(Deserialize)]
struct Add {
    #[serde(
        alias = "UserName",
        alias = "RoleName",
        alias = "PolicyArn",
        alias = "InstanceProfileName"
    )]
    name: String,
    #[serde(rename = "Tags")]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Remove {
    #[serde(
        alias = "UserName",
        alias = "RoleName",
        alias = "PolicyArn",
        alias = "InstanceProfileName"
    )]
    name: String,
    #[serde(rename = "TagKeys")]
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(
        alias = "UserName",
        alias = "RoleName",
        alias = "PolicyArn",
        alias = "InstanceProfileName"
    )]
    name: String,
    #[serde(flatten)]
    paging: Paging,
}
