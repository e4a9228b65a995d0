//! Where made-up requests happen: a partition, a region and an account that a policy's own patterns cover.

/// Stands for every account where a pattern does not say which.
const ACCOUNT: &str = "123456789012";

/// A partition, region and account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    partition: String,
    region: String,
    pub(super) account: String,
}

/// The two kinds of nodes that a session starts on, which policies name differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    /// `i-…`, of EC2.
    Instance,
    /// `mi-…`, registered with an activation.
    ManagedInstance,
}

impl NodeKind {
    /// Returns the ARN of a node that no policy names by its id.
    pub(super) fn arn(self, place: &Place) -> String {
        match self {
            Self::Instance => place.arn("ec2", "instance/i-0d4ab41d6e0000000"),
            Self::ManagedInstance => place.arn("ssm", "managed-instance/mi-0d4ab41d6e0000000"),
        }
    }

    /// Returns the pattern for all nodes of the kind.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            Self::Instance => "arn:aws:ec2:*:*:instance/*",
            Self::ManagedInstance => "arn:aws:ssm:*:*:managed-instance/*",
        }
    }
}

impl Place {
    /// Returns some place.
    pub(super) fn any() -> Self {
        Self::within("*")
    }

    /// Returns a place inside a resource pattern.
    pub(super) fn within(pattern: &str) -> Self {
        let mut parts = pattern.splitn(6, ':').skip(1);
        let partition = filled(parts.next(), "aws");
        let _service = parts.next();
        Self {
            partition,
            region: filled(parts.next(), "us-east-1"),
            account: filled(parts.next(), ACCOUNT),
        }
    }

    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let Self {
            partition,
            region,
            account,
        } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// Returns a text that a pattern matches, as long as it has no variables.
pub(super) fn example(pattern: &str) -> String {
    pattern.replace(['*', '?'], "x")
}

fn filled(part: Option<&str>, default: &str) -> String {
    match part {
        None | Some("" | "*") => default.to_owned(),
        Some(part) => example(part),
    }
}
