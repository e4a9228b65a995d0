//! Tags of users, roles, policies and instance profiles.

use drawbridge_session::Tag;
use serde::Deserialize;

use crate::kind::{HasTags, Named};
use crate::operation::{read, write};
use crate::page::Paging;
use crate::{Operation, needs};

/// Declares the operation that adds tags to one of a kind.
pub(crate) const fn tag<K: HasTags>(action: &'static str) -> Operation {
    write(action, needs::tagged::<K>, |iam, call| {
        iam.change(call, |directory, input: Add, _| {
            directory.tag(K::tagged(&input.of.name), input.tags)
        })
    })
}

/// Declares the operation that removes tags from one of a kind.
pub(crate) const fn untag<K: HasTags>(action: &'static str) -> Operation {
    write(action, needs::untagged::<K>, |iam, call| {
        iam.change(call, |directory, input: Remove, _| {
            directory.untag(K::tagged(&input.of.name), &input.tag_keys)
        })
    })
}

/// Declares the operation that lists the tags of one of a kind.
pub(crate) const fn list<K: HasTags>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let tags = directory.tags(K::tagged(&input.of.name))?.as_slice();
            let part = input.paging.cut(at)?.by_place(tags.iter().cloned())?;
            Ok(part.under("Tags"))
        })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Add {
    #[serde(flatten)]
    of: Named,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Remove {
    #[serde(flatten)]
    of: Named,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(flatten)]
    of: Named,
    #[serde(flatten)]
    paging: Paging,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{ALLOW, Desk, policy_arn};

    #[tokio::test]
    async fn every_kind_is_tagged_alike() {
        let desk = Desk::new().await;
        desk.ask(
            "CreatePolicy",
            json!({"PolicyName": "own", "PolicyDocument": ALLOW}),
        )
        .await;
        desk.ask("CreateInstanceProfile", json!({"InstanceProfileName": "web"}))
            .await;
        for (kind, member, name) in [
            ("User", "UserName", "admin"),
            ("Role", "RoleName", "NodeRole"),
            ("Policy", "PolicyArn", &*policy_arn("own")),
            ("InstanceProfile", "InstanceProfileName", "web"),
        ] {
            let tags = json!([{"Key": "Team", "Value": "blue"}, {"Key": "empty", "Value": ""}]);
            desk.tell(&format!("Tag{kind}"), json!({member: name, "Tags": tags}))
                .await;
            let list = || json!({member: name});
            assert_eq!(
                desk.ask(&format!("List{kind}Tags"), list()).await,
                json!({"Tags": tags, "IsTruncated": false})
            );
            desk.tell(
                &format!("Untag{kind}"),
                json!({member: name, "TagKeys": ["TEAM", "none"]}),
            )
            .await;
            assert_eq!(
                desk.ask(&format!("List{kind}Tags"), list()).await,
                json!({"Tags": [tags[1]], "IsTruncated": false})
            );
        }
    }
}
