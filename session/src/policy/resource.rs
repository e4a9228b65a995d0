//! What a request touches.

use serde::{Deserialize, Serialize};

use crate::document::Provider;
use crate::ids::{AccountId, Region};

/// What a request touches: its ARN, and which of the server's objects it is, whose tags matter to the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// As the request names it.
    arn: String,
    /// Where the directory has it, if that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found_at: Option<String>,
    /// Whose it is, where the ARN does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountId>,
    subject: Subject,
}

/// Which of the server's objects a resource is, as the request calls it: it may be misspelt or not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// None that has tags.
    Nothing,
    /// A managed node.
    Node(String),
    /// The message channels or the queue of a managed node.
    NodeMessages(String),
    /// A session.
    Session(String),
    /// A session document.
    Document(String),
    /// A parameter, by its name.
    Parameter(String),
    /// A user, by name.
    User(String),
    /// A group, by name.
    Group(String),
    /// A role, by name.
    Role(String),
    /// A customer-managed policy, by ARN.
    Policy(String),
    /// An instance profile, by name.
    InstanceProfile(String),
    /// A key, by its ARN or its alias's.
    Key(String),
    /// A bucket or an object in it, by the bucket's name.
    Bucket(String),
    /// An object that is being uploaded in parts.
    Upload {
        /// The bucket's name.
        bucket: String,
        /// The upload's id.
        id: String,
    },
    /// A log group or a stream in it, by the group's name.
    LogGroup(String),
}

impl Resource {
    /// Names everything, `*`, for operations without a resource.
    pub fn any() -> Self {
        Self::plain("*")
    }

    /// Names a resource that has no tags.
    pub fn plain(arn: impl Into<String>) -> Self {
        Self::new(arn, Subject::Nothing)
    }

    /// Names a managed node by what the request calls it, valid or not.
    pub fn node(region: &Region, account: &AccountId, node: &str) -> Self {
        let arn = if node.starts_with("i-") {
            format!("arn:aws:ec2:{region}:{account}:instance/{node}")
        } else {
            format!("arn:aws:ssm:{region}:{account}:managed-instance/{node}")
        };
        Self::new(arn, Subject::Node(node.to_owned()))
    }

    /// Names the message channels of a node, which policies know as `arn:aws:ssmmessages:…:*`.
    pub fn message_channel(region: &Region, account: &AccountId, node: &str) -> Self {
        let arn = format!("arn:aws:ssmmessages:{region}:{account}:*");
        Self::new(arn, Subject::NodeMessages(node.to_owned()))
    }

    /// Names the queue of a node, which policies know as `*`.
    pub fn message_queue(node: &str) -> Self {
        Self::new("*", Subject::NodeMessages(node.to_owned()))
    }

    /// Names a session by what the request calls it.
    pub fn session(region: &Region, account: &AccountId, session: &str) -> Self {
        let arn = format!("arn:aws:ssm:{region}:{account}:session/{session}");
        Self::new(arn, Subject::Session(session.to_owned()))
    }

    /// Names a session document by its name or its ARN; one that is in every account belongs to none.
    pub fn document(region: &Region, account: &AccountId, name: &str) -> Self {
        if name.starts_with("arn:") {
            let named = Self::at(name);
            return match named.subject {
                Subject::Document(_) => named,
                _ => Self::plain(name),
            };
        }
        let arn = if Provider::of(name).is_some() {
            format!("arn:aws:ssm:{region}::document/{name}")
        } else {
            format!("arn:aws:ssm:{region}:{account}:document/{name}")
        };
        Self::new(arn, Subject::Document(name.to_owned()))
    }

    /// Names a parameter; a path's first slash is not in its ARN.
    pub fn parameter(region: &Region, account: &AccountId, name: &str) -> Self {
        let path = name.strip_prefix('/').unwrap_or(name);
        let arn = format!("arn:aws:ssm:{region}:{account}:parameter/{path}");
        Self::new(arn, Subject::Parameter(name.to_owned()))
    }

    /// Names a user, whose path the directory knows.
    pub fn user(account: &AccountId, name: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:user/{name}");
        Self::new(arn, Subject::User(name.to_owned()))
    }

    /// Names a group, whose path the directory knows.
    pub fn group(account: &AccountId, name: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:group/{name}");
        Self::new(arn, Subject::Group(name.to_owned()))
    }

