//! The policies that AWS manages and people attach by ARN, `arn:aws:iam::aws:policy/…`; nobody changes them.
//!
//! The documents grant what AWS's grant, with two exceptions. `ReadOnlyAccess` is cut to the services that this
//! server speaks, out of the hundreds that AWS lists, and leaves out `ec2messages:Get*`: to get a node's message is
//! to take it away. The unique ids are our own, because AWS publishes none.

use std::sync::{Arc, OnceLock};

use super::document::{Policy, PolicyKind};

/// A policy that AWS manages, in its default version.
#[derive(Debug)]
pub struct ManagedPolicy {
    /// The ARN, of which the path is part.
    pub arn: &'static str,
    /// The name without the path.
    pub name: &'static str,
    /// `/` or `/service-role/`.
    pub path: &'static str,
    /// The unique id, `ANPA…`.
    pub id: &'static str,
    /// The default version, such as `v2`.
    pub version: &'static str,
    /// When the policy was first published, in RFC 3339.
    pub created: &'static str,
    /// When the default version was published, in RFC 3339.
    pub updated: &'static str,
    /// The document of the default version, in JSON.
    pub document: &'static str,
    parsed: OnceLock<Arc<Policy>>,
}

impl ManagedPolicy {
    /// Returns the document as the engine reads it; it is parsed once.
    pub fn policy(&self) -> Arc<Policy> {
        let parse = || {
            let policy = Policy::parse(self.document, PolicyKind::Identity);
            Arc::new(policy.expect("a document that is built in is valid"))
        };
        Arc::clone(self.parsed.get_or_init(parse))
    }
}

/// Finds a policy by its ARN.
pub fn managed_policy(arn: &str) -> Option<&'static ManagedPolicy> {
    managed_policies().find(|policy| policy.arn == arn)
}

/// Returns every policy, the general ones first.
pub fn managed_policies() -> impl ExactSizeIterator<Item = &'static ManagedPolicy> {
    POLICIES.iter()
}

/// Fills in what follows from path and name: path, name, version, id, created, updated.
macro_rules! managed {
    ($path:literal, $name:literal, $version:literal, $id:literal, $created:literal, $updated:literal) => {
        ManagedPolicy {
            arn: concat!("arn:aws:iam::aws:policy", $path, $name),
            name: $name,
            path: $path,
            id: $id,
            version: $version,
            created: $created,
            updated: $updated,
            document: include_str!(concat!("managed/", $name, ".json")),
            parsed: OnceLock::new(),
        }
    };
}

