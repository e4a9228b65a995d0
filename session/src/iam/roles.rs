//! Roles.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::arn::PolicyArn;
use super::attachments::HeldPolicies;
use super::change::{Entity, EntityKind};
use super::directory::{Directory, Record};
use super::documents::Document;
use super::error::IamError;
use super::listing::Listing;
use super::names::Path;
use super::quotas;
use super::table::Table;
use super::tags::{Tagged, Tags};
use crate::ids::{AccountId, UniqueId};
use crate::random::Random;
use crate::tag::Tag;

/// An identity that others take on for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// 1 to 64 characters, as written.
    pub name: String,
    /// The path.
    pub path: Path,
    /// `AROA…`.
    pub id: UniqueId,
    /// When it was created.
    pub created_at: Timestamp,
    /// What people wrote about it, at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The longest session in seconds, 3600 to 43200.
    pub max_session_duration_s: u32,
    /// Who may assume it.
    #[serde(deserialize_with = "Document::deserialize_trust")]
    pub trust: Document,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The policy that limits what the others allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<PolicyArn>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "HeldPolicies::is_empty")]
    pub policies: HeldPolicies,
}

/// What a request says of a role to be created.
#[derive(Debug, Clone, Default)]
pub struct NewRole<'a> {
    /// The name.
    pub name: &'a str,
    /// The path, `/` if left out.
    pub path: Option<&'a str>,
    /// Who may assume it: a policy document.
    pub trust: &'a str,
    /// What people say about it.
    pub description: Option<&'a str>,
    /// The longest session in seconds, one hour if left out.
    pub max_session_duration_s: Option<u32>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<&'a str>,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// The path of roles that services keep for themselves.
const SERVICE_PATH: &str = "/aws-service-role/";

impl Role {
    /// Returns the ARN.
    pub fn arn(&self, account: &AccountId) -> String {
        format!("arn:aws:iam::{account}:role{}{}", self.path, self.name)
    }

    /// Says whether a service keeps the role for itself, so that people may read and tag it only.
    pub fn is_service_linked(&self) -> bool {
        self.path.as_str().starts_with(SERVICE_PATH)
    }

    fn check_modifiable(&self) -> Result<(), IamError> {
        if self.is_service_linked() {
            return Err(IamError::UnmodifiableEntity(format!(
                "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
                self.name
            )));
        }
        Ok(())
    }
}