    /// Names a role, whose path the directory knows.
    pub fn role(account: &AccountId, name: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:role/{name}");
        Self::new(arn, Subject::Role(name.to_owned()))
    }

    /// Names a role by the ARN that a request gives it, with the name in it: the path may be another.
    pub fn role_called(arn: &str, name: &str) -> Self {
        Self::new(arn, Subject::Role(name.to_owned()))
    }

    /// Names a managed policy by its ARN.
    pub fn policy(arn: &str) -> Self {
        Self::new(arn, Subject::Policy(arn.to_owned()))
    }

    /// Names an instance profile, whose path the directory knows.
    pub fn instance_profile(account: &AccountId, name: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:instance-profile/{name}");
        Self::new(arn, Subject::InstanceProfile(name.to_owned()))
    }

    /// Names a key by what the request calls it: its id, its ARN, its alias or that one's ARN.
    pub fn key(region: &Region, account: &AccountId, key: &str) -> Self {
        let arn = if key.starts_with("arn:") {
            key.to_owned()
        } else if key.starts_with("alias/") {
            format!("arn:aws:kms:{region}:{account}:{key}")
        } else {
            format!("arn:aws:kms:{region}:{account}:key/{key}")
        };
        Self::new(arn.clone(), Subject::Key(arn))
    }

    /// Names a bucket.
    pub fn bucket(name: &str) -> Self {
        Self::new(format!("arn:aws:s3:::{name}"), Subject::Bucket(name.to_owned()))
    }

    /// Names an object in a bucket.
    pub fn object(bucket: &str, key: &str) -> Self {
        Self::new(
            format!("arn:aws:s3:::{bucket}/{key}"),
            Subject::Bucket(bucket.to_owned()),
        )
    }

    /// Names an object that the parts of an upload are for.
    pub fn upload(bucket: &str, key: &str, id: &str) -> Self {
        Self::new(
            format!("arn:aws:s3:::{bucket}/{key}"),
            Subject::Upload {
                bucket: bucket.to_owned(),
                id: id.to_owned(),
            },
        )
    }

    /// Names a log group.
    pub fn log_group(region: &Region, account: &AccountId, name: &str) -> Self {
        let arn = format!("arn:aws:logs:{region}:{account}:log-group:{name}");
        Self::new(arn, Subject::LogGroup(name.to_owned()))
    }

