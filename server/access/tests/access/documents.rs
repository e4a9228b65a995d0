//! Session documents: their tags, and those of other accounts.

use drawbridge_session::document::DocumentFormat;
use drawbridge_session::{AccountId, Caller, Clock as _, Need, Resource, Tag};
use drawbridge_store::{
    DocumentAt, Documents as _, NewDocumentVersion, ShareChange, SharedVersions, SharedWith,
};
use serde_json::json;

use crate::{Lab, allow_all, allow_if};

const OTHER: &str = "210987654321";

impl Lab {
    async fn document(&self, account: &AccountId, name: &str, tags: &[Tag]) {
        let first = NewDocumentVersion {
            name: None,
            display_name: None,
            target_type: None,
            format: DocumentFormat::Json,
            platforms: &[],
            content: "{}",
            created_at: self.house.clock.now(),
        };
        let at = DocumentAt {
            account,
            region: &self.house.region,
            name,
        };
        let created = self.house.store.create_document(at, first, tags).await;
        created.expect("created");
    }

    async fn share(&self, account: &AccountId, name: &str, add: &[SharedWith], remove: &[SharedWith]) {
        let at = DocumentAt {
            account,
            region: &self.house.region,
            name,
        };
        let change = ShareChange {
            add,
            remove,
            versions: SharedVersions::Default,
        };
        let shared = self.house.store.share_document(at, change).await;
        shared.expect("shared");
    }

    fn on(&self, action: &str, document: &str) -> Need {
        let (region, account) = (&self.house.region, &self.house.account);
        Need::also(action, Resource::document(region, account, document))
    }

    async fn other_account(&self) -> AccountId {
        let other = AccountId::parse(OTHER).expect("valid");
        self.house.found(&other, "o-anotherorgid").await;
        other
    }
}

#[tokio::test]
async fn a_document_is_told_by_its_tags() {
    let lab = Lab::new().await;
    let account = lab.house.account.clone();
    lab.document(&account, "Web", &[Tag::new("Team", "web")]).await;
    lab.document(&account, "Db", &[Tag::new("Team", "db")]).await;
    for key in ["ssm:resourceTag/Team", "aws:ResourceTag/Team"] {
        let name = key.replace([':', '/'], "-");
        let condition = json!({"StringEquals": {key: "web"}});
        let alice = lab
            .user(&name, allow_if(&json!("ssm:GetDocument"), &condition))
            .await;
        assert!(
            lab.allows(&alice, lab.on("ssm:GetDocument", "Web")).await,
            "{key}"
        );
        let arn = "arn:aws:ssm:us-east-1:123456789012:document/Web";
        assert!(lab.allows(&alice, lab.on("ssm:GetDocument", arn)).await, "{key}");
        for other in ["Db", "Absent", "AWS-StartSSHSession"] {
            assert!(
                !lab.allows(&alice, lab.on("ssm:GetDocument", other)).await,
                "{key}"
            );
        }
    }
}

#[tokio::test]
async fn a_document_of_another_account_is_used_when_both_agree() {
    let lab = Lab::new().await;
    let other = lab.other_account().await;
    lab.document(&other, "Shared", &[Tag::new("Team", "web")]).await;
    let arn = format!("arn:aws:ssm:us-east-1:{OTHER}:document/Shared");
    let absent = format!("arn:aws:ssm:us-east-1:{OTHER}:document/Absent");
    let alice = lab.user("alice", allow_all()).await;
    let bob = lab
        .user("bob", allow_if(&json!("sts:GetSessionToken"), &json!({})))
        .await;
    let denial = async |caller: &Caller, action: &str, arn: &str| {
        let denial = lab.denial(caller, lab.on(action, arn)).await;
        denial.map(|text| text.replace(arn, "it"))
    };

    let hidden = denial(&alice, "ssm:GetDocument", &arn).await;
    assert!(hidden.is_some(), "nobody shares it");
    assert_eq!(
        hidden,
        denial(&alice, "ssm:GetDocument", &absent).await,
        "as one that is not there"
    );

    for with in [SharedWith::Account(lab.house.account.clone()), SharedWith::All] {
        lab.share(&other, "Shared", std::slice::from_ref(&with), &[])
            .await;
        for action in [
            "ssm:GetDocument",
            "ssm:DescribeDocument",
            "ssm:ListDocumentVersions",
            "ssm:StartSession",
        ] {
            assert_eq!(denial(&alice, action, &arn).await, None, "{action}");
            assert!(denial(&bob, action, &arn).await.is_some(), "{action}");
        }
        for action in [
            "ssm:UpdateDocument",
            "ssm:DeleteDocument",
            "ssm:ModifyDocumentPermission",
            "ssm:DescribeDocumentPermission",
            "ssm:AddTagsToResource",
        ] {
            assert!(denial(&alice, action, &arn).await.is_some(), "{action}");
        }
        lab.share(&other, "Shared", &[], &[with]).await;
        assert_eq!(denial(&alice, "ssm:GetDocument", &arn).await, hidden);
    }
}

#[tokio::test]
async fn sharing_with_all_allows_nothing_at_home() {
    let lab = Lab::new().await;
    let account = lab.house.account.clone();
    lab.document(&account, "Shared", &[]).await;
    lab.share(&account, "Shared", &[SharedWith::All], &[]).await;
    let bob = lab
        .user("bob", allow_if(&json!("sts:GetSessionToken"), &json!({})))
        .await;
    assert!(!lab.allows(&bob, lab.on("ssm:GetDocument", "Shared")).await);
}

#[tokio::test]
async fn a_session_ends_with_the_sharing_of_its_document() {
    let lab = Lab::new().await;
    let other = lab.other_account().await;
    lab.document(&other, "Shared", &[]).await;
    let with = SharedWith::Account(lab.house.account.clone());
    lab.share(&other, "Shared", std::slice::from_ref(&with), &[])
        .await;
    let node = lab.house.node().await;
    let alice = lab.user("alice", allow_all()).await;
    let arn = format!("arn:aws:ssm:us-east-1:{OTHER}:document/Shared");
    let needs = vec![lab.start(&node), lab.on("ssm:StartSession", &arn)];
    let session = lab.session_on(&alice, &node, needs).await;
    assert_eq!(lab.ended().await, []);
    lab.share(&other, "Shared", &[], &[with]).await;
    assert_eq!(lab.ended().await, [session]);
}
