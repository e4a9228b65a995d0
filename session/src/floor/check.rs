//! Whether a document, or a session of it, keeps a floor's rules.

use std::fmt;

use super::{Floor, Requirement};
use crate::document::{Content, FilledBy, Inputs, SessionDocument, SessionType};

/// The rules that something breaks; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BelowFloor(Vec<Violation>);

/// A rule, and what breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What the document or the request says instead.
    pub found: String,
}

/// A rule of a floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Something must be there.
    Requires(Requirement),
    /// The session may not last longer.
    MaxDuration,
    /// The session may not wait longer for input.
    IdleTimeout,
}

/// When a document is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// When somebody wants to keep it: values to come are looked at when they have come.
    Written,
    /// When a session runs it: everything is known that ever will be.
    Used,
}

impl Floor {
    /// Checks a document that somebody wants to keep.
    ///
    /// # Errors
    ///
    /// Names every rule that no session of it could keep.
    pub fn check_written(&self, content: &Content) -> Result<(), BelowFloor> {
        below(self.broken_by(content.as_written(), Moment::Written))
    }

    /// Checks a session: its document with the values of its parameters, and the reason that was given for it.
    ///
    /// # Errors
    ///
    /// Names every rule that it breaks.
    pub fn check(&self, document: &SessionDocument, reason: Option<&str>) -> Result<(), BelowFloor> {
        let mut broken = self.broken_by(document, Moment::Used);
        let is_blank = reason.is_none_or(|reason| reason.trim().is_empty());
        if self.requires.contains(&Requirement::Reason) && is_blank {
            broken.push(Violation::of(Requirement::Reason, "no reason was given"));
        }
        below(broken)
    }

    fn broken_by(&self, document: &SessionDocument, moment: Moment) -> Vec<Violation> {
        let inputs = &document.inputs;
        let required = self.requires.iter().filter_map(|requirement| {
            let found = missing(*requirement, document, moment)?;
            Some(Violation::of(*requirement, found))
        });
        let limits = [
            (
                Rule::MaxDuration,
                self.max_minutes,
                "maxSessionDuration",
                &inputs.max_session_duration,
            ),
            (
                Rule::IdleTimeout,
                self.idle_minutes,
                "idleSessionTimeout",
                &inputs.idle_session_timeout,
            ),
        ];
        let limits = limits.into_iter().filter_map(|(rule, most, key, text)| {
            let found = too_long(most?, key, text, moment)?;
            Some(Violation { rule, found })
        });
        required.chain(limits).collect()
    }
}

fn below(broken: Vec<Violation>) -> Result<(), BelowFloor> {
    if broken.is_empty() {
        Ok(())
    } else {
        Err(BelowFloor(broken))
    }
}

/// Says what a document has in the place of something that is required.
fn missing(requirement: Requirement, document: &SessionDocument, moment: Moment) -> Option<String> {
    let inputs = &document.inputs;
    let is_port = document.session_type == SessionType::Port;
    match requirement {
        Requirement::NoPort => is_port.then(|| "a tunnel is neither encrypted nor recorded".to_owned()),
        // Whoever starts the session says why.
        Requirement::Reason => None,
        // They are allowed although they have none of it, or refused above.
        _ if is_port => None,
        Requirement::Kms => unset("kmsKeyId", &inputs.kms_key_id, moment),
        Requirement::Bucket => unset("s3BucketName", &inputs.s3_bucket_name, moment),
        Requirement::LogGroup => unset(
            "cloudWatchLogGroupName",
            &inputs.cloud_watch_log_group_name,
            moment,
        ),
        Requirement::EncryptedLogs => unencrypted(inputs),
        Requirement::Recording => inputs
            .fails_open()
            .then(|| "`drawbridge.failOpen` is true".to_owned()),
    }
}

fn unset(key: &str, text: &str, moment: Moment) -> Option<String> {
    match (FilledBy::of(text), moment) {
        (FilledBy::Nobody, _) if text.trim().is_empty() => Some(format!("`{key}` is not set")),
        (FilledBy::Nobody, _) | (FilledBy::Request, Moment::Written) => None,
        (FilledBy::Request, Moment::Used) | (FilledBy::Node, _) => Some(left_open(key)),
    }
}

/// What nobody but the node knows may be nothing.
fn left_open(key: &str) -> String {
    format!("`{key}` is left to the node")
}

fn unencrypted(inputs: &Inputs) -> Option<String> {
    let places = [
        (
            "s3EncryptionEnabled",
            &inputs.s3_bucket_name,
            inputs.s3_encryption_enabled,
        ),
        (
            "cloudWatchEncryptionEnabled",
            &inputs.cloud_watch_log_group_name,
            inputs.cloud_watch_encryption_enabled,
        ),
    ];
    let open = places
        .into_iter()
        .find(|(_, place, encrypted)| !place.is_empty() && !encrypted);
    open.map(|(key, ..)| format!("`{key}` is not true"))
}

fn too_long(most: u16, key: &str, text: &str, moment: Moment) -> Option<String> {
    let found = match (FilledBy::of(text), moment) {
        (FilledBy::Nobody, _) => match text.parse::<u16>() {
            Ok(minutes) if minutes <= most => return None,
            Ok(minutes) => format!("`{key}` is {minutes}"),
            Err(_) => format!("`{key}` is not set"),
        },
        (FilledBy::Request, Moment::Written) => return None,
        (FilledBy::Request, Moment::Used) | (FilledBy::Node, _) => left_open(key),
    };
    Some(format!("{found}, at most {most} minutes are allowed"))
}

impl BelowFloor {
    /// What its text begins with.
    pub const LEAD: &str = "below the session floor";
}

impl Violation {
    fn of(requirement: Requirement, found: impl Into<String>) -> Self {
        Self {
            rule: Rule::Requires(requirement),
            found: found.into(),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requires(requirement) => requirement.as_str(),
            Self::MaxDuration => "max-duration",
            Self::IdleTimeout => "idle-timeout",
        })
    }
}

impl fmt::Display for BelowFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::LEAD)?;
        for (at, Violation { rule, found }) in self.0.iter().enumerate() {
            let before = if at == 0 { ":" } else { ";" };
            write!(f, "{before} rule `{rule}`: {found}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BelowFloor {}
