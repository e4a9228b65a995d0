//! What a call touched.

use serde::{Deserialize, Serialize};

use super::line;
use crate::ids::AccountId;
use crate::policy::{Resource, Subject};

/// One resource of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    #[serde(rename = "ARN")]
    arn: String,
    #[serde(rename = "accountId")]
    account: AccountId,
    /// Such as `AWS::IAM::Role`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// A request may call its resources what it likes; longer names than AWS allows are not kept whole.
const MAX_ARN: usize = 2048;

/// The most resources of one event.
const MAX_RESOURCES: usize = 20;

const POLICY: &str = "AWS::IAM::Policy";

const LOG_GROUP: &str = "AWS::Logs::LogGroup";

impl Touched {
    /// Returns the ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the account that has it.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Returns the type, such as `AWS::IAM::Role`, where the resource is of a type that has one.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns what `LookupEvents` calls the resource: its id or its name without the path, the whole name of a log
    /// group, or the ARN of a policy and of what has no type.
    pub fn name(&self) -> &str {
        match self.kind() {
            None | Some(POLICY) => &self.arn,
            Some(LOG_GROUP) => self.arn.split(':').nth(6).unwrap_or_default(),
            Some(_) => self.arn.rsplit('/').next().unwrap_or_default(),
        }
    }
}

/// Lists each resource once; `*` is none.
pub(super) fn touched<'a>(
    resources: impl IntoIterator<Item = &'a Resource>,
    account: &AccountId,
) -> Vec<Touched> {
    let mut all: Vec<Touched> = Vec::new();
    for resource in resources {
        let touched = Touched {
            arn: line::cut(resource.arn(), MAX_ARN),
            account: owner(resource).unwrap_or_else(|| account.clone()),
            kind: kind(resource.subject()).map(str::to_owned),
        };
        if touched.arn != "*" && all.len() < MAX_RESOURCES && !all.contains(&touched) {
            all.push(touched);
        }
    }
    all
}

/// The account that an ARN names; that of a bucket names none, and the decision found whose it is.
fn owner(resource: &Resource) -> Option<AccountId> {
    let named = || AccountId::parse(resource.arn().split(':').nth(4)?).ok();
    resource.owner().cloned().or_else(named)
}

/// Resources that policies may open to other accounts, whose owners are told of what these do.
pub(super) const SHARED: [&str; 2] = [KEY, BUCKET];

const KEY: &str = "AWS::KMS::Key";

const BUCKET: &str = "AWS::S3::Bucket";

fn kind(subject: &Subject) -> Option<&'static str> {
    match subject {
        Subject::Nothing | Subject::NodeMessages(_) => None,
        Subject::Node(node) if node.starts_with("i-") => Some("AWS::EC2::Instance"),
        Subject::Node(_) => Some("AWS::SSM::ManagedNode"),
        Subject::Session(_) => Some("AWS::SSM::Session"),
        Subject::Document(_) => Some("AWS::SSM::Document"),
        Subject::Parameter(_) => Some("AWS::SSM::Parameter"),
        Subject::User(_) => Some("AWS::IAM::User"),
        Subject::Group(_) => Some("AWS::IAM::Group"),
        Subject::Role(_) => Some("AWS::IAM::Role"),
        Subject::Policy(_) => Some(POLICY),
        Subject::InstanceProfile(_) => Some("AWS::IAM::InstanceProfile"),
        Subject::Key(_) => Some(KEY),
        Subject::Bucket(_) | Subject::Upload { .. } => Some(BUCKET),
        Subject::LogGroup(_) => Some(LOG_GROUP),
    }
}