impl Record for Role {
    const KIND: EntityKind = EntityKind::Role;
    const NAME: (&'static str, usize) = ("roleName", 64);
    const QUOTA: (&'static str, usize) = ("RolesPerAccount", quotas::ROLES);

    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> &str {
        self.path.as_str()
    }

    fn id(&self) -> &UniqueId {
        &self.id
    }

    fn into_entity(shared: Arc<Self>) -> Entity {
        Entity::Role(shared)
    }

    fn table(directory: &Directory) -> &Table<Self> {
        &directory.roles
    }

    fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
        &mut directory.roles
    }
}

impl Directory {
    /// Creates a role.
    ///
    /// `principal_exists` tells whether a user, role or session that the trust policy names exists; it answers with
    /// `true` for what it cannot know, such as accounts of other servers.
    pub fn create_role(
        &mut self,
        new: NewRole<'_>,
        principal_exists: &dyn Fn(&str) -> bool,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Arc<Role>, IamError> {
        let path = Path::parse_or_root(new.path)?;
        if path.as_str().starts_with(SERVICE_PATH) {
            return Err(IamError::InvalidInput(format!(
                "Path {path} is not valid. Paths that begin with {SERVICE_PATH} are reserved for service-linked roles."
            )));
        }
        self.add_role(new, path, principal_exists, now, random)
    }

    /// Creates a role that people cannot change; its path comes from the service, such as `ssm.amazonaws.com`.
    pub fn create_service_linked_role(
        &mut self,
        new: NewRole<'_>,
        service: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Arc<Role>, IamError> {
        let path = Path::parse(&format!("{SERVICE_PATH}{service}/"))?;
        self.add_role(new, path, &|_| true, now, random)
    }

    /// Changes what is given, and leaves the rest as it is.
    pub fn update_role(
        &mut self,
        name: &str,
        description: Option<&str>,
        max_session_duration_s: Option<u32>,
    ) -> Result<(), IamError> {
        max_session_duration_s.map_or(Ok(()), check_duration)?;
        self.edit_role(name, |role| {
            if let Some(description) = description {
                role.description = describe(Some(description));
            }
            if let Some(seconds) = max_session_duration_s {
                role.max_session_duration_s = seconds;
            }
            Ok(())
        })
    }

    /// Puts another trust policy in the place of a role's; see [`Directory::create_role`] for `principal_exists`.
    pub fn update_trust(
        &mut self,
        name: &str,
        trust: &str,
        principal_exists: &dyn Fn(&str) -> bool,
    ) -> Result<(), IamError> {
        self.edit_role(name, |role| {
            role.trust = read_trust(trust, principal_exists)?;
            Ok(())
        })
    }

    /// Deletes a role without policies that is in no instance profile.
    pub fn delete_role(&mut self, name: &str) -> Result<(), IamError> {
        let role = self.role(name)?;
        role.check_modifiable()?;
        if self.profiles_of(name)?.next().is_some() {
            return Err(IamError::conflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
        role.policies.check_none()?;
        self.remove::<Role>(name);
        Ok(())
    }

    /// Finds a role by name.
    pub fn role(&self, name: &str) -> Result<&Arc<Role>, IamError> {
        self.find(name)
    }

    /// Finds a role by unique id.
    pub fn role_by_id(&self, id: &str) -> Option<&Arc<Role>> {
        self.find_by_id(id)
    }

    /// Returns roles in the order of their names.
    pub fn roles(&self, listing: Listing<'_>) -> impl Iterator<Item = &Arc<Role>> {
        self.list(listing)
    }

    /// Says whether this account has the user or role that an ARN or unique id of a trust policy names.
    ///
    /// A session of a role exists if its role does.
    pub fn has_principal(&self, name: &str) -> bool {
        let prefix = format!("arn:aws:iam::{}:", self.account);
        let sessions = format!("arn:aws:sts::{}:assumed-role/", self.account);
        let last = || name.rsplit('/').next().unwrap_or_default();
        if let Some(resource) = name.strip_prefix(&prefix) {
            return match resource.split_once('/') {
                Some(("user", _)) => self
                    .user(last())
                    .is_ok_and(|user| user.arn(&self.account) == name),
                Some(("role", _)) => self
                    .role(last())
                    .is_ok_and(|role| role.arn(&self.account) == name),
                _ => false,
            };
        }
        if let Some((role, _)) = name.strip_prefix(&sessions).and_then(|rest| rest.split_once('/')) {
            return self.role(role).is_ok();
        }
        self.user_by_id(name).is_some() || self.role_by_id(name).is_some()
    }

    /// Changes a role unless it belongs to a service.
    pub(super) fn edit_role<R>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Role) -> Result<R, IamError>,
    ) -> Result<R, IamError> {
        self.edit::<Role, _>(name, |role| {
            role.check_modifiable()?;
            change(role)
        })
    }

    fn add_role(
        &mut self,
        new: NewRole<'_>,
        path: Path,
        principal_exists: &dyn Fn(&str) -> bool,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Arc<Role>, IamError> {
        let max_session_duration_s = new.max_session_duration_s.unwrap_or(MIN_DURATION_S);
        check_duration(max_session_duration_s)?;
        let tags = Tags::of(Tagged::Role(new.name), new.tags)?;
        let trust = read_trust(new.trust, principal_exists)?;
        self.check_new::<Role>(new.name)?;
        let boundary = new.boundary.map(|arn| self.attachable(arn)).transpose()?;
        Ok(self.add(Role {
            name: new.name.to_owned(),
            path,
            id: UniqueId::role(random),
            created_at: now,
            description: describe(new.description),
            max_session_duration_s,
            trust,
            tags,
            boundary,
            policies: HeldPolicies::default(),
        }))
    }
}

fn check_duration(seconds: u32) -> Result<(), IamError> {
    let refuse = |rule: String| Err(IamError::constraint(seconds, "maxSessionDuration", &rule));
    match seconds {
        ..MIN_DURATION_S => refuse(format!("have value greater than or equal to {MIN_DURATION_S}")),
        MIN_DURATION_S..=MAX_DURATION_S => Ok(()),
        _ => refuse(format!("have value less than or equal to {MAX_DURATION_S}")),
    }
}

fn read_trust(text: &str, principal_exists: &dyn Fn(&str) -> bool) -> Result<Document, IamError> {
    let trust = Document::trust(text)?;
    if trust.size() > quotas::TRUST_POLICY_SIZE {
        return Err(IamError::quota("ACLSizePerRole", quotas::TRUST_POLICY_SIZE));
    }
    let stranger = trust
        .policy()
        .named_principals()
        .find(|name| !principal_exists(name));
    match stranger {
        Some(name) => Err(IamError::MalformedPolicyDocument(format!(
            "Invalid principal in policy: \"AWS\":\"{name}\""
        ))),
        None => Ok(trust),
    }
}

/// An empty description is none, which is how it is taken away.
fn describe(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The shortest limit on a session, which is also the default.
const MIN_DURATION_S: u32 = 3600;
const MAX_DURATION_S: u32 = 43_200;
