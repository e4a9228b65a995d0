//! Managed policies: the account's own, in versions, beside those of AWS, which nobody changes.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::arn::PolicyArn;
use super::change::{Entity, EntityKind};
use super::directory::{Directory, Record};
use super::documents::Document;
use super::error::IamError;
use super::listing::Listing;
use super::names::Path;
use super::policy_ref::PolicyRef;
use super::quotas;
use super::table::Table;
use super::tags::{Tagged, Tags};
use super::versions::{PolicyVersion, VersionId};
use crate::ids::UniqueId;
use crate::policy::managed_policy;
use crate::random::Random;
use crate::tag::Tag;

/// A policy that the account manages; its ARN holds its path and name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerPolicy {
    /// The ARN.
    pub arn: PolicyArn,
    /// `ANPA…`.
    pub id: UniqueId,
    /// What people wrote about it, at most 1000 characters; it never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The version that is in force.
    pub default: PolicyVersion,
    /// The versions that are kept beside it, the oldest first, at most four.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<PolicyVersion>,
    /// What the next version will be called; the id of a deleted version is not used again.
    pub next_version: VersionId,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the last version was created.
    pub updated_at: Timestamp,
}

/// What a request says of a policy to be created.
#[derive(Debug, Clone, Default)]
pub struct NewPolicy<'a> {
    /// The name.
    pub name: &'a str,
    /// The path, `/` if left out.
    pub path: Option<&'a str>,
    /// What people say about it.
    pub description: Option<&'a str>,
    /// The policy document.
    pub document: &'a str,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl CustomerPolicy {
    /// Returns the name.
    pub fn name(&self) -> &str {
        self.arn.name()
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        self.arn.path()
    }
}

impl Record for CustomerPolicy {
    const KIND: EntityKind = EntityKind::Policy;
    const NAME: (&'static str, usize) = ("policyName", 128);
    const QUOTA: (&'static str, usize) = ("PoliciesPerAccount", quotas::POLICIES);

    fn name(&self) -> &str {
        self.arn.name()
    }

    fn path(&self) -> &str {
        self.arn.path()
    }

    fn id(&self) -> &UniqueId {
        &self.id
    }

    fn into_entity(shared: Arc<Self>) -> Entity {
        Entity::Policy(shared)
    }

    fn table(directory: &Directory) -> &Table<Self> {
        &directory.policies
    }

    fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
        &mut directory.policies
    }
}

impl Directory {
    /// Creates a policy with its first version, which is in force.
    pub fn create_policy(
        &mut self,
        new: NewPolicy<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Arc<CustomerPolicy>, IamError> {
        let path = Path::parse_or_root(new.path)?;
        let tags = Tags::of(Tagged::Policy(new.name), new.tags)?;
        let document = read_document(new.document)?;
        self.check_new::<CustomerPolicy>(new.name)?;
        Ok(self.add(CustomerPolicy {
            arn: PolicyArn::of(&self.account, &path, new.name),
            id: UniqueId::policy(random),
            description: new.description.map(str::to_owned),
            default: PolicyVersion {
                id: VersionId::FIRST,
                document,
                created_at: now,
            },
            others: Vec::new(),
            next_version: VersionId::FIRST.next(),
            tags,
            created_at: now,
            updated_at: now,
        }))
    }

    /// Deletes a policy that is attached nowhere, limits nobody and has one version.
    pub fn delete_policy(&mut self, arn: &str) -> Result<(), IamError> {
        let policy = self.own_policy(arn)?;
        if self.usage_of(&policy.arn).is_used() {
            return Err(IamError::conflict("Cannot delete a policy attached to entities."));
        }
        if !policy.others.is_empty() {
            return Err(IamError::conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                 versions. The default version is deleted with the policy.",
            ));
        }
        let name = policy.name().to_owned();
        self.remove::<CustomerPolicy>(&name);
        Ok(())
    }

    /// Finds a policy of the account or of AWS by ARN.
    pub fn policy(&self, arn: &str) -> Result<PolicyRef<'_>, IamError> {
        let parsed = PolicyArn::parse(arn)?;
        self.find_policy(&parsed)
            .ok_or_else(|| IamError::absent(EntityKind::Policy, arn))
    }

    /// Returns the account's own policies in the order of their names.
    pub fn policies(&self, listing: Listing<'_>) -> impl Iterator<Item = &Arc<CustomerPolicy>> {
        self.list(listing)
    }

    pub(super) fn find_policy(&self, arn: &PolicyArn) -> Option<PolicyRef<'_>> {
        if arn.is_aws() {
            return managed_policy(arn.as_str()).map(PolicyRef::Aws);
        }
        let found = self.policies.find(arn.name())?;
        (found.arn == *arn).then_some(PolicyRef::Customer(found))
    }

    /// Finds a policy that may be attached, or used as a boundary.
    pub(super) fn attachable(&self, arn: &str) -> Result<PolicyArn, IamError> {
        let parsed = PolicyArn::parse(arn)?;
        match self.find_policy(&parsed) {
            Some(policy) if policy.is_attachable() => Ok(parsed),
            Some(_) => Err(IamError::PolicyNotAttachable(
                "Cannot attach a Service Role Policy to a Customer Role.".to_owned(),
            )),
            None => Err(IamError::NoSuchEntity(format!(
                "Policy {arn} does not exist or is not attachable."
            ))),
        }
    }

    /// Finds a policy that the account may change.
    pub(super) fn own_policy(&self, arn: &str) -> Result<&Arc<CustomerPolicy>, IamError> {
        let parsed = PolicyArn::parse(arn)?;
        match self.find_policy(&parsed) {
            Some(PolicyRef::Customer(policy)) => Ok(policy),
            None if parsed.owner() == self.account.as_str() => Err(IamError::absent(EntityKind::Policy, arn)),
            Some(PolicyRef::Aws(_)) | None => Err(IamError::AccessDenied(
                "Policy is outside your own account.".to_owned(),
            )),
        }
    }

    pub(super) fn edit_policy<R>(
        &mut self,
        arn: &str,
        change: impl FnOnce(&mut CustomerPolicy) -> Result<R, IamError>,
    ) -> Result<R, IamError> {
        let name = self.own_policy(arn)?.name().to_owned();
        self.edit::<CustomerPolicy, _>(&name, change)
    }
}

