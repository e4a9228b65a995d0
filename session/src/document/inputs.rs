//! The settings of a session: `inputs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::Strictness;
use super::destination::Destination;
use super::destination_rule::DestinationRule;
use super::error::DocumentError;
use super::fields::Fields;
use super::run_as::RunAsName;

/// The settings of a session document; an empty text means unset.
///
/// Written with the JSON types that AWS's agent reads: it drops a request to start silently when one is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inputs {
    /// The bucket for the session's log.
    pub s3_bucket_name: String,
    /// The prefix of the log's key.
    pub s3_key_prefix: String,
    /// Whether the bucket must encrypt.
    pub s3_encryption_enabled: bool,
    /// The log group for the session's log.
    pub cloud_watch_log_group_name: String,
    /// Whether the log group must encrypt.
    pub cloud_watch_encryption_enabled: bool,
    /// Whether the log is streamed while the session runs; AWS's agent reads a JSON boolean only.
    pub cloud_watch_streaming_enabled: bool,
    /// The key that both ends encrypt with.
    pub kms_key_id: String,
    /// Whether the session runs as a user other than `ssm-user`.
    pub run_as_enabled: bool,
    /// That user.
    pub run_as_default_user: String,
    /// Minutes without input after which the server ends the session, `1` to `60`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub idle_session_timeout: String,
    /// Minutes after which the server ends the session, `1` to `1440`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_session_duration: String,
    /// What a shell runs first.
    pub shell_profile: ShellProfile,
    /// Drawbridge's own settings, which AWS's agent is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawbridge: Option<OwnInputs>,
}

/// What a shell runs first, by platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ShellProfile {
    /// On Windows.
    pub windows: String,
    /// On Linux and macOS.
    pub linux: String,
}

/// Drawbridge's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnInputs {
    /// The folder that a shell or command starts in; empty for the account's home.
    pub working_directory: String,
    /// Whether the session goes on, unrecorded, when its output cannot be kept; it ends otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fail_open: bool,
    /// Where the connections of a tunnel lead, in the order in which its client counts them; without entries while a
    /// placeholder stands for some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destinations: Option<Vec<Destination>>,
    /// What allows a connection of a tunnel, each rule for itself; without entries, nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_destinations: Option<Vec<DestinationRule>>,
}

/// The most destinations of a document, and the most rules.
const MAX_DESTINATIONS: usize = 64;

/// The longest path of a file on Linux.
const MAX_PATH: usize = 4095;

impl Inputs {
    pub(super) fn read(value: Option<&Value>, strictness: Strictness) -> Result<Self, DocumentError> {
        let mut fields = Fields::of(value, "inputs", strictness)?;
        let inputs = Self {
            s3_bucket_name: fields.text("s3BucketName")?,
            s3_key_prefix: fields.text("s3KeyPrefix")?,
            s3_encryption_enabled: fields.flag("s3EncryptionEnabled")?,
            cloud_watch_log_group_name: fields.text("cloudWatchLogGroupName")?,
            cloud_watch_encryption_enabled: fields.flag("cloudWatchEncryptionEnabled")?,
            cloud_watch_streaming_enabled: fields.flag("cloudWatchStreamingEnabled")?,
            kms_key_id: fields.text("kmsKeyId")?,
            run_as_enabled: fields.flag("runAsEnabled")?,
            run_as_default_user: run_as(&mut fields, "runAsDefaultUser")?,
            idle_session_timeout: minutes(&mut fields, "idleSessionTimeout", 60)?,
            max_session_duration: minutes(&mut fields, "maxSessionDuration", 1440)?,
            shell_profile: ShellProfile::read(fields.object("shellProfile")?)?,
            drawbridge: OwnInputs::read(&mut fields)?,
        };
        fields.finish()?;
        Ok(inputs)
    }

    /// Returns the minutes without input after which the session ends.
    pub fn idle_minutes(&self) -> Option<u64> {
        self.idle_session_timeout.parse().ok()
    }

    /// Says whether the session goes on, unrecorded, when its output cannot be kept.
    pub fn fails_open(&self) -> bool {
        self.drawbridge.as_ref().is_some_and(|own| own.fail_open)
    }

    /// Returns the minutes after which the session ends.
    pub fn longest_minutes(&self) -> Option<u64> {
        self.max_session_duration.parse().ok()
    }
}

impl ShellProfile {
    fn read(mut fields: Fields<'_>) -> Result<Self, DocumentError> {
        let profile = Self {
            windows: fields.text("windows")?,
            linux: fields.text("linux")?,
        };
        fields.finish()?;
        Ok(profile)
    }
}

impl OwnInputs {
    fn read(fields: &mut Fields<'_>) -> Result<Option<Self>, DocumentError> {
        if fields.value("drawbridge").is_none() {
            return Ok(None);
        }
        let mut own = fields.object("drawbridge")?;
        let absolute = |path: &str| path.starts_with('/') && path.len() <= MAX_PATH && !path.contains('\0');
        let inputs = Self {
            working_directory: own.text_where("workingDirectory", "must be an absolute path", absolute)?,
            fail_open: own.flag("failOpen")?,
            destinations: own.list("destinations", MAX_DESTINATIONS, Destination::parse)?,
            allowed_destinations: own.list(
                "allowedDestinations",
                MAX_DESTINATIONS,
                DestinationRule::parse,
            )?,
        };
        own.finish()?;
        Ok(Some(inputs))
    }
}

/// Reads the name of an account, which a document never gives root.
fn run_as(fields: &mut Fields<'_>, key: &'static str) -> Result<String, DocumentError> {
    let rule = "must be the name of an account other than root: letters, digits and `_.@-`";
    let holds = |name: &str| RunAsName::parse(name).is_ok_and(|name| !name.is_root());
    fields.text_where(key, rule, holds)
}

/// Reads a number of minutes, which AWS writes as a text.
fn minutes(fields: &mut Fields<'_>, key: &'static str, most: u64) -> Result<String, DocumentError> {
    let rule = format!("must be a whole number of minutes from 1 to {most}");
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let holds = |text: &str| {
        plain(text)
            && text
                .parse()
                .is_ok_and(|minutes: u64| (1..=most).contains(&minutes))
    };
    fields.text_where(key, &rule, holds)
}
