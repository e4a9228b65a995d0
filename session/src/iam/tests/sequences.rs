//! Random sequences of operations: whatever happens, the directory stays whole and the store can follow.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::super::{Bounded, Directory, Entity, EntityKey, Holder, IamError, KeyOwner, PolicyRef, Tagged};
use super::{ALLOW, AWS_POLICY, Account, TRUST, account, document_of, now};
use crate::secret::Secret;
use crate::tag::Tag;

/// A name in any of two cases, so that sequences collide.
const NAMES: [&str; 3] = ["a", "A", "b"];

#[derive(Debug, Clone, Copy)]
enum Kind {
    User,
    Group,
    Role,
    Policy,
    Profile,
}

/// One operation; numbers choose among names, keys and policies.
#[derive(Debug, Clone)]
enum Step {
    Create(Kind, usize),
    Delete(Kind, usize),
    Rename(bool, usize, usize),
    Member(bool, usize, usize),
    ProfileRole(bool, usize, usize),
    Attach(bool, Kind, usize, usize),
    Inline(bool, Kind, usize, usize),
    Boundary(bool, bool, usize, usize),
    Tag(bool, Kind, usize, usize),
    Key(bool, usize),
    DeleteKey(usize),
    SwitchKey(usize, usize, bool),
    Login(u8, usize),
    Version(usize, bool),
    SetVersion(usize, usize),
    DeleteVersion(usize, usize),
    Role(usize, u32),
    Trust(usize, bool),
}

fn steps() -> impl Strategy<Value = Step> {
    let kind = || {
        prop_oneof![
            Just(Kind::User),
            Just(Kind::Group),
            Just(Kind::Role),
            Just(Kind::Policy),
            Just(Kind::Profile)
        ]
    };
    let name = || 0..NAMES.len();
    prop_oneof![
        4 => (kind(), name()).prop_map(|(kind, name)| Step::Create(kind, name)),
        2 => (kind(), name()).prop_map(|(kind, name)| Step::Delete(kind, name)),
        1 => (any::<bool>(), name(), name()).prop_map(|(user, from, to)| Step::Rename(user, from, to)),
        2 => (any::<bool>(), name(), name()).prop_map(|(add, group, user)| Step::Member(add, group, user)),
        2 => (any::<bool>(), name(), name()).prop_map(|(add, profile, role)| Step::ProfileRole(add, profile, role)),
        3 => (any::<bool>(), kind(), name(), 0..5usize).prop_map(|(add, kind, name, to)| Step::Attach(add, kind, name, to)),
        2 => (any::<bool>(), kind(), name(), name()).prop_map(|(add, kind, name, to)| Step::Inline(add, kind, name, to)),
        2 => (any::<bool>(), any::<bool>(), name(), 0..5usize).prop_map(|(add, user, name, to)| Step::Boundary(add, user, name, to)),
        1 => (any::<bool>(), kind(), name(), name()).prop_map(|(add, kind, name, key)| Step::Tag(add, kind, name, key)),
        2 => (any::<bool>(), name()).prop_map(|(root, user)| Step::Key(root, user)),
        1 => (0..8usize).prop_map(Step::DeleteKey),
        1 => (name(), 0..8usize, any::<bool>()).prop_map(|(user, key, active)| Step::SwitchKey(user, key, active)),
        1 => (0..3u8, name()).prop_map(|(what, user)| Step::Login(what, user)),
        2 => (name(), any::<bool>()).prop_map(|(policy, default)| Step::Version(policy, default)),
        1 => (name(), 1..8usize).prop_map(|(policy, version)| Step::SetVersion(policy, version)),
        1 => (name(), 1..8usize).prop_map(|(policy, version)| Step::DeleteVersion(policy, version)),
        1 => (name(), 3000..44_000u32).prop_map(|(role, seconds)| Step::Role(role, seconds)),
        1 => (name(), any::<bool>()).prop_map(|(role, valid)| Step::Trust(role, valid)),
    ]
}

/// Returns the ARN of a policy of the account, of AWS, or of nobody.
fn arn(which: usize) -> String {
    match NAMES.get(which) {
        Some(name) => format!("arn:aws:iam::{}:policy/{name}", account()),
        None if which == NAMES.len() => AWS_POLICY.to_owned(),
        None => "arn:aws:iam::aws:policy/NoSuchPolicy".to_owned(),
    }
}

