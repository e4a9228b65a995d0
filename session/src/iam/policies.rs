//! Managed policies: the account's own, in versions, beside those of AWS, which nobody changes.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arn::PolicyArn;
use super::change::{Entity, EntityKind};
use super::directory::{Directory, Record};
use super::documents::Document;
use super::error::IamError;
use super::listing::Listing;
use super::names::Path;
use super::quotas;
use super::table::Table;
use super::tags::{Tagged, Tags};
use crate::ids::UniqueId;
use crate::policy::{ManagedPolicy, Policy, managed_policy};
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

/// One version of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Which.
    pub id: VersionId,
    /// What it says.
    pub document: Document,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Counts the versions of a policy; it shows itself as `v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionId(u32);

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

/// A policy of the account or of AWS.
#[derive(Debug, Clone, Copy)]
pub enum PolicyRef<'a> {
    /// AWS's.
    Aws(&'static ManagedPolicy),
    /// The account's own.
    Customer(&'a Arc<CustomerPolicy>),
}

/// A version of a policy of the account or of AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRef<'a> {
    /// Which, such as `v1`.
    pub id: String,
    /// The document's text.
    pub document: &'a str,
    /// Whether it is in force.
    pub is_default: bool,
    /// When it was created.
    pub created_at: Timestamp,
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

    /// Returns where a version that is not in force stands among the others.
    fn position(&self, version: &str) -> Result<usize, IamError> {
        let found = self.others.iter().position(|other| other.id.is(version));
        found.ok_or_else(|| absent_version(self.arn.as_str(), version))
    }

    /// Exchanges the version in force for one of the others.
    fn put_in_force(&mut self, position: usize) {
        std::mem::swap(&mut self.default, &mut self.others[position]);
        self.others.sort_by_key(|version| version.id);
    }
}

impl VersionId {
    /// The version that a policy is created with.
    pub const FIRST: Self = Self(1);

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('v')?;
        let id = Self(digits.parse().ok()?);
        id.is(text).then_some(id)
    }

    fn is(self, text: &str) -> bool {
        self.to_string() == text
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a version")))
    }
}

impl<'a> PolicyRef<'a> {
    /// Returns the ARN.
    pub fn arn(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.arn,
            Self::Customer(policy) => policy.arn.as_str(),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.name,
            Self::Customer(policy) => policy.name(),
        }
    }

    /// Returns the path.
    pub fn path(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.path,
            Self::Customer(policy) => policy.path(),
        }
    }

    /// Returns the unique id.
    pub fn id(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.id,
            Self::Customer(policy) => policy.id.as_str(),
        }
    }

    /// Returns what people wrote about it.
    pub fn description(&self) -> Option<&'a str> {
        match self {
            Self::Aws(_) => None,
            Self::Customer(policy) => policy.description.as_deref(),
        }
    }

    /// Returns the tags; AWS's policies have none.
    pub fn tags(&self) -> &'a [Tag] {
        match self {
            Self::Aws(_) => &[],
            Self::Customer(policy) => policy.tags.as_slice(),
        }
    }

    /// Returns when it was created.
    pub fn created_at(&self) -> Timestamp {
        match self {
            Self::Aws(policy) => moment(policy.created),
            Self::Customer(policy) => policy.created_at,
        }
    }

    /// Returns when its last version was created.
    pub fn updated_at(&self) -> Timestamp {
        match self {
            Self::Aws(policy) => moment(policy.updated),
            Self::Customer(policy) => policy.updated_at,
        }
    }

    /// Returns the version that is in force.
    pub fn default_version(&self) -> VersionRef<'a> {
        match self {
            Self::Aws(policy) => VersionRef {
                id: policy.version.to_owned(),
                document: policy.document,
                is_default: true,
                created_at: moment(policy.updated),
            },
            Self::Customer(policy) => policy.default.show(true),
        }
    }

    /// Returns all versions, the last first; of AWS's policies only the one that is in force is known.
    pub fn versions(&self) -> Vec<VersionRef<'a>> {
        let mut versions = vec![self.default_version()];
        if let Self::Customer(policy) = self {
            versions.extend(policy.others.iter().map(|version| version.show(false)));
            versions.sort_by_key(|version| std::cmp::Reverse(VersionId::parse(&version.id)));
        }
        versions
    }

    /// Returns one version.
    pub fn version(&self, id: &str) -> Result<VersionRef<'a>, IamError> {
        let found = self.versions().into_iter().find(|version| version.id == id);
        found.ok_or_else(|| absent_version(self.arn(), id))
    }

    /// Returns what the version in force was read as.
    pub fn policy(&self) -> Arc<Policy> {
        match self {
            Self::Aws(policy) => policy.policy(),
            Self::Customer(policy) => Arc::clone(policy.default.document.policy()),
        }
    }

    /// Says whether people may attach it: some are for the roles of services only.
    pub fn is_attachable(&self) -> bool {
        !self.path().starts_with("/aws-service-role/")
    }
}

impl PolicyVersion {
    fn show(&self, is_default: bool) -> VersionRef<'_> {
        VersionRef {
            id: self.id.to_string(),
            document: self.document.text(),
            is_default,
            created_at: self.created_at,
        }
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

    /// Adds a version to a policy, and puts it in force if `is_default` says so.
    pub fn create_policy_version(
        &mut self,
        arn: &str,
        document: &str,
        is_default: bool,
        now: Timestamp,
    ) -> Result<VersionId, IamError> {
        self.edit_policy(arn, |policy| {
            let document = read_document(document)?;
            if policy.others.len() + 1 >= quotas::POLICY_VERSIONS {
                return Err(IamError::LimitExceeded(format!(
                    "A managed policy can have up to {} versions. Before you create a new version, you must delete an \
                     existing version.",
                    quotas::POLICY_VERSIONS
                )));
            }
            let id = policy.next_version;
            policy.others.push(PolicyVersion {
                id,
                document,
                created_at: now,
            });
            policy.next_version = id.next();
            policy.updated_at = now;
            if is_default {
                policy.put_in_force(policy.others.len() - 1);
            }
            Ok(id)
        })
    }

    /// Puts a version of a policy in force.
    pub fn set_default_policy_version(&mut self, arn: &str, version: &str) -> Result<(), IamError> {
        self.edit_policy(arn, |policy| {
            if !policy.default.id.is(version) {
                let at = policy.position(version)?;
                policy.put_in_force(at);
            }
            Ok(())
        })
    }

    /// Deletes a version that is not in force.
    pub fn delete_policy_version(&mut self, arn: &str, version: &str) -> Result<(), IamError> {
        self.edit_policy(arn, |policy| {
            if policy.default.id.is(version) {
                return Err(IamError::conflict(
                    "Cannot delete the default version of a policy.",
                ));
            }
            let at = policy.position(version)?;
            policy.others.remove(at);
            Ok(())
        })
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

fn read_document(text: &str) -> Result<Document, IamError> {
    let document = Document::identity(text)?;
    if document.size() > quotas::MANAGED_POLICY_SIZE {
        return Err(IamError::quota("PolicySize", quotas::MANAGED_POLICY_SIZE));
    }
    Ok(document)
}

fn absent_version(arn: &str, id: &str) -> IamError {
    IamError::NoSuchEntity(format!(
        "Policy {arn} version {id} does not exist or is not attachable."
    ))
}

fn moment(text: &str) -> Timestamp {
    text.parse().expect("a built-in moment is in RFC 3339")
}
