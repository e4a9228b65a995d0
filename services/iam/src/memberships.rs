//! Who is in which group.

use serde::Deserialize;

use crate::groups::Group;
use crate::operation::{read, write};
use crate::page::Paging;
use crate::{Operation, kind, needs};

pub(crate) const ADD: Operation = write("iam:AddUserToGroup", needs::named::<kind::Group>, |iam, call| {
    iam.change(call, |directory, input: Membership, _| {
        directory.add_user_to_group(&input.group_name, &input.user_name)
    })
});

pub(crate) const REMOVE: Operation = write(
    "iam:RemoveUserFromGroup",
    needs::named::<kind::Group>,
    |iam, call| {
        iam.change(call, |directory, input: Membership, _| {
            directory.remove_user_from_group(&input.group_name, &input.user_name)
        })
    },
);

pub(crate) const LIST_FOR_USER: Operation = read(
    "iam:ListGroupsForUser",
    needs::named::<kind::User>,
    |iam, call| {
        iam.look(call, |directory, input: ForUser, at| {
            let groups = directory.groups_of(&input.user_name)?;
            let keyed = groups
                .into_iter()
                .map(|group| (group.name.to_ascii_lowercase(), group));
            let part = input.paging.cut(at)?.by_key(keyed);
            let account = directory.account();
            Ok(part.map(|group| Group::of(group, account)).under("Groups"))
        })
    },
);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Membership {
    group_name: String,
    user_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ForUser {
    user_name: String,
    #[serde(flatten)]
    paging: Paging,
}
