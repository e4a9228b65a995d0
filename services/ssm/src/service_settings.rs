//! Service settings: what an account has chosen for itself in a region.
//!
//! A setting that nobody changed has its default; for the activation tier that is the server's ([`ActivationTier`]).

pub(crate) mod get;
pub(crate) mod reset;
pub(crate) mod update;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Need, Needs, Resource};
use drawbridge_store::SessionLimits;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::internal;
use crate::{Ssm, input, wire};

/// What registered nodes can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivationTier {
    /// Everything but sessions, which is what an account begins with on AWS.
    #[default]
    Standard,
    /// Sessions as well.
    Advanced,
}

impl ActivationTier {
    const STANDARD: &str = "standard";
    const ADVANCED: &str = "advanced";

    fn as_str(self) -> &'static str {
        match self {
            Self::Standard => Self::STANDARD,
            Self::Advanced => Self::ADVANCED,
        }
    }
}

/// The settings that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    ActivationTier,
    DefaultInstanceRole,
    PublicDocuments,
    SessionsPerUser,
    SessionsPerNode,
}

/// A limit that is none, which is the default.
const UNLIMITED: &str = "unlimited";

/// The role of nobody, which is the default.
const NO_ROLE: &str = "$None";

impl Known {
    const ALL: [Self; 5] = [
        Self::ActivationTier,
        Self::DefaultInstanceRole,
        Self::PublicDocuments,
        Self::SessionsPerUser,
        Self::SessionsPerNode,
    ];

    fn id(self) -> &'static str {
        match self {
            Self::ActivationTier => "/ssm/managed-instance/activation-tier",
            Self::DefaultInstanceRole => "/ssm/managed-instance/default-ec2-instance-management-role",
            Self::PublicDocuments => "/ssm/documents/console/public-sharing-permission",
            Self::SessionsPerUser => "/drawbridge/sessions/per-user",
            Self::SessionsPerNode => "/drawbridge/sessions/per-node",
        }
    }

    fn default(self, ssm: &Ssm) -> &'static str {
        match self {
            Self::ActivationTier => ssm.settings.activation_tier.as_str(),
            Self::DefaultInstanceRole => NO_ROLE,
            Self::PublicDocuments => "Enable",
            Self::SessionsPerUser | Self::SessionsPerNode => UNLIMITED,
        }
    }

    /// Finds a setting by its id or by the ARN that it has where the caller acts.
    fn find(caller: &Caller, named: &str) -> Result<Self, AwsError> {
        let id = id_of(caller, named);
        let known = Self::ALL.into_iter().find(|known| known.id() == id);
        known.ok_or_else(|| {
            AwsError::new(
                "ServiceSettingNotFound",
                format!("Service setting {named} does not exist."),
            )
        })
    }

    /// Returns the setting's place in the store.
    fn place(self, caller: &Caller) -> String {
        format!(
            "service setting {}/{}{}",
            caller.account,
            caller.region,
            self.id()
        )
    }
}

/// A setting that was changed.
#[derive(Debug, Serialize, Deserialize)]
struct Customized {
    value: String,
    modified_at: Timestamp,
    modified_by: String,
}

/// A setting as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    setting_id: &'static str,
    setting_value: String,
    #[serde(
        serialize_with = "wire::epoch_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    last_modified_date: Option<Timestamp>,
    last_modified_user: String,
    #[serde(rename = "ARN")]
    arn: String,
    status: &'static str,
}

impl Shown {
    fn new(ssm: &Ssm, caller: &Caller, known: Known, customized: Option<Customized>) -> Self {
        let (value, at, by, status) = match customized {
            Some(it) => (it.value, Some(it.modified_at), it.modified_by, "Customized"),
            None => (
                known.default(ssm).to_owned(),
                None,
                "System".to_owned(),
                "Default",
            ),
        };
        Self {
            setting_id: known.id(),
            setting_value: value,
            last_modified_date: at,
            last_modified_user: by,
            arn: arn_of(caller, known.id()),
            status,
        }
    }
}

/// Says whether sessions may be started on registered nodes where the caller acts.
pub(crate) async fn allows_sessions_on_registered_nodes(
    ssm: &Ssm,
    caller: &Caller,
) -> Result<bool, AwsError> {
    let tier = value(ssm, caller, Known::ActivationTier).await?;
    Ok(tier == ActivationTier::ADVANCED)
}

/// Returns how many sessions may be live at one time where the caller acts.
pub(crate) async fn session_limits(ssm: &Ssm, caller: &Caller) -> Result<SessionLimits, AwsError> {
    // What is no number is no limit.
    let limit = async |known| Ok::<_, AwsError>(value(ssm, caller, known).await?.parse().ok());
    Ok(SessionLimits {
        per_owner: limit(Known::SessionsPerUser).await?,
        per_node: limit(Known::SessionsPerNode).await?,
    })
}

/// Says whether documents may be shared with all accounts where the caller acts.
pub(crate) async fn allows_public_documents(ssm: &Ssm, caller: &Caller) -> Result<bool, AwsError> {
    Ok(value(ssm, caller, Known::PublicDocuments).await? == "Enable")
}

async fn value(ssm: &Ssm, caller: &Caller, known: Known) -> Result<String, AwsError> {
    let customized = read(ssm, caller, known).await?;
    Ok(customized.map_or_else(|| known.default(ssm).to_owned(), |it| it.value))
}

async fn read(ssm: &Ssm, caller: &Caller, known: Known) -> Result<Option<Customized>, AwsError> {
    let stored = ssm.store.setting(&known.place(caller)).await.map_err(internal)?;
    let customized = stored.map(|text| serde_json::from_str(&text));
    customized.transpose().map_err(internal)
}

/// Needs the operation's action on the setting that a request names.
fn need(caller: &Caller, input: &Value) -> Need {
    let id = id_of(caller, input::text(input, "SettingId"));
    Need::on(Resource::plain(arn_of(caller, id)))
}

fn needs_setting(caller: &Caller, input: &Value) -> Needs {
    need(caller, input).into()
}

/// Takes the id out of an ARN of the caller's account and region.
fn id_of<'a>(caller: &Caller, named: &'a str) -> &'a str {
    named.strip_prefix(&arn_of(caller, "")).unwrap_or(named)
}

fn arn_of(caller: &Caller, id: &str) -> String {
    format!(
        "arn:aws:ssm:{}:{}:servicesetting{id}",
        caller.region, caller.account
    )
}
