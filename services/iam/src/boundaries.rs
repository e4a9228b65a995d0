//! Permissions boundaries of users and roles.

use serde::Deserialize;

use crate::kind::{HasBoundary, Named};
use crate::operation::write;
use crate::{Operation, needs};

/// Declares the operation that limits one of a kind.
pub(crate) const fn put<K: HasBoundary>(action: &'static str) -> Operation {
    write(action, needs::bounded::<K>, |iam, call| {
        iam.change(call, |directory, input: Put, _| {
            directory.put_boundary(K::bounded(&input.name), &input.permissions_boundary)
        })
    })
}

/// Declares the operation that removes the limit of one of a kind.
pub(crate) const fn delete<K: HasBoundary>(action: &'static str) -> Operation {
    write(action, needs::named::<K>, |iam, call| {
        iam.change(call, |directory, input: Named, _| {
            directory.delete_boundary(K::bounded(&input.name))
        })
    })
}

#[derive(Deserialize)]
struct Put {
    #[serde(alias = "UserName", alias = "RoleName")]
    name: String,
    #[serde(rename = "PermissionsBoundary")]
    permissions_boundary: String,
}