pub(super) fn read_document(text: &str) -> Result<Document, IamError> {
    let document = Document::identity(text)?;
    if document.size() > quotas::MANAGED_POLICY_SIZE {
        return Err(IamError::quota("PolicySize", quotas::MANAGED_POLICY_SIZE));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{ALLOW, AWS_POLICY, Account, document_of, now, refused};
    use crate::iam::{Bounded, Holder};

    const OWN: &str = "arn:aws:iam::123456789012:policy/own";
    const OUTSIDE: &str = "Policy is outside your own account.";

    #[test]
    fn creates_a_policy_as_asked() {
        let mut account = Account::new();
        let new = NewPolicy {
            name: "Dev",
            path: Some("/x/"),
            description: Some("for developers"),
            document: ALLOW,
            tags: vec![Tag::new("k", "v")],
        };
        let created = account
            .directory
            .create_policy(new, now(), &account.random)
            .expect("created");
        assert_eq!(created.arn.as_str(), "arn:aws:iam::123456789012:policy/x/Dev");
        let policy = account.policy(created.arn.as_str()).expect("there");
        assert_eq!(
            (policy.name(), policy.path(), policy.id()),
            ("Dev", "/x/", created.id.as_str())
        );
        assert_eq!(
            (policy.description(), policy.tags().len()),
            (Some("for developers"), 1)
        );
        assert_eq!((policy.created_at(), policy.updated_at()), (now(), now()));
        assert_eq!(policy.default_version().document, ALLOW);
        assert!(policy.is_attachable() && created.id.as_str().starts_with("ANPA"));
        refused(
            account.try_policy("DEV"),
            "EntityAlreadyExists",
            "A policy called Dev already exists. Duplicate names are not allowed.",
        );
        for arn in [
            "arn:aws:iam::123456789012:policy/Dev",
            "arn:aws:iam::210987654321:policy/x/Dev",
        ] {
            refused(
                account.policy(arn),
                "NoSuchEntity",
                &format!("Policy {arn} was not found."),
            );
        }
        let unparsed = "Invalid ARN: Dev could not be parsed.";
        refused(account.policy("Dev"), "ValidationError", unparsed);
    }

    #[test]
    fn a_document_is_one_and_not_too_long() {
        let mut account = Account::filled();
        let mut version = |text: &str| account.create_policy_version(OWN, text, false, now());
        assert_eq!(
            version("{").expect_err("malformed").code(),
            "MalformedPolicyDocument"
        );
        refused(
            version(&document_of(quotas::MANAGED_POLICY_SIZE + 1)),
            "LimitExceeded",
            "Cannot exceed quota for PolicySize: 6144",
        );
        let full = document_of(quotas::MANAGED_POLICY_SIZE).replace(',', ",\n    ");
        assert_eq!(version(&full).map(|id| id.to_string()).as_deref(), Ok("v2"));
    }

    #[test]
    fn keeps_a_policy_that_is_used_or_has_versions() {
        let mut account = Account::filled();
        let attached = "Cannot delete a policy attached to entities.";
        account
            .attach_policy(Holder::Group("dev"), OWN)
            .expect("attached");
        refused(account.delete_policy(OWN), "DeleteConflict", attached);
        account
            .detach_policy(Holder::Group("dev"), OWN)
            .expect("detached");
        account.put_boundary(Bounded::Role("web"), OWN).expect("put");
        refused(account.delete_policy(OWN), "DeleteConflict", attached);
        account.delete_boundary(Bounded::Role("web")).expect("deleted");
        account
            .create_policy_version(OWN, ALLOW, true, now())
            .expect("created");
        refused(
            account.delete_policy(OWN),
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
             The default version is deleted with the policy.",
        );
        account.delete_policy_version(OWN, "v1").expect("deleted");
        account.take_changes();
        assert_eq!(account.delete_policy(OWN), Ok(()));
        assert_eq!(account.changed(), ["-policy own"]);
    }

    #[test]
    fn what_aws_manages_is_read_by_everyone_and_changed_by_nobody() {
        let mut account = Account::filled();
        let policy = account.policy(AWS_POLICY).expect("there");
        assert_eq!(
            (policy.name(), policy.default_version().id.as_str()),
            ("AmazonSSMManagedInstanceCore", "v2")
        );
        assert_eq!(policy.versions().len(), 1);
        assert!(policy.tags().is_empty() && policy.created_at() < policy.updated_at());
        for result in [
            account
                .create_policy_version(AWS_POLICY, ALLOW, true, now())
                .map(drop),
            account.set_default_policy_version(AWS_POLICY, "v2"),
            account.delete_policy_version(AWS_POLICY, "v1"),
            account.delete_policy(AWS_POLICY),
            account.tag(Tagged::Policy(AWS_POLICY), vec![Tag::new("k", "v")]),
            account.untag(Tagged::Policy(AWS_POLICY), &[]),
            account.delete_policy("arn:aws:iam::210987654321:policy/own"),
        ] {
            refused(result, "AccessDenied", OUTSIDE);
        }
        assert_eq!(account.changed(), [""; 0]);
    }
}