fn holder(kind: Kind, name: &str) -> Holder<'_> {
    match kind {
        Kind::User => Holder::User(name),
        Kind::Group => Holder::Group(name),
        Kind::Role | Kind::Policy | Kind::Profile => Holder::Role(name),
    }
}

fn take(account: &mut Account, step: &Step, keys: &mut Vec<(bool, usize, String)>) -> Result<(), IamError> {
    match *step {
        Step::Create(kind, name) => match kind {
            Kind::User => account.try_user(NAMES[name]),
            Kind::Group => account.try_group(NAMES[name]),
            Kind::Role => account.try_role(NAMES[name]),
            Kind::Policy => account.try_policy(NAMES[name]).map(drop),
            Kind::Profile => account.try_profile(NAMES[name]),
        },
        Step::Delete(kind, name) => match kind {
            Kind::User => account.delete_user(NAMES[name]),
            Kind::Group => account.delete_group(NAMES[name]),
            Kind::Role => account.delete_role(NAMES[name]),
            Kind::Policy => account.delete_policy(&arn(name)),
            Kind::Profile => account.delete_instance_profile(NAMES[name]),
        },
        Step::Rename(true, from, to) => account.update_user(NAMES[from], Some(NAMES[to]), Some("/x/")),
        Step::Rename(false, from, to) => account.update_group(NAMES[from], Some(NAMES[to]), None),
        Step::Member(true, group, user) => account.add_user_to_group(NAMES[group], NAMES[user]),
        Step::Member(false, group, user) => account.remove_user_from_group(NAMES[group], NAMES[user]),
        Step::ProfileRole(true, profile, role) => {
            account.add_role_to_instance_profile(NAMES[profile], NAMES[role])
        }
        Step::ProfileRole(false, profile, role) => {
            account.remove_role_from_instance_profile(NAMES[profile], NAMES[role])
        }
        Step::Attach(true, kind, name, to) => account.attach_policy(holder(kind, NAMES[name]), &arn(to)),
        Step::Attach(false, kind, name, to) => account.detach_policy(holder(kind, NAMES[name]), &arn(to)),
        Step::Inline(true, kind, name, to) => {
            account.put_inline_policy(holder(kind, NAMES[name]), NAMES[to], &document_of(900))
        }
        Step::Inline(false, kind, name, to) => {
            account.delete_inline_policy(holder(kind, NAMES[name]), NAMES[to])
        }
        Step::Boundary(add, user, name, to) => {
            let bounded = if user {
                Bounded::User(NAMES[name])
            } else {
                Bounded::Role(NAMES[name])
            };
            if add {
                account.put_boundary(bounded, &arn(to))
            } else {
                account.delete_boundary(bounded)
            }
        }
        Step::Tag(add, kind, name, key) => {
            let policy = arn(name);
            let tagged = match kind {
                Kind::User | Kind::Group => Tagged::User(NAMES[name]),
                Kind::Role => Tagged::Role(NAMES[name]),
                Kind::Policy => Tagged::Policy(&policy),
                Kind::Profile => Tagged::InstanceProfile(NAMES[name]),
            };
            if add {
                account.tag(tagged, vec![Tag::new(NAMES[key], "v")])
            } else {
                account.untag(tagged, &[NAMES[key].to_owned()])
            }
        }
        Step::Key(root, user) => {
            let owner = if root {
                KeyOwner::Root
            } else {
                KeyOwner::User(NAMES[user])
            };
            let id = account.try_key(owner)?;
            keys.push((root, user, id.to_string()));
            Ok(())
        }
        Step::DeleteKey(which) => match keys.get(which) {
            Some((true, _, id)) => account.delete_access_key(KeyOwner::Root, id),
            Some((false, user, id)) => account.delete_access_key(KeyOwner::User(NAMES[*user]), id),
            None => account.delete_access_key(KeyOwner::Root, "AKIANOBODYSKEY00000"),
        },
        Step::SwitchKey(user, which, active) => {
            let id = keys.get(which).map_or("AKIANOBODYSKEY00000", |(_, _, id)| id);
            account.update_access_key(KeyOwner::User(NAMES[user]), id, active)
        }
        Step::Login(0, user) => {
            let created = account.create_login_profile(NAMES[user], Secret::new("$argon2id$"), true, now());
            created.map(drop)
        }
        Step::Login(1, user) => account.update_login_profile(NAMES[user], None, Some(false)),
        Step::Login(_, user) => account.delete_login_profile(NAMES[user]),
        Step::Version(policy, default) => account
            .create_policy_version(&arn(policy), ALLOW, default, now())
            .map(drop),
        Step::SetVersion(policy, version) => {
            account.set_default_policy_version(&arn(policy), &format!("v{version}"))
        }
        Step::DeleteVersion(policy, version) => {
            account.delete_policy_version(&arn(policy), &format!("v{version}"))
        }
        Step::Role(role, seconds) => account.update_role(NAMES[role], Some("d"), Some(seconds)),
        Step::Trust(role, valid) => {
            let document = if valid {
                TRUST.replace("ec2", "ssm")
            } else {
                ALLOW.to_owned()
            };
            account.update_trust(NAMES[role], &document, &|_| true)
        }
    }
}

