//! Managed nodes.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ActivationId, NodeId, Region};

/// A machine that registered, or was enrolled, and what its agent last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedNode {
    /// Its id, never reused.
    pub id: NodeId,
    /// The account it belongs to.
    pub account: AccountId,
    /// The region it belongs to.
    pub region: Region,
    /// The activation it registered with.
    pub activation: Option<ActivationId>,
    /// The name of its role; of a node with an instance profile, the role that the profile had when it was enrolled.
    pub iam_role: String,
    /// The name of the instance profile that gives an enrolled node its role.
    pub instance_profile: Option<String>,
    /// The name it was given by its activation.
    pub name: Option<String>,
    /// Its public key, DER SubjectPublicKeyInfo of an RSA key; an enrolled node has none.
    pub public_key: Option<Vec<u8>>,
    /// What it calls its machine; a copy of the disk in another machine says another. An enrolled node says nothing.
    pub fingerprint: String,
    /// When it registered, or was enrolled.
    pub registered_at: Timestamp,
    /// When its agent last reported.
    pub last_ping_at: Option<Timestamp>,
    /// Its agent's last report.
    pub agent: AgentReport,
}

/// What an agent says of itself and its machine in `UpdateInstanceInformation`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentReport {
    /// The program's name, `amazon-ssm-agent` for AWS's.
    pub name: Option<String>,
    /// Four numbers with dots.
    pub version: Option<String>,
    /// `Active` or `InActive`.
    pub status: Option<String>,
    /// `Linux`, `Windows` or `MacOS`.
    pub platform_type: Option<String>,
    /// The distribution, such as `Debian GNU/Linux`.
    pub platform_name: Option<String>,
    /// The distribution's version.
    pub platform_version: Option<String>,
    /// The machine's host name.
    pub computer_name: Option<String>,
    /// The machine's main address.
    pub ip_address: Option<String>,
    /// Where the machine stands.
    pub availability_zone: Option<String>,
}

impl AgentReport {
    /// Takes over what a later report says, and keeps what it leaves out.
    pub fn update(&mut self, later: Self) {
        let fields = [
            (&mut self.name, later.name),
            (&mut self.version, later.version),
            (&mut self.status, later.status),
            (&mut self.platform_type, later.platform_type),
            (&mut self.platform_name, later.platform_name),
            (&mut self.platform_version, later.platform_version),
            (&mut self.computer_name, later.computer_name),
            (&mut self.ip_address, later.ip_address),
            (&mut self.availability_zone, later.availability_zone),
        ];
        for (field, value) in fields {
            if let Some(value) = value.filter(|text| !text.is_empty()) {
                *field = Some(value);
            }
        }
    }
}

/// Whether a node can be reached, as `DescribeInstanceInformation` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingStatus {
    /// Its control channel is up, or it reported within [`PingStatus::PATIENCE`].
    Online,
    /// Nothing was heard of it for longer.
    ConnectionLost,
    /// It registered and never reported.
    Inactive,
}

impl PingStatus {
    /// How long a node counts as online after a report: agents report every 5 minutes.
    pub const PATIENCE: Duration = Duration::from_secs(330);

    /// Judges a node by its control channel and its last report.
    pub fn of(node: &ManagedNode, connected: bool, now: Timestamp) -> Self {
        match node.last_ping_at {
            _ if connected => Self::Online,
            Some(at) if now.duration_since(at).unsigned_abs() < Self::PATIENCE || at > now => Self::Online,
            Some(_) => Self::ConnectionLost,
            None => Self::Inactive,
        }
    }

    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "Online",
            Self::ConnectionLost => "ConnectionLost",
            Self::Inactive => "Inactive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(last_ping_at: Option<Timestamp>) -> ManagedNode {
        ManagedNode {
            id: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
            account: AccountId::parse("123456789012").expect("valid"),
            region: Region::parse("us-east-1").expect("valid"),
            activation: None,
            iam_role: "role".into(),
            instance_profile: None,
            name: None,
            public_key: None,
            fingerprint: String::new(),
            registered_at: Timestamp::UNIX_EPOCH,
            last_ping_at,
            agent: AgentReport::default(),
        }
    }

    #[test]
    fn is_online_until_five_and_a_half_minutes_after_a_report() {
        let at = Timestamp::from_second(1_000_000).expect("valid");
        let after = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).expect("valid");
        assert_eq!(
            PingStatus::of(&node(Some(at)), false, after(329)),
            PingStatus::Online
        );
        assert_eq!(
            PingStatus::of(&node(Some(at)), false, after(330)),
            PingStatus::ConnectionLost
        );
        assert_eq!(
            PingStatus::of(&node(Some(at)), true, after(9000)),
            PingStatus::Online
        );
        assert_eq!(PingStatus::of(&node(None), false, at), PingStatus::Inactive);
    }

    #[test]
    fn a_short_report_keeps_what_a_full_one_said() {
        let mut report = AgentReport {
            computer_name: Some("web-1".into()),
            version: Some("1".into()),
            ..AgentReport::default()
        };
        report.update(AgentReport {
            version: Some("2".into()),
            computer_name: Some(String::new()),
            ..AgentReport::default()
        });
        assert_eq!(report.computer_name.as_deref(), Some("web-1"));
        assert_eq!(report.version.as_deref(), Some("2"));
    }
}