#[rustfmt::skip]
static POLICIES: [ManagedPolicy; 17] = [
    managed!("/", "AdministratorAccess", "v1", "ANPAXUEARDEVTUHKHZ23E", "2015-02-06T18:39:46Z", "2015-02-06T18:39:46Z"),
    managed!("/", "PowerUserAccess", "v12", "ANPA2GJ374OZECNIBWSJS", "2015-02-06T18:39:47Z", "2026-02-12T17:59:14Z"),
    managed!("/", "ReadOnlyAccess", "v190", "ANPAFI55UOPBKUWLEKB5V", "2015-02-06T18:39:48Z", "2026-09-24T17:37:08Z"),
    managed!("/", "IAMFullAccess", "v2", "ANPA7B5UVX2EMSV5NZ2PS", "2015-02-06T18:40:38Z", "2019-06-21T19:40:00Z"),
    managed!("/", "IAMReadOnlyAccess", "v4", "ANPAPJ6MR2FDVTQR3ZOKF", "2015-02-06T18:40:39Z", "2018-01-25T19:11:27Z"),
    managed!("/", "AmazonSSMFullAccess", "v4", "ANPA75FPPO7VSQ3HKTTM4", "2015-05-29T17:39:47Z", "2019-11-20T20:08:56Z"),
    managed!("/", "AmazonSSMReadOnlyAccess", "v1", "ANPAERDL4BXT2WWSURPDE", "2015-05-29T17:44:19Z", "2015-05-29T17:44:19Z"),
    managed!("/", "AmazonSSMManagedInstanceCore", "v2", "ANPAGF6WHXMK4QAO3JMOE", "2019-03-15T17:22:12Z", "2019-05-23T16:54:21Z"),
    managed!("/", "AmazonSSMManagedEC2InstanceDefaultPolicy", "v2", "ANPAQSHICXBC2IKC7PVJG", "2022-08-30T20:54:27Z", "2024-07-16T18:14:07Z"),
    managed!("/service-role/", "AmazonEC2RoleforSSM", "v8", "ANPAMNXJS5GAY7JIUJH7L", "2015-05-29T17:48:35Z", "2019-01-24T19:20:51Z"),
    managed!("/", "AmazonSSMDirectoryServiceAccess", "v1", "ANPAQNM3BVNE6DT2RYIHZ", "2019-03-15T17:44:38Z", "2019-03-15T17:44:38Z"),
    managed!("/", "CloudWatchAgentServerPolicy", "v3", "ANPACEGJBLPQJIPVUXI2G", "2018-03-07T01:06:44Z", "2024-02-06T16:37:37Z"),
    managed!("/", "CloudWatchLogsFullAccess", "v8", "ANPA4VWLOMZ5ZODMZBSWE", "2015-02-06T18:40:02Z", "2026-02-12T18:00:33Z"),
    managed!("/", "CloudWatchLogsReadOnlyAccess", "v12", "ANPAWXOUCQUDWNFBZFQQ6", "2015-02-06T18:40:03Z", "2026-02-12T17:59:13Z"),
    managed!("/", "CloudWatchEventsReadOnlyAccess", "v3", "ANPAS6ZL3QMVECKMM2KPB", "2016-01-14T18:27:18Z", "2022-12-01T16:29:31Z"),
    managed!("/", "AmazonS3FullAccess", "v2", "ANPASRY7GFCAGYCBEI3OF", "2015-02-06T18:40:58Z", "2021-09-27T20:16:37Z"),
    managed!("/", "AmazonS3ReadOnlyAccess", "v3", "ANPAQ5BXIUXVMDBU7G7AK", "2015-02-06T18:40:59Z", "2023-08-10T21:31:39Z"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::ids::AccountId;
    use crate::policy::{Identity, NamedPolicy, PolicySet, Request, evaluate};

    fn managed(name: &str) -> &'static ManagedPolicy {
        managed_policy(&format!("arn:aws:iam::aws:policy/{name}")).unwrap_or_else(|| panic!("no {name}"))
    }

    fn allows_on(name: &str, action: &str, resource: &str) -> bool {
        let account = AccountId::parse("123456789012").expect("valid");
        let identity = Identity::user(account, "/", "alice", "AIDAALICE");
        let context = identity.context();
        let policies = PolicySet {
            identity: vec![NamedPolicy::shared(name, managed(name).policy())],
            ..PolicySet::default()
        };
        evaluate(&Request::new(&identity, action, resource, &context), &policies).is_allowed()
    }

    fn allows(name: &str, action: &str) -> bool {
        allows_on(name, action, "*")
    }

    /// Counts the actions of a vendor, patterns among them, over all statements.
    fn count(name: &str, vendor: &str) -> usize {
        managed(name).document.matches(&format!("\"{vendor}:")).count()
    }

    #[test]
    fn every_document_is_read_once_and_found_by_its_arn() {
        let (mut arns, mut ids) = (HashSet::new(), HashSet::new());
        for policy in managed_policies() {
            assert!(Arc::ptr_eq(&policy.policy(), &policy.policy()), "{}", policy.arn);
            assert!(arns.insert(policy.arn) && ids.insert(policy.id), "{}", policy.arn);
            assert_eq!(
                policy.arn,
                format!("arn:aws:iam::aws:policy{}{}", policy.path, policy.name)
            );
            assert_eq!(managed_policy(policy.arn).map(|found| found.id), Some(policy.id));
            assert!(
                policy.id.len() == 21 && policy.id.starts_with("ANPA"),
                "{}",
                policy.id
            );
            for date in [policy.created, policy.updated] {
                date.parse::<jiff::Timestamp>().expect(date);
            }
            assert!(policy.created <= policy.updated, "{}", policy.arn);
        }
        assert!(managed_policy("arn:aws:iam::aws:policy/AmazonEC2RoleforSSM").is_none());
        assert!(managed_policy("arn:aws:iam::aws:policy/service-role/AmazonEC2RoleForSSM").is_none());
    }

    #[test]
    fn a_node_reaches_its_channels_and_starts_no_session() {
        let core = "AmazonSSMManagedInstanceCore";
        assert_eq!(
            [
                count(core, "ssm"),
                count(core, "ssmmessages"),
                count(core, "ec2messages")
            ],
            [15, 4, 6]
        );
        let default = "AmazonSSMManagedEC2InstanceDefaultPolicy";
        let role = "service-role/AmazonEC2RoleforSSM";
        assert_eq!(
            [count(default, "ssm"), count(role, "ssm"), count(role, "s3")],
            [13, 14, 8]
        );
        for name in [core, default, role] {
            assert!(allows(name, "ssmmessages:OpenDataChannel"), "{name}");
            assert!(allows(name, "ssm:UpdateInstanceInformation"), "{name}");
            assert!(!allows(name, "ssm:StartSession"), "{name}");
            assert_eq!(allows(name, "ssm:GetParameter"), name == core, "{name}");
            assert_eq!(allows(name, "ssm:GetParameters"), name != default, "{name}");
            assert_eq!(allows(name, "logs:PutLogEvents"), name == role, "{name}");
        }
    }

    #[test]
    fn who_reads_events_cannot_look_up_the_trail() {
        let events = "CloudWatchEventsReadOnlyAccess";
        assert_eq!(count(events, "events"), 19);
        assert!(allows(events, "events:TestEventPattern") && !allows(events, "events:PutRule"));
        assert!(!allows(events, "cloudtrail:LookupEvents"));
        assert!(!managed(events).document.contains("cloudtrail"));
        assert!(allows("ReadOnlyAccess", "cloudtrail:LookupEvents"));
    }

    #[test]
    fn who_reads_logs_writes_none() {
        let (read, full, agent) = (
            "CloudWatchLogsReadOnlyAccess",
            "CloudWatchLogsFullAccess",
            "CloudWatchAgentServerPolicy",
        );
        assert!(allows(read, "logs:GetLogEvents") && allows(read, "logs:FilterLogEvents"));
        assert!(!allows(read, "logs:PutLogEvents") && !allows(read, "logs:CreateLogGroup"));
        assert!(allows(full, "logs:DeleteLogGroup") && !allows(full, "cloudwatch:PutMetricData"));
        assert!(allows(agent, "logs:PutLogEvents") && !allows(agent, "logs:GetLogEvents"));
        let parameter = |name| format!("arn:aws:ssm:us-east-1:123456789012:parameter/{name}");
        assert!(allows_on(
            agent,
            "ssm:GetParameter",
            &parameter("AmazonCloudWatch-linux")
        ));
        assert!(!allows_on(agent, "ssm:GetParameter", &parameter("secret")));
    }

    #[test]
    fn administrators_of_one_thing_administer_no_other() {
        assert!(allows("AdministratorAccess", "iam:CreateUser"));
        assert!(
            allows("PowerUserAccess", "ssm:StartSession") && !allows("PowerUserAccess", "iam:CreateUser")
        );
        assert!(allows("IAMFullAccess", "iam:CreateUser") && !allows("IAMFullAccess", "ssm:StartSession"));
        assert!(allows("IAMReadOnlyAccess", "iam:GetUser") && !allows("IAMReadOnlyAccess", "iam:CreateUser"));
        assert!(allows("AmazonSSMFullAccess", "ssm:StartSession"));
        assert!(!allows("AmazonSSMFullAccess", "iam:PassRole"));
        assert!(allows("AmazonS3FullAccess", "s3:DeleteBucket"));
    }

    #[test]
    fn who_reads_changes_nothing() {
        for name in ["ReadOnlyAccess", "AmazonSSMReadOnlyAccess"] {
            assert!(allows(name, "ssm:DescribeSessions"), "{name}");
            for action in [
                "ssm:StartSession",
                "ssm:TerminateSession",
                "ssm:SendCommand",
                "ec2messages:GetMessages",
            ] {
                assert!(!allows(name, action), "{name} allows {action}");
            }
        }
        assert!(!allows("ReadOnlyAccess", "kms:Decrypt") && !allows("ReadOnlyAccess", "iam:CreateUser"));
        assert!(allows("AmazonS3ReadOnlyAccess", "s3:GetObject"));
        assert!(!allows("AmazonS3ReadOnlyAccess", "s3:PutObject"));
    }
}