/// Says what is broken between entities, if anything is.
fn breach(directory: &Directory) -> Option<String> {
    let mut ids = std::collections::BTreeSet::new();
    for entity in directory.entities() {
        let (id, held, boundary) = match &entity {
            Entity::Root(_) => continue,
            Entity::User(user) => {
                if user
                    .groups
                    .iter()
                    .any(|id| directory.group_by_id(id.as_str()).is_none())
                {
                    return Some(format!("{} is in a group that is no more", user.name));
                }
                if user.access_keys.iter().any(|key| {
                    directory
                        .find_access_key(&key.id)
                        .and_then(|found| found.user)
                        .map(|found| &found.id)
                        != Some(&user.id)
                }) {
                    return Some(format!("a key of {} is not found", user.name));
                }
                (&user.id, Some(&user.policies), user.boundary.as_ref())
            }
            Entity::Group(group) => (&group.id, Some(&group.policies), None),
            Entity::Role(role) => (&role.id, Some(&role.policies), role.boundary.as_ref()),
            Entity::Policy(policy) => (&policy.id, None, None),
            Entity::InstanceProfile(profile) => {
                if profile.role.is_some() && directory.role_in(profile).is_none() {
                    return Some(format!("{} has a role that is no more", profile.name));
                }
                (&profile.id, None, None)
            }
        };
        if !ids.insert(id.clone()) {
            return Some(format!("{id} is there twice"));
        }
        let attached = held.map_or(&[][..], |held| &held.attached);
        for arn in attached.iter().chain(boundary) {
            match directory.policy(arn.as_str()) {
                Ok(PolicyRef::Aws(_) | PolicyRef::Customer(_)) => {}
                Err(error) => return Some(error.to_string()),
            }
        }
    }
    None
}

proptest! {
    #[test]
    fn stays_whole_and_the_store_can_follow(steps in proptest::collection::vec(steps(), 1..60)) {
        let mut account = Account::new();
        let mut keys = Vec::new();
        // From one of each on, rules have something to say at once.
        let first = [Kind::User, Kind::Group, Kind::Role, Kind::Policy, Kind::Profile].map(|kind| Step::Create(kind, 0));
        let mut stored = BTreeMap::<EntityKey, String>::new();
        for step in first.iter().chain(&steps) {
            let before = account.directory.clone();
            if take(&mut account, step, &mut keys).is_err() {
                prop_assert_eq!(&account.directory, &before);
            }
            for change in account.take_changes() {
                match change.entity {
                    Some(entity) => {
                        prop_assert_eq!(&entity.key(), &change.key);
                        stored.insert(change.key, serde_json::to_string(&entity).expect("serializes"));
                    }
                    None => drop(stored.remove(&change.key)),
                }
            }
            prop_assert_eq!(breach(&account), None);
        }
        let entities = stored.values().map(|text| serde_json::from_str(text).expect("a stored entity"));
        let restored = Directory::restore(account.account(), entities);
        prop_assert!(restored.is_ok(), "{:?}", restored);
        prop_assert_eq!(restored.expect("checked"), account.directory);
    }
}
