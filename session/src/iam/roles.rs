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
use super::trust::read_trust;
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

/// An empty description is none, which is how it is taken away.
fn describe(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The shortest limit on a session, which is also the default.
const MIN_DURATION_S: u32 = 3600;
const MAX_DURATION_S: u32 = 43_200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{ALLOW, AWS_POLICY, Account, TRUST, now, refused};
    use crate::iam::{Bounded, Holder};

    fn create(account: &mut Account, new: NewRole<'_>) -> Result<Arc<Role>, IamError> {
        account
            .directory
            .create_role(new, &|_| true, now(), &account.random)
    }

    fn role(name: &str) -> NewRole<'_> {
        NewRole {
            name,
            trust: TRUST,
            ..NewRole::default()
        }
    }

    #[test]
    fn creates_a_role_as_asked() {
        let mut account = Account::new();
        let created = create(&mut account, role("Web")).expect("created");
        assert_eq!(
            created.arn(account.account()),
            "arn:aws:iam::123456789012:role/Web"
        );
        assert!(created.id.as_str().starts_with("AROA"));
        assert_eq!(
            (created.max_session_duration_s, &created.description),
            (3600, &None)
        );
        assert_eq!(created.trust.text(), TRUST);
        refused(
            create(&mut account, role("WEB")),
            "EntityAlreadyExists",
            "Role with name Web already exists.",
        );
        refused(
            account.role("no"),
            "NoSuchEntity",
            "The role with name no cannot be found.",
        );
    }

    #[test]
    fn a_session_lasts_one_to_twelve_hours() {
        let mut account = Account::filled();
        for (seconds, rule) in [
            (3599, "greater than or equal to 3600"),
            (43_201, "less than or equal to 43200"),
        ] {
            let message = format!(
                "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy constraint: \
                 Member must have value {rule}"
            );
            let new = NewRole {
                max_session_duration_s: Some(seconds),
                ..role("r")
            };
            refused(create(&mut account, new), "ValidationError", &message);
            refused(
                account.update_role("web", None, Some(seconds)),
                "ValidationError",
                &message,
            );
        }
        account
            .update_role("web", Some("serves"), Some(43_200))
            .expect("updated");
        account.update_role("web", None, None).expect("updated");
        let web = account.role("web").expect("there");
        assert_eq!(
            (web.max_session_duration_s, web.description.as_deref()),
            (43_200, Some("serves"))
        );
        account.update_role("web", Some(""), None).expect("updated");
        assert_eq!(account.role("web").expect("there").description, None);
    }

    #[test]
    fn keeps_a_role_that_is_in_use() {
        let mut account = Account::filled();
        account.add_role_to_instance_profile("web", "web").expect("added");
        refused(
            account.delete_role("web"),
            "DeleteConflict",
            "Cannot delete entity, must remove roles from instance profile first.",
        );
        account
            .remove_role_from_instance_profile("web", "web")
            .expect("removed");
        account
            .attach_policy(Holder::Role("web"), AWS_POLICY)
            .expect("attached");
        refused(
            account.delete_role("web"),
            "DeleteConflict",
            "Cannot delete entity, must detach all policies first.",
        );
        account
            .detach_policy(Holder::Role("web"), AWS_POLICY)
            .expect("detached");
        let id = account.role("web").expect("there").id.clone();
        assert_eq!(account.delete_role("web"), Ok(()));
        account.try_role("web").expect("created");
        assert!(account.role_policies_by_id(id.as_str()).is_none());
    }

    #[test]
    fn a_services_role_is_read_and_tagged_only() {
        let mut account = Account::new();
        let new = NewRole {
            path: Some("/aws-service-role/ssm.amazonaws.com/"),
            ..role("Mine")
        };
        assert_eq!(
            create(&mut account, new).expect_err("reserved").code(),
            "InvalidInput"
        );

        let name = "AWSServiceRoleForAmazonSSM";
        let linked = account
            .directory
            .create_service_linked_role(role(name), "ssm.amazonaws.com", now(), &account.random)
            .expect("created");
        assert_eq!(linked.path.as_str(), "/aws-service-role/ssm.amazonaws.com/");
        let holder = Holder::Role(name);
        let bounded = Bounded::Role(name);
        for result in [
            account.update_role(name, Some("d"), None),
            account.update_trust(name, TRUST, &|_| true),
            account.attach_policy(holder, AWS_POLICY),
            account.detach_policy(holder, AWS_POLICY),
            account.put_inline_policy(holder, "p", ALLOW),
            account.delete_inline_policy(holder, "p"),
            account.put_boundary(bounded, AWS_POLICY),
            account.delete_boundary(bounded),
            account.delete_role(name),
        ] {
            refused(
                result,
                "UnmodifiableEntity",
                "Cannot perform the operation on the protected role 'AWSServiceRoleForAmazonSSM' - this role is only \
                 modifiable by AWS",
            );
        }
        assert_eq!(account.tag(Tagged::Role(name), vec![Tag::new("k", "v")]), Ok(()));
    }
}
