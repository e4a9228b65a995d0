//! The numbers of `GetAccountSummary`.

use super::directory::Directory;
use super::quotas;

impl Directory {
    /// Returns how much of everything the account has and may have, under AWS's names.
    pub fn summary(&self) -> Vec<(&'static str, usize)> {
        let versions = self.policies.iter().map(|policy| 1 + policy.others.len());
        vec![
            ("Users", self.users.len()),
            ("UsersQuota", quotas::USERS),
            ("Groups", self.groups.len()),
            ("GroupsQuota", quotas::GROUPS),
            ("Roles", self.roles.len()),
            ("RolesQuota", quotas::ROLES),
            ("Policies", self.policies.len()),
            ("PoliciesQuota", quotas::POLICIES),
            ("PolicyVersionsInUse", versions.sum()),
            (
                "PolicyVersionsInUseQuota",
                quotas::POLICIES * quotas::POLICY_VERSIONS,
            ),
            ("InstanceProfiles", self.profiles.len()),
            ("InstanceProfilesQuota", quotas::INSTANCE_PROFILES),
            ("AccountAccessKeysPresent", self.root.access_keys.len()),
            ("AccessKeysPerUserQuota", quotas::ACCESS_KEYS),
            ("GroupsPerUserQuota", quotas::GROUPS_PER_USER),
            ("AttachedPoliciesPerUserQuota", quotas::ATTACHED_POLICIES),
            ("AttachedPoliciesPerGroupQuota", quotas::ATTACHED_POLICIES),
            ("AttachedPoliciesPerRoleQuota", quotas::ATTACHED_POLICIES),
            ("VersionsPerPolicyQuota", quotas::POLICY_VERSIONS),
            ("PolicySizeQuota", quotas::MANAGED_POLICY_SIZE),
            ("UserPolicySizeQuota", quotas::USER_POLICIES_SIZE),
            ("GroupPolicySizeQuota", quotas::GROUP_POLICIES_SIZE),
            ("RolePolicySizeQuota", quotas::ROLE_POLICIES_SIZE),
            ("AssumeRolePolicySizeQuota", quotas::TRUST_POLICY_SIZE),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::iam::KeyOwner;
    use crate::iam::tests::{ALLOW, Account, now};

    #[test]
    fn counts_what_is_there() {
        let mut account = Account::filled();
        account
            .create_policy_version("arn:aws:iam::123456789012:policy/own", ALLOW, true, now())
            .expect("created");
        account.try_key(KeyOwner::Root).expect("created");
        let entries = account.summary();
        let summary: HashMap<_, _> = entries.iter().copied().collect();
        assert_eq!(summary.len(), entries.len());
        for (name, count) in [
            ("Users", 2),
            ("Groups", 2),
            ("Roles", 2),
            ("Policies", 1),
            ("PolicyVersionsInUse", 2),
            ("InstanceProfiles", 1),
            ("AccountAccessKeysPresent", 1),
            ("UsersQuota", 5000),
        ] {
            assert_eq!(summary.get(name), Some(&count), "{name}");
        }
    }
}