    /// Finds out which object an ARN names; what is no ARN of such an object is plain.
    pub fn at(arn: &str) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, service, _, _, path] = parts[..] else {
            return Self::plain(arn);
        };
        match service {
            "s3" => {
                let bucket = path.split('/').next().unwrap_or(path);
                return Self::new(arn, Subject::Bucket(bucket.to_owned()));
            }
            "kms" => return Self::new(arn, Subject::Key(arn.to_owned())),
            "logs" => {
                let group = path
                    .strip_prefix("log-group:")
                    .map(|rest| rest.split(':').next().unwrap_or(rest));
                return group.map_or_else(
                    || Self::plain(arn),
                    |name| Self::new(arn, Subject::LogGroup(name.to_owned())),
                );
            }
            _ => {}
        }
        let Some((kind, rest)) = path.split_once('/') else {
            return Self::plain(arn);
        };
        let last = || rest.rsplit('/').next().unwrap_or(rest).to_owned();
        let subject = match (service, kind) {
            ("ec2", "instance") | ("ssm", "managed-instance") => Subject::Node(rest.to_owned()),
            ("ssm", "session") => Subject::Session(rest.to_owned()),
            ("ssm", "document") => Subject::Document(rest.to_owned()),
            ("ssm", "parameter") if rest.contains('/') => Subject::Parameter(format!("/{rest}")),
            ("ssm", "parameter") => Subject::Parameter(rest.to_owned()),
            ("iam", "user") => Subject::User(last()),
            ("iam", "group") => Subject::Group(last()),
            ("iam", "role") => Subject::Role(last()),
            ("iam", "policy") => Subject::Policy(arn.to_owned()),
            ("iam", "instance-profile") => Subject::InstanceProfile(last()),
            _ => Subject::Nothing,
        };
        Self::new(arn, subject)
    }

    fn new(arn: impl Into<String>, subject: Subject) -> Self {
        Self {
            arn: arn.into(),
            found_at: None,
            owner: None,
            subject,
        }
    }

    /// Gives the ARN that the object really has, with its path.
    #[must_use]
    pub fn found_at(self, arn: impl Into<String>) -> Self {
        Self {
            found_at: Some(arn.into()),
            ..self
        }
    }

    /// Gives the account that owns the object, which the ARN of a bucket never tells.
    #[must_use]
    pub fn owned_by(self, account: AccountId) -> Self {
        Self {
            owner: Some(account),
            ..self
        }
    }

    /// Returns the account that owns the object, where the ARN does not tell it.
    pub fn owner(&self) -> Option<&AccountId> {
        self.owner.as_ref()
    }

    /// Returns the ARN that policies match.
    pub fn arn(&self) -> &str {
        self.found_at.as_deref().unwrap_or(&self.arn)
    }

    /// Returns the ARN that denials show: what the request said, which tells nobody whether it is there.
    pub fn named(&self) -> &str {
        &self.arn
    }

    /// Returns which object it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Returns the node that the request is about, as the request calls it.
    pub(super) fn target_node(&self) -> Option<&str> {
        match &self.subject {
            Subject::Node(node) | Subject::NodeMessages(node) => Some(node),
            Subject::Nothing
            | Subject::Session(_)
            | Subject::Document(_)
            | Subject::Parameter(_)
            | Subject::User(_)
            | Subject::Group(_)
            | Subject::Role(_)
            | Subject::Policy(_)
            | Subject::InstanceProfile(_)
            | Subject::Key(_)
            | Subject::Bucket(_)
            | Subject::Upload { .. }
            | Subject::LogGroup(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_tells_which_object_it_names() {
        let account = AccountId::parse("123456789012").expect("valid");
        let region = Region::parse("us-east-1").expect("valid");
        for resource in [
            Resource::any(),
            Resource::bucket("logs"),
            Resource::object("logs", "managed-instance/x"),
            Resource::key(&region, &account, "1234abcd-12ab-34cd-56ef-1234567890ab"),
            Resource::key(&region, &account, "alias/SessionKey"),
            Resource::log_group(&region, &account, "/ssm/sessions"),
            Resource::node(&region, &account, "mi-0a1b2c3d4e5f67890"),
            Resource::node(&region, &account, "i-0a1b2c3d4e5f67890"),
            Resource::session(&region, &account, "alice-0123"),
            Resource::document(&region, &account, "AWS-StartSSHSession"),
            Resource::document(&region, &account, "Drawbridge-StartPortForwarding"),
            Resource::parameter(&region, &account, "port"),
            Resource::parameter(&region, &account, "/web/port"),
            Resource::user(&account, "alice"),
            Resource::group(&account, "ops"),
            Resource::role(&account, "Ops"),
            Resource::policy("arn:aws:iam::123456789012:policy/team/Dev"),
            Resource::instance_profile(&account, "web"),
        ] {
            assert_eq!(Resource::at(resource.arn()), resource);
        }
        let at_a_path = Resource::at("arn:aws:iam::123456789012:user/team/x/alice");
        assert_eq!(at_a_path.subject(), &Subject::User("alice".to_owned()));
    }

    #[test]
    fn a_document_may_be_named_by_its_arn() {
        let account = AccountId::parse("123456789012").expect("valid");
        let region = Region::parse("us-east-1").expect("valid");
        let document = |name: &str| Resource::document(&region, &account, name);
        let arn = "arn:aws:ssm:us-east-1:210987654321:document/Shared";
        assert_eq!(document(arn).arn(), arn);
        assert_eq!(document(arn).subject(), &Subject::Document("Shared".to_owned()));
        for provided in ["AWS-StartSSHSession", "Drawbridge-StartPortForwarding"] {
            let arn = format!("arn:aws:ssm:us-east-1::document/{provided}");
            assert_eq!(document(provided).arn(), arn);
        }
        let own = document("arn:aws:ssm:us-east-1:123456789012:document/Doc");
        assert_eq!(own, document("Doc"));
        for other in [
            "arn:aws:ssm:us-east-1:123456789012:parameter/Doc",
            "arn:aws:iam::1:user/x",
            "arn:",
        ] {
            assert_eq!(document(other), Resource::plain(other));
        }
    }
}
