//! Lists of what nobody has here: second factors, certificates, and keys for services that are not there.

use drawbridge_session::iam::{Directory, IamError};
use drawbridge_session::{Caller, Needs};
use serde::Deserialize;
use serde_json::Value;

use crate::operation::{Occasion, read};
use crate::page::{Page, Paging};
use crate::whom::Whom;
use crate::{Operation, needs, whom};

pub(crate) const LIST_MFA_DEVICES: Operation = read("iam:ListMFADevices", whom::needs, |iam, call| {
    iam.look(call, |directory, input: OfUser, at| {
        input.list("MFADevices", directory, at)
    })
});

pub(crate) const LIST_SIGNING_CERTIFICATES: Operation =
    read("iam:ListSigningCertificates", whom::needs, |iam, call| {
        iam.look(call, |directory, input: OfUser, at| {
            input.list("Certificates", directory, at)
        })
    });

pub(crate) const LIST_SSH_PUBLIC_KEYS: Operation = read("iam:ListSSHPublicKeys", whom::needs, |iam, call| {
    iam.look(call, |directory, input: OfUser, at| {
        input.list("SSHPublicKeys", directory, at)
    })
});

pub(crate) const LIST_SERVICE_SPECIFIC_CREDENTIALS: Operation = read(
    "iam:ListServiceSpecificCredentials",
    of_user_or_of_all,
    |iam, call| {
        iam.look(call, |directory, input: OfUser, at| {
            input.list("ServiceSpecificCredentials", directory, at)
        })
    },
);

pub(crate) const LIST_VIRTUAL_MFA_DEVICES: Operation =
    read("iam:ListVirtualMFADevices", needs::any, |iam, call| {
        iam.look(call, |_, paging: Paging, at| {
            none("VirtualMFADevices", &paging, at)
        })
    });

fn of_user_or_of_all(caller: &Caller, input: &Value) -> Needs {
    match input.get("AllUsers").and_then(Value::as_bool) {
        Some(true) => needs::any(caller, input),
        Some(false) | None => whom::needs(caller, input),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfUser {
    user_name: Option<String>,
    #[serde(default)]
    all_users: bool,
    #[serde(flatten)]
    paging: Paging,
}

impl OfUser {
    fn list(
        self,
        member: &'static str,
        directory: &Directory,
        at: &Occasion<'_>,
    ) -> Result<Page<Value>, IamError> {
        if !self.all_users
            && let Whom::User(name) = Whom::of(self.user_name, directory, at)?
        {
            directory.user(&name)?;
        }
        none(member, &self.paging, at)
    }
}

fn none(member: &'static str, paging: &Paging, at: &Occasion<'_>) -> Result<Page<Value>, IamError> {
    Ok(paging.cut(at)?.by_place(std::iter::empty())?.under(member))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Desk;

    #[tokio::test]
    async fn nobody_has_any_but_who_is_asked_about_must_exist() {
        let desk = Desk::new().await;
        for (operation, member) in [
            ("ListMFADevices", "MFADevices"),
            ("ListSigningCertificates", "Certificates"),
            ("ListSSHPublicKeys", "SSHPublicKeys"),
            ("ListServiceSpecificCredentials", "ServiceSpecificCredentials"),
        ] {
            let none = json!({member: [], "IsTruncated": false});
            assert_eq!(desk.ask(operation, json!({})).await, none);
            assert_eq!(
                desk.ask(operation, json!({"UserName": "admin", "MaxItems": 5}))
                    .await,
                none
            );
            assert_eq!(
                desk.ask_as(desk.house.root_user(), operation, json!({})).await,
                Ok(none)
            );
            let (status, code, _) = desk.refused(operation, json!({"UserName": "no"})).await;
            assert_eq!((status, code.as_str()), (404, "NoSuchEntity"));
        }
        let devices = desk
            .ask("ListVirtualMFADevices", json!({"AssignmentStatus": "Any"}))
            .await;
        assert_eq!(devices, json!({"VirtualMFADevices": [], "IsTruncated": false}));
        let all = desk
            .ask("ListServiceSpecificCredentials", json!({"AllUsers": true}))
            .await;
        assert_eq!(
            all,
            json!({"ServiceSpecificCredentials": [], "IsTruncated": false})
        );
    }
}
