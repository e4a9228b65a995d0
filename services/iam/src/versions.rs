//! Versions of managed policies.

use drawbridge_session::iam::VersionRef;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::operation::{read, write};
use crate::page::Paging;
use crate::shape::{encoded, seconds};
use crate::{Operation, kind, needs};

pub(crate) const CREATE: Operation = write(
    "iam:CreatePolicyVersion",
    needs::named::<kind::Policy>,
    |iam, call| {
        iam.change(call, |directory, input: Create, at| {
            let (arn, document) = (&input.policy_arn, &input.policy_document);
            let id = directory.create_policy_version(arn, document, input.set_as_default, at.now)?;
            let version = directory.policy(arn)?.version(&id.to_string())?;
            Ok(json!({"PolicyVersion": Version::listed(&version)}))
        })
    },
);

pub(crate) const GET: Operation = read(
    "iam:GetPolicyVersion",
    needs::named::<kind::Policy>,
    |iam, call| {
        iam.look(call, |directory, input: OfPolicy, _| {
            let version = directory.policy(&input.policy_arn)?.version(&input.version_id)?;
            Ok(json!({"PolicyVersion": Version::whole(&version)}))
        })
    },
);

pub(crate) const SET_DEFAULT: Operation = write(
    "iam:SetDefaultPolicyVersion",
    needs::named::<kind::Policy>,
    |iam, call| {
        iam.change(call, |directory, input: OfPolicy, _| {
            directory.set_default_policy_version(&input.policy_arn, &input.version_id)
        })
    },
);

pub(crate) const DELETE: Operation = write(
    "iam:DeletePolicyVersion",
    needs::named::<kind::Policy>,
    |iam, call| {
        iam.change(call, |directory, input: OfPolicy, _| {
            directory.delete_policy_version(&input.policy_arn, &input.version_id)
        })
    },
);

pub(crate) const LIST: Operation = read(
    "iam:ListPolicyVersions",
    needs::named::<kind::Policy>,
    |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let versions = directory.policy(&input.policy_arn)?.versions();
            let part = input.paging.cut(at)?.by_place(versions.iter())?;
            Ok(part.map(Version::listed).under("Versions"))
        })
    },
);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    policy_arn: String,
    policy_document: String,
    #[serde(default)]
    set_as_default: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfPolicy {
    policy_arn: String,
    version_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    policy_arn: String,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    version_id: String,
    is_default_version: bool,
    create_date: i64,
}

impl Version {
    /// Shows a version without its document, as all but `GetPolicyVersion` do.
    fn listed(version: &VersionRef<'_>) -> Self {
        Self {
            document: None,
            version_id: version.id.clone(),
            is_default_version: version.is_default,
            create_date: seconds(version.created_at),
        }
    }

    fn whole(version: &VersionRef<'_>) -> Self {
        Self {
            document: Some(encoded(version.document)),
            ..Self::listed(version)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{ALLOW, Desk, NOW, policy_arn};

    #[tokio::test]
    async fn one_version_is_in_force_and_only_one_of_them_is_shown_with_its_document() {
        let desk = Desk::new().await;
        let arn = policy_arn("own");
        desk.ask(
            "CreatePolicy",
            json!({"PolicyName": "own", "PolicyDocument": ALLOW}),
        )
        .await;
        let deny = ALLOW.replace("Allow", "Deny");
        let created = desk
            .ask(
                "CreatePolicyVersion",
                json!({"PolicyArn": arn, "PolicyDocument": deny}),
            )
            .await;
        let shown = |id: &str, is_default: bool| json!({"VersionId": id, "IsDefaultVersion": is_default, "CreateDate": NOW});
        assert_eq!(created, json!({"PolicyVersion": shown("v2", false)}));
        let version = |id: &str| json!({"PolicyArn": arn, "VersionId": id});
        desk.tell("SetDefaultPolicyVersion", version("v2")).await;
        assert_eq!(
            desk.ask("ListPolicyVersions", json!({"PolicyArn": arn})).await,
            json!({"Versions": [shown("v2", true), shown("v1", false)], "IsTruncated": false})
        );
        let whole = desk.ask("GetPolicyVersion", version("v1")).await;
        let mut expected = shown("v1", false);
        expected["Document"] = json!(
            "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22ssm%3A%2A%22%2C\
             %22Resource%22%3A%22%2A%22%7D%7D"
        );
        assert_eq!(whole, json!({"PolicyVersion": expected}));
    }
}
